"""Where in the picture of its video a clip's joints are: one box, so that a crop keeps the motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from prep.clip import Recording

Box = tuple[float, float, float, float]
UNKNOWN: Box = (-1.0, -1.0, -1.0, -1.0)

# A Kinect v2 as `kinect_v2` has it: focal length and middle in pixels, metres that the colour camera lies beside depth.
WIDTH, HEIGHT = 1920, 1080
FOCAL, ACROSS, DOWN, ASIDE = 1059.0, 955.0, 553.0, 0.062


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


def sides_of(points: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(R, V, 2) places and (R, V) which of them count to (R, 4) left, top, right, bottom; NaN where none counts.

    >>> sides_of(np.array([[[1, 2], [3, 0], [9, 9]]], np.float32), np.array([[True, True, False]])).tolist()
    [[1.0, 0.0, 3.0, 2.0]]
    """
    # Across and down apart: numpy takes four times as long along an axis before one of two.
    places = [np.ascontiguousarray(points[..., axis]) for axis in range(2)]
    counted = seen & np.isfinite(places[0]) & np.isfinite(places[1])
    endless = np.float32(np.inf)
    low = [np.where(counted, place, endless).min(axis=1, initial=endless) for place in places]
    high = [np.where(counted, place, -endless).max(axis=1, initial=-endless) for place in places]
    found = np.stack([*low, *high], axis=1)
    return np.where(np.isfinite(found), found, np.float32(np.nan)).astype(np.float32)


def kinect_v2(metres: NDArray[np.float32]) -> NDArray[np.float32]:
    """Camera space (..., 3), y up, z away, to parts of the colour picture's width and height (..., 2), y down; z > 0.

    A pinhole without distortion. The numbers are no data set's own: they were found by least squares on the joints of
    seven NTU files, which say metres and pixels, as the middle of the two devices in them. Each device alone is a
    pinhole to within 1.1 pixels, of focal length 1056 and 1061; their pictures lie 28 pixels apart in height, so that
    this one is up to 16 off in each of them, 1.5 % of the picture's height. PKU-MMD gives no pixels to compare with.
    The maker's own values, as read from devices (github.com/OpenKinect/libfreenect2/issues/41: 1081.37, 959.5, 539.5),
    with 0.052 m aside, are up to 34 off.

    >>> (kinect_v2(np.array([-0.062, 1.0, 2.0], np.float32)) * (1920, 1080)).round(2).tolist()
    [955.0, 23.5]
    """
    x, y, z = np.moveaxis(metres, -1, 0)
    column = (ACROSS + FOCAL * (x + np.float32(ASIDE)) / z) / WIDTH
    row = (DOWN - FOCAL * y / z) / HEIGHT
    return np.stack([column, row], axis=-1)


def _sides(recording: Recording, data: Dataset) -> NDArray[np.float32] | None:
    """(R, 4): the box of each detection, or None."""
    joints = recording.joints
    if data.picture == "joints":
        return sides_of(joints[..., :2], joints[..., 2] > 0)
    if data.picture == "kinect_v2":
        before = joints[..., 2] > 0
        return sides_of(kinect_v2(np.where(before[..., None], joints, np.float32(1))), before)
    return recording.picture if data.picture == "file" else None
