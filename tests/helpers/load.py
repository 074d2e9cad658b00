"""How busy this machine is, for benchmarks that need idle cores."""

from __future__ import annotations

import os

import pytest

# Read once, before any benchmark makes its own load.
LOAD = os.getloadavg()[0]
CORES = len(os.sched_getaffinity(0))


def need_idle_cores(cores: int) -> None:
    """Skip the test, with the reason, unless `cores` cores were idle when the tests started."""
    idle = CORES - LOAD
    if idle < cores - 0.5:
        pytest.skip(f"needs {cores} idle cores: this machine has {CORES}, and a load of {LOAD:.1f} at the start")
