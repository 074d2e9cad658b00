"""A store in memory: as much of prep.store.read.Store as the episodes floor reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.store.frames import Frames


@dataclass(frozen=True)
class FakeInfo:
    """The part of StoreInfo that a pool reads."""

    classes: tuple[str, ...]


class FakeStore:
    """Clips of random joints; the first number of a frame tells where it comes from: clip + frame / 1000.

    `bodies`: how many bodies each clip has, the others are absent; None = all. Recorded coordinates are preprocessed
    ones times a random matrix plus a random origin.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        labels: Sequence[int],
        shape: tuple[int, int, int] = (2, 25, 3),
        bodies: Sequence[int] | None = None,
        block: int = 65_536,
    ) -> None:
        self.block = block
        self.info = FakeInfo(tuple(f"action {i}" for i in range(max(labels, default=0) + 1)))
        self.offsets: NDArray[np.int64] = np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))])
        self.label: NDArray[np.int32] = np.asarray(labels, dtype=np.int32)
        self.subject: NDArray[np.int16] = np.full(len(lengths), -1, dtype=np.int16)
        self.camera: NDArray[np.int16] = np.full(len(lengths), -1, dtype=np.int16)
        self.names = tuple(f"clip{i:04d}" for i in range(len(lengths)))
        self.shape, self.reads = shape, 0
        frames, random = int(self.offsets[-1]), np.random.default_rng(0)
        self._joints = random.standard_normal((frames, *shape), dtype=np.float32)
        for clip, (start, stop) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            self._joints[start:stop, 0, 0, 0] = clip + np.arange(stop - start) / 1000

        self.body_mask: NDArray[np.bool_] = np.ones((frames, shape[0]), dtype=bool)
        if bodies is not None:
            self.body_mask = np.arange(shape[0]) < np.repeat(bodies, lengths)[:, None]
            self._joints[~self.body_mask] = 0
        self.to_recorded = random.standard_normal((len(lengths), shape[2], shape[2]), dtype=np.float32)
        self._origin = random.standard_normal((frames, shape[2]), dtype=np.float32)

    def joints(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Frames start : stop."""
        return self._joints[start:stop]

    def origin(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """The origins of frames start : stop."""
        return self._origin[start:stop]

    def blocks(self) -> Iterator[tuple[int, Frames]]:
        """All frames, `block` at a time; every pass is counted in `reads`."""
        self.reads += 1
        every = Frames(self._joints, self.body_mask, self._origin)
        for start in range(0, len(every), self.block):
            yield start, every[start : start + self.block]


def even_store(
    classes: int, clips: int, shortest: int = 5, longest: int = 40, bodies: Sequence[int] | None = None
) -> FakeStore:
    """`clips` clips of each of `classes` classes, of random lengths, classes taking turns."""
    lengths = np.random.default_rng(1).integers(shortest, longest + 1, classes * clips)
    return FakeStore(lengths.tolist(), [i % classes for i in range(classes * clips)], bodies=bodies)
