"""Clocks and memory of this machine, which training's laps and the cost of a run are measured with."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from zoo.engine.laps import Laps
    from zoo.runs.cost import Gauge


def laps(device: torch.device) -> Laps:
    """Laps by this machine's clock; on CUDA each waits for the device."""
    import torch

    from zoo.engine.laps import Laps

    return Laps(time.perf_counter, (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else None)


def gauge(device: torch.device) -> Gauge:
    """Seconds, the peak memory of this process and, on CUDA, of what torch allocated on the device."""
    import torch

    from zoo.runs.cost import Cost

    def now() -> Cost:
        on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
        return Cost(time.perf_counter(), peak_memory(), on_device, name)

    return now


def peak_memory() -> int:
    """The most bytes that this process has held; 0 on Windows, which has no `resource`."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kibibytes, macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024
