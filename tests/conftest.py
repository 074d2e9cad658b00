"""Settings for every test: helpers can be imported, one thread keeps numbers repeatable, nothing waits for the disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Before torch is imported anywhere: small tensors lose more to two threads than they gain.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))


def fsync_without_waiting(descriptor: int) -> None:
    """A small store is 90 files and folders, and waits 0.3 s for the disk. Processes that tests start do wait."""
    os.fstat(descriptor)


os.fsync = fsync_without_waiting


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where there is no CUDA device, what needs one is skipped and says so."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device here")
