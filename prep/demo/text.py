"""A demo clip as the text of a `.skeleton` file, and joints as pixels of the two Kinect v2 cameras."""

from __future__ import annotations

import numpy as np

from prep.demo.figure import JOINTS, Array
from prep.demo.perform import DemoClip

COLOUR_SIZE = (1920, 1080)
_JOINT = "%.7g %.7g %.7g %.7g %.7g %.7g %.7g 0 0 0 0 %d\n"
_BODY = "%d 0 1 1 1 1 0 %.7g %.7g 2\n25\n" + _JOINT * JOINTS


def colour_pixels(joints: Array) -> Array:
    """(..., 3) metres in camera space to (..., 2) pixels of the 1920 x 1080 colour image; z must be positive.

    >>> colour_pixels(np.array([0.0, 1.0, 2.0])).tolist()
    [959.5, -1.0]
    """
    return _project(joints, 1081, 959.5, 539.5)


def depth_pixels(joints: Array) -> Array:
    """(..., 3) metres in camera space to (..., 2) pixels of the 512 x 424 depth image; z must be positive.

    >>> depth_pixels(np.array([1.0, 0.0, 2.0])).tolist()
    [439.0, 212.0]
    """
    return _project(joints, 366, 256, 212)


def skeleton_text(clip: DemoClip) -> str:
    """The whole file, line for line as NTU RGB+D writes it; orientations are zeros."""
    numbers = np.concatenate(
        [clip.joints, depth_pixels(clip.joints), colour_pixels(clip.joints), clip.state[..., None]], axis=-1
    )
    spine = clip.joints[:, 20] - clip.joints[:, 0]
    lean = np.clip(spine[:, [0, 2]] / np.linalg.norm(spine, axis=-1, keepdims=True), -1, 1)
    rows = np.concatenate([lean, numbers.reshape(len(numbers), -1)], axis=1).tolist()
    parts, row = [f"{len(clip.bodies_per_frame)}\n"], 0
    for bodies in clip.bodies_per_frame.tolist():
        parts.append(f"{bodies}\n")
        for _ in range(bodies):
            # The number of a body is beyond what a float holds exactly, so it never joins the row of floats.
            parts.append(_BODY % (int(clip.body_id[row]), *rows[row]))
            row += 1
    return "".join(parts)


def _project(joints: Array, focal: float, across: float, down: float) -> Array:
    x, y, z = np.moveaxis(joints, -1, 0)
    return np.stack([across + focal * x / z, down - focal * y / z], axis=-1)
