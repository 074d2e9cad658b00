"""Runs of whole clips that fit in memory, for whoever reads a store from end to end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from prep.store import BLOCK


def runs(offsets: NDArray[np.int64], frames: int = BLOCK) -> Iterator[tuple[int, int]]:
    """(first, last but one) clip of each run: whole clips of together at most `frames` frames, but at least one.

    >>> list(runs(np.array([0, 4, 8, 20, 22]), frames=10))
    [(0, 2), (2, 3), (3, 4)]
    """
    start, clips = 0, len(offsets) - 1
    while start < clips:
        stop = int(np.searchsorted(offsets, offsets[start] + frames, side="right")) - 1
        stop = min(max(stop, start + 1), clips)
        yield start, stop
        start = stop
