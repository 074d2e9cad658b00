"""One pass over the joints of a store: flags found anew, clips that are copies, how steady bones are."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests import facts
from manifests.dataset import Dataset
from manifests.strict import InvalidValue
from prep.check.flagged import clip_detections, find_marks
from prep.preprocessing import quality
from prep.preprocessing.pipeline import pipeline
from prep.preprocessing.quality import Detections
from prep.store.read import Store
from prep.store.runs import runs


@dataclass(frozen=True)
class Measures:
    """What one pass found. `flags` (clips,) are the stored ones and those found anew together.

    `worst` has for a flag's bit the clip that breaks its rule most; `copies` are groups of clips with the same joints
    to the last bit; `bone_length` and `bone_spread` (E,) are means over bodies of a bone's
    mean length and of its standard deviation in parts of it, NaN for a bone that was never seen.
    """

    flags: NDArray[np.uint16]
    worst: dict[int, int]
    copies: tuple[tuple[int, ...], ...]
    bone_length: NDArray[np.float64]
    bone_spread: NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One step of an inspection: clips read."""

    done: int
    total: int


def as_recorded(store: Store) -> bool:
    """Whether joints lie as the file has them, so that rules can be tried again: the recipe only chose bodies."""
    try:
        return len(pipeline(store.info.recipe).steps(store.info.layout.name)) == 1
    except InvalidValue:
        return False


def known_dataset(store: Store) -> Dataset | None:
    """The facts on a store's data set, where they ship."""
    return facts.dataset(store.info.dataset) if store.info.dataset in facts.names("datasets") else None


class Inspection:
    """A pass over a store: run it to the end, then ask for the measures."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.layout, self.data, self.judge = store.info.layout, known_dataset(store), as_recorded(store)
        self.names, self.label, self.flags = store.names, store.label, store.quality.copy()
        self.worst: dict[int, tuple[float, int]] = {}
        self.same: dict[bytes, list[int]] = defaultdict(list)
        self.length = np.zeros(len(self.layout.bones))
        self.spread = np.zeros(len(self.layout.bones))
        self.bodies = np.zeros(len(self.layout.bones), np.int64)

    def run(self) -> Iterator[Measured]:
        """Read every clip once, in bounded memory. Raises StoreError where a block is damaged."""
        store = self.store
        for start, stop in runs(store.offsets):
            low, high = int(store.offsets[start]), int(store.offsets[stop])
            joints, mask = store.joints(low, high), store.read("body_mask", slice(low, high))
            for clip in range(start, stop):
                where = slice(store.offsets[clip] - low, store.offsets[clip + 1] - low)
                self._clip(clip, joints[where], mask[where])
            yield Measured(stop, len(store))

    def _clip(self, index: int, joints: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        bodies = clip_detections(joints, mask, self.layout)
        self.flags[index] |= self._found_anew(index, bodies, mask)
        for flag in quality.FLAGS:
            if self.flags[index] & flag.bit:
                strength = find_marks(flag.bit, bodies, mask, self.judge).strength
                if strength > self.worst.get(flag.bit, (-1.0, 0))[0]:
                    self.worst[flag.bit] = strength, index
        if len(bodies.body):
            self.same[hashlib.sha256(joints.tobytes()).digest()].append(index)
            self._add_bones(bodies)

    def _found_anew(self, index: int, bodies: Detections, mask: NDArray[np.bool_]) -> int:
        found = quality.EMPTY * (not len(bodies.body))
        if self.data is not None:
            found |= quality.LABEL * quality.mislabelled(self.data, self.names[index], int(self.label[index]))
        if self.judge and not self.flags[index] & quality.EXTRA_BODIES:
            found |= quality.flags_of_bodies(bodies)
            found |= quality.BODY_COUNT * bool(quality.count_changes(mask.sum(axis=1)).any())
        return found

    def _add_bones(self, bodies: Detections) -> None:
        lengths = bodies.bones.astype(np.float64)
        known = ~np.isnan(lengths)
        lengths[~known] = 0
        count = np.add.reduceat(known, bodies.starts, dtype=np.int64)
        mean = np.add.reduceat(lengths, bodies.starts) / np.maximum(count, 1)
        square = np.add.reduceat(lengths**2, bodies.starts) / np.maximum(count, 1)
        judged = (count > 1) & (mean > 0)
        spread = np.sqrt(np.maximum(square - mean**2, 0)) / np.where(judged, mean, 1)
        self.length += np.where(judged, mean, 0).sum(axis=0)
        self.spread += np.where(judged, spread, 0).sum(axis=0)
        self.bodies += judged.sum(axis=0)

    def measures(self) -> Measures:
        """What was found in the clips read so far."""
        seen = np.where(self.bodies, self.bodies, np.nan)
        return Measures(
            flags=self.flags,
            worst={bit: clip for bit, (_, clip) in self.worst.items()},
            copies=tuple(tuple(group) for group in self.same.values() if len(group) > 1),
            bone_length=self.length / seen,
            bone_spread=self.spread / seen,
        )
