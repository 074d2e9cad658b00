"""The clock that training's laps are measured with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from zoo.engine.laps import Laps


def laps(device: torch.device) -> Laps:
    """Laps by this machine's clock; on CUDA each waits for the device."""
    import torch

    from zoo.engine.laps import Laps

    return Laps(time.perf_counter, (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else None)
