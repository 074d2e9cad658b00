"""Clips as a page carries them: few frames, upright as recorded, joints as 16-bit integers."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.text import plain
from prep.store.read import Store

FRAMES = 40
ABSENT = -32_768
STEPS = 65_534  # from -32,767 to 32,767


@dataclass(frozen=True)
class PlayedClip:
    """`frames` (L, M, V, 3) 16-bit integers: position = low + (frame + 32,767) * step, ABSENT where there is no joint.

    Positions are those of the store, turned as they were recorded. `seconds` is the length of the whole clip.
    """

    name: str
    frames: NDArray[np.int16]
    low: tuple[float, float, float]
    step: float
    seconds: float

    @property
    def size(self) -> int:
        """Characters of the packed frames in a page."""
        return (self.frames.nbytes + 2) // 3 * 4

    def positions(self) -> NDArray[np.float64]:
        """The positions, NaN where there is no joint."""
        values = np.array(self.low) + (self.frames.astype(float) + 32_767) * self.step
        return np.where(self.frames == ABSENT, np.nan, values)

    def record(self) -> dict[str, Any]:
        """The clip as a JSON value; integers are little-endian, in base64."""
        count, bodies, joints, _ = self.frames.shape
        packed = base64.b64encode(self.frames.astype("<i2").tobytes()).decode()
        size = {"frames": count, "bodies": bodies, "joints": joints, "seconds": self.seconds}
        return {"name": plain(self.name), **size, "low": self.low, "step": self.step, "data": packed}


def played(store: Store, clip: int, most: int = FRAMES) -> PlayedClip:
    """A clip of a store with at most `most` of its frames, evenly spaced; bodies that it never has are left out."""
    start, stop = int(store.offsets[clip]), int(store.offsets[clip + 1])
    chosen = np.unique(np.linspace(0, stop - start - 1, min(most, stop - start)).round().astype(int))
    joints = store.joints(start, stop)[chosen].astype(float)
    present = np.asarray(store.body_mask[start:stop])[chosen]
    bodies = present.any(0)
    bodies[0] |= not bodies.any()
    upright = upright_positions(joints[:, bodies], np.asarray(store.to_recorded[clip], dtype=float), store)
    upright[~present[:, bodies]] = np.nan
    seconds = (stop - start) / (store.info.fps or 30.0)
    return quantised(store.names[clip], upright, seconds)


def quantised(name: str, positions: NDArray[np.float64], seconds: float) -> PlayedClip:
    """Positions (L, M, V, 3) in steps of the clip's largest extent / STEPS; NaN are ABSENT."""
    known = positions.reshape(-1, 3)[np.isfinite(positions).all(-1).ravel()]
    low = known.min(0) if len(known) else np.zeros(3)
    step = float((known.max(0) - low).max()) / STEPS if len(known) else 0.0
    whole = np.round((positions - low) / (step or 1.0)) - 32_767
    frames = np.where(np.isfinite(positions).all(-1, keepdims=True), whole, ABSENT).astype(np.int16)
    return PlayedClip(name, frames, (float(low[0]), float(low[1]), float(low[2])), step or 1.0, seconds)


def upright_positions(
    joints: NDArray[np.float64], to_recorded: NDArray[np.float64], store: Store
) -> NDArray[np.float64]:
    """Joints (..., C) turned as they were recorded, as three coordinates; flat skeletons have z = 0.

    Undetected joints (score 0) are NaN. Origins are left out, so that a body stays where the store has it.
    """
    layout = store.info.layout
    turned = joints @ to_recorded.T
    three = np.zeros((*joints.shape[:-1], 3))
    three[..., : layout.axes] = turned[..., : layout.axes]
    if layout.scored:
        three[joints[..., layout.axes] <= 0] = np.nan
    return three
