"""How much the joints of each clip move, and how abruptly: one pass over a store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout
from prep.check.flag_location import clip_detections
from prep.preprocessing.quality import Detections
from prep.progress import Step, Work
from prep.store.read import Store
from prep.store.runs import runs
from prep.viewer.clip import to_recorded


@dataclass(frozen=True)
class Motion:
    """Motion of each clip in recorded coordinates, in mean bone lengths of its bodies; NaN where it has too few frames.

    `speed` (clips,) is the mean distance that a joint moves from one frame to the next. `jerk` (clips,) is the mean
    length of a joint's third difference over four consecutive frames, which is large where joints jump or tremble.
    """

    speed: NDArray[np.float32]
    jerk: NDArray[np.float32]


def measure_motion(store: Store) -> Work[Motion]:
    """Read every clip once, in bounded memory; a step per run of clips. Raises StoreError if a block is damaged."""
    speed, jerk = np.full(len(store), np.nan, np.float32), np.full(len(store), np.nan, np.float32)
    for start, stop in runs(store.offsets, frames=8192):
        low = int(store.offsets[start])
        frames = store.read_frames(low, int(store.offsets[stop]))
        for clip in range(start, stop):
            part = frames[slice(int(store.offsets[clip]) - low, int(store.offsets[clip + 1]) - low)]
            speed[clip], jerk[clip] = motion_of(
                to_recorded(part, store.to_recorded[clip]), part.body_mask, store.info.layout
            )
        yield Step(stop, len(store), stage="measuring motion")
    return Motion(speed, jerk)


def motion_of(joints: NDArray[np.float32], mask: NDArray[np.bool_], layout: Layout) -> tuple[float, float]:
    """The speed and jerk of one clip, joints (L, M, V, C) and body_mask (L, M); see Motion."""
    bodies = clip_detections(joints, mask, layout)
    size = bodies.size[bodies.size > 0]
    if not len(size):
        return np.nan, np.nan
    unit = float(size.mean())
    return _mean_difference(bodies, 1) / unit, _mean_difference(bodies, 3) / unit


def _mean_difference(bodies: Detections, degree: int) -> float:
    """The mean length of a difference of this degree over consecutive frames in which a joint is present."""
    rows = len(bodies.body) - degree
    if rows < 1:
        return np.nan
    lengths = np.sqrt(np.square(np.diff(bodies.position, n=degree, axis=1)).sum(axis=0))
    valid = np.ones(lengths.shape, np.bool_)
    for shift in range(degree + 1):
        valid &= bodies.seen[shift : shift + rows]
    for shift in range(degree):
        valid &= bodies.follows[shift : shift + rows, None]
    return float(lengths[valid].mean()) if valid.any() else np.nan
