"""Reading many clips of a store in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prep.store.arrays import BLOCK
from prep.store.frames import Frames
from prep.store.read import Store


def runs(offsets: NDArray[np.int64], frames: int = BLOCK) -> Iterator[tuple[int, int]]:
    """Clips start : stop of each run: at least one clip, and at most `frames` frames together.

    >>> list(runs(np.array([0, 4, 8, 20, 22]), frames=10))
    [(0, 2), (2, 3), (3, 4)]
    """
    start, clips = 0, len(offsets) - 1
    while start < clips:
        stop = int(np.searchsorted(offsets, offsets[start] + frames, side="right")) - 1
        stop = min(max(stop, start + 1), clips)
        yield start, stop
        start = stop


def read_clips(store: Store, clips: Sequence[int]) -> Iterator[tuple[int, Frames]]:
    """(clip, its frames) for some clips, in the order of the store.

    Neighbouring clips are read together, at most a block at a time. Raises StoreError.
    """
    offsets, waiting = store.offsets, sorted(clips)
    while waiting:
        first = int(offsets[waiting[0]])
        count = int(np.searchsorted(offsets[np.array(waiting) + 1], first + BLOCK, side="right"))
        near, waiting = waiting[: max(count, 1)], waiting[max(count, 1) :]
        stop = int(offsets[near[-1] + 1])
        frames = store.read_frames(first, stop)
        for clip in near:
            rows = slice(int(offsets[clip]) - first, int(offsets[clip + 1]) - first)
            # A view would keep all the other clips in memory.
            yield clip, frames[rows].copy()
