"""Names of devices, and what they compute fast. The only file that asks torch for CUDA."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class DeviceError(Exception):
    """The requested device does not exist."""


def check_name(name: str) -> None:
    """Raises DeviceError unless `name` is "auto", "cpu", "cuda" or "cuda:N", whether or not this machine has it."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name, re.ASCII):
        known = "auto, cpu, cuda and cuda:N (a number from 0)"
        raise DeviceError(f"--device {name}: devices are {known}. Use cuda for a GPU of NVIDIA or AMD, else cpu.")


def choose(name: str) -> torch.device:
    """The device for "auto" (CUDA if available, else the CPU), "cpu", "cuda" or "cuda:1". Raises DeviceError."""
    check_name(name)
    import torch

    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    if name.startswith("cuda") and not available:
        raise DeviceError(
            f"--device {name}: this machine or this torch ({torch.__version__}) has no CUDA. Use --device cpu."
        )
    number = torch.device(name).index
    if number is not None and number >= torch.cuda.device_count():
        devices = f"cuda:0 to cuda:{torch.cuda.device_count() - 1}"
        raise DeviceError(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices, {devices}.")
    return torch.device(name)


def bfloat16_is_slow(device: torch.device, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """True on a CPU without bfloat16 instructions, where torch emulates them; False where the system does not say."""
    if device.type != "cpu" or not cpuinfo.is_file():
        return False
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])
    return bool(flags) and not {"avx512_bf16", "amx_bf16", "bf16"} & set(flags)
