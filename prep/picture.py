"""Where in the picture of its video a clip's joints are: one box, so that a crop keeps the motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from prep.clip import Recording

Box = tuple[float, float, float, float]
UNKNOWN: Box = (-1.0, -1.0, -1.0, -1.0)


def joints_box(recording: Recording, data: Dataset) -> Box:
    """Left, top, right and bottom of all bodies of all frames, in parts of the picture's width and height.

    Cut off at the picture's edges; UNKNOWN where no joint lies in the picture or nothing is known of one.
    The method card unites the sampled frames only; here it is all frames, so that a box does not depend on how many
    frames an encoder is shown.
    """
    known = _sides(recording, data)
    if known is None:
        return UNKNOWN
    sides = known[np.isfinite(known).all(axis=1)]
    inside = sides[(sides[:, 2] > 0) & (sides[:, 0] < 1) & (sides[:, 3] > 0) & (sides[:, 1] < 1)]
    if not len(inside):
        return UNKNOWN
    low, high = inside[:, :2].min(axis=0).clip(0, 1), inside[:, 2:].max(axis=0).clip(0, 1)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _sides(recording: Recording, data: Dataset) -> NDArray[np.float32] | None:
    """(R, 4): the box of each sighting, or None."""
    return recording.picture if data.picture == "file" else None
