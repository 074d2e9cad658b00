"""A demo clip as the text of a `.skeleton` file, with the pixels of its joints in both Kinect v2 cameras."""

from __future__ import annotations

import numpy as np

from prep.demo.body import JOINTS, Array
from prep.demo.simulation import DemoClip
from prep.preprocessing.joints_box import HEIGHT, WIDTH

COLOUR_SIZE = (WIDTH, HEIGHT)
_JOINT = "%.7g %.7g %.7g %.7g %.7g %.7g %.7g 0 0 0 0 %d\n"
_BODY = "%d 0 1 1 1 1 0 %.7g %.7g 2\n25\n" + _JOINT * JOINTS


def colour_pixels(joints: Array) -> Array:
    """Project camera space (..., 3) in metres to pixels (..., 2) of the 1920 x 1080 colour image; z must be positive.

    >>> colour_pixels(np.array([0.0, 1.0, 2.0])).tolist()
    [959.5, -1.0]
    """
    return _project(joints, 1081, 959.5, 539.5)


def depth_pixels(joints: Array) -> Array:
    """Project camera space (..., 3) in metres to pixels (..., 2) of the 512 x 424 depth image; z must be positive.

    >>> depth_pixels(np.array([1.0, 0.0, 2.0])).tolist()
    [439.0, 212.0]
    """
    return _project(joints, 366, 256, 212)


def skeleton_text(clip: DemoClip) -> str:
    """The text of the whole file, in the line format of NTU RGB+D; joint orientations are zeros."""
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
            # Floats cannot hold a body id exactly, so it stays out of the row of floats.
            parts.append(_BODY % (int(clip.body_id[row]), *rows[row]))
            row += 1
    return "".join(parts)


def _project(joints: Array, focal: float, centre_x: float, centre_y: float) -> Array:
    x, y, z = np.moveaxis(joints, -1, 0)
    return np.stack([centre_x + focal * x / z, centre_y - focal * y / z], axis=-1)
