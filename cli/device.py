"""Names of devices. The only file that asks torch for CUDA."""

from __future__ import annotations

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
