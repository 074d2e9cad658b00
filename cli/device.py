"""Names of devices, and what they compute fast. The only file that asks torch for CUDA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class DeviceError(Exception):
    """The requested device does not exist."""


def choose(name: str) -> torch.device:
    """The device for "auto" (CUDA if available, else the CPU), "cpu", "cuda" or "cuda:1". Raises DeviceError."""
    import torch

    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    if name.startswith("cuda") and not available:
        raise DeviceError(
            f"--device {name}: this machine or this torch ({torch.__version__}) has no CUDA. Use --device cpu."
        )
    return torch.device(name)


def bfloat16_is_slow(device: torch.device, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """True on a CPU without bfloat16 instructions, where torch emulates them; False where the system does not say."""
    if device.type != "cpu" or not cpuinfo.is_file():
        return False
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])
    return bool(flags) and not {"avx512_bf16", "amx_bf16", "bf16"} & set(flags)
