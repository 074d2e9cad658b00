"""What the user calls a device, and what the machine has. The only place that asks for CUDA."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class DeviceError(Exception):
    """The device asked for is not there."""


def choose(name: str) -> torch.device:
    """ "auto" (CUDA where there is one, else the CPU), "cpu", "cuda" or "cuda:1". Raises DeviceError."""
    import torch

    there = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if there else "cpu")
    if name.startswith("cuda") and not there:
        raise DeviceError(
            f"--device {name}: this machine or this torch ({torch.__version__}) has no CUDA. Use --device cpu."
        )
    return torch.device(name)
