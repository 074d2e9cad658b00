"""One pass over the joints of a store: quality flags tested again, duplicate clips, bones, direction of the head."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests import facts
from manifests.dataset import Dataset
from manifests.strict import InvalidValue
from prep.check.flag_location import clip_detections, locate_flag
from prep.formats import IMPORTED, IMPORTED_ALL
from prep.preprocessing import quality
from prep.preprocessing.pipeline import pipeline
from prep.preprocessing.proportions import head_direction
from prep.preprocessing.quality import Detections
from prep.progress import Step, Work
from prep.store.read import Store
from prep.store.runs import runs


@dataclass(frozen=True)
class Measures:
    """What one pass over a store measured.

    `flags` (clips,) are the stored flags together with those that the pass has set. `worst` maps a flag's bit to the
    clip that breaks its rule most. `copies` are groups of clips with bit-identical joints. `bone_length` (E,) is the
    mean over bodies of a bone's mean length; `bone_spread` (E,) the mean over bodies of its standard deviation as a
    fraction of that length. Both are NaN for a bone that no clip has. `up` are (direction of the head from the hips as
    recorded, clips), empty where the layout has no head or the store does not know how the clips were recorded.
    """

    flags: NDArray[np.uint16]
    worst: dict[int, int]
    copies: tuple[tuple[int, ...], ...]
    bone_length: NDArray[np.float64]
    bone_spread: NDArray[np.float64]
    up: tuple[tuple[str, int], ...]


def as_recorded(store: Store) -> bool:
    """Whether the preprocessing only selected bodies, so that the joints are as recorded and rules can be tested."""
    try:
        return len(pipeline(store.info.preprocessing).steps(store.info.layout.name)) == 1
    except InvalidValue:
        return False


def shipped_dataset(store: Store) -> Dataset | None:
    """The manifest of a store's dataset, None for a custom dataset."""
    return facts.dataset(store.info.dataset) if store.info.dataset in facts.names("datasets") else None


def measure(store: Store) -> Work[Measures]:
    """Read every clip once, in bounded memory; a step per run of clips. Raises StoreError if a block is damaged."""
    totals = _Totals(store)
    for start, stop in runs(store.offsets):
        low, high = int(store.offsets[start]), int(store.offsets[stop])
        joints, mask = store.joints(low, high), store.read("body_mask", slice(low, high))
        for clip in range(start, stop):
            rows = slice(store.offsets[clip] - low, store.offsets[clip + 1] - low)
            totals.add(clip, joints[rows], mask[rows])
        yield Step(stop, len(store))
    return totals.measures()


class _Totals:
    """Running totals over the clips of a store."""

    def __init__(self, store: Store) -> None:
        self.layout, self.dataset, self.recorded = store.info.layout, shipped_dataset(store), as_recorded(store)
        self.names, self.label, self.flags = store.names, store.label, store.quality.copy()
        self.worst: dict[int, tuple[float, int]] = {}
        self.clips_by_digest: dict[bytes, list[int]] = defaultdict(list)
        self.length = np.zeros(len(self.layout.bones))
        self.spread = np.zeros(len(self.layout.bones))
        self.bodies = np.zeros(len(self.layout.bones), np.int64)
        self.to_recorded = None if store.info.preprocessing in (IMPORTED, IMPORTED_ALL) else store.to_recorded
        self.up: Counter[str] = Counter()

    def add(self, index: int, joints: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Add one clip: joints (L, M, V, C), body_mask (L, M)."""
        bodies = clip_detections(joints, mask, self.layout)
        self.flags[index] |= self._new_flags(index, bodies, mask)
        for flag in quality.FLAGS:
            if self.flags[index] & flag.bit:
                severity = locate_flag(flag.bit, bodies, mask, self.recorded).severity
                if severity > self.worst.get(flag.bit, (-1.0, 0))[0]:
                    self.worst[flag.bit] = severity, index
        if len(bodies.body):
            self.clips_by_digest[hashlib.sha256(joints.tobytes()).digest()].append(index)
            self._add_bones(bodies)
            self._add_direction(index, bodies)

    def _new_flags(self, index: int, bodies: Detections, mask: NDArray[np.bool_]) -> int:
        flags = quality.EMPTY * (not len(bodies.body))
        if self.dataset is not None:
            flags |= quality.LABEL * quality.mislabelled(self.dataset, self.names[index], int(self.label[index]))
        if self.recorded and not self.flags[index] & quality.EXTRA_BODIES:
            flags |= quality.flags_of_bodies(bodies)
            flags |= quality.BODY_COUNT * bool(quality.count_changes(mask.sum(axis=1)).any())
        return flags

    def _positions(self, bodies: Detections) -> NDArray[np.float64]:
        """(R, V, axes): NaN for a missing joint, which is at zero as recorded; preprocessing moves it elsewhere."""
        positions = bodies.position.transpose(1, 2, 0).astype(np.float64)
        if self.recorded or self.layout.is_image:
            positions[~bodies.seen] = np.nan
        return positions

    def _add_direction(self, index: int, bodies: Detections) -> None:
        if self.to_recorded is not None:
            axes = self.layout.axes
            turned = self._positions(bodies) @ self.to_recorded[index, :axes, :axes].T.astype(np.float64)
            self.up[head_direction(turned, self.layout)] += 1

    def _add_bones(self, bodies: Detections) -> None:
        child, parent = np.array(self.layout.bones, np.intp).reshape(-1, 2).T
        positions = self._positions(bodies)
        lengths = np.linalg.norm(positions[:, child] - positions[:, parent], axis=-1)
        present = ~np.isnan(lengths)
        lengths[~present] = 0
        count = np.add.reduceat(present, bodies.starts, dtype=np.int64)
        mean = np.add.reduceat(lengths, bodies.starts) / np.maximum(count, 1)
        square = np.add.reduceat(lengths**2, bodies.starts) / np.maximum(count, 1)
        valid = (count > 1) & (mean > 0)
        spread = np.sqrt(np.maximum(square - mean**2, 0)) / np.where(valid, mean, 1)
        self.length += np.where(valid, mean, 0).sum(axis=0)
        self.spread += np.where(valid, spread, 0).sum(axis=0)
        self.bodies += valid.sum(axis=0)

    def measures(self) -> Measures:
        """Means over the clips added so far."""
        bodies = np.where(self.bodies, self.bodies, np.nan)
        return Measures(
            flags=self.flags,
            worst={bit: clip for bit, (_, clip) in self.worst.items()},
            copies=tuple(tuple(clips) for clips in self.clips_by_digest.values() if len(clips) > 1),
            bone_length=self.length / bodies,
            bone_spread=self.spread / bodies,
            up=tuple((direction, count) for direction, count in self.up.most_common() if direction),
        )
