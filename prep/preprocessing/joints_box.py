"""The bounding box of a clip's joints in its video: one box for all frames, so that a crop keeps the motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from prep.clip import Recording

Box = tuple[float, float, float, float]
UNKNOWN: Box = (-1.0, -1.0, -1.0, -1.0)

# The camera model of `kinect_v2`: image size, focal length and principal point in pixels; horizontal offset of the
# colour camera from the depth camera in metres.
WIDTH, HEIGHT = 1920, 1080
FOCAL, CENTRE_X, CENTRE_Y, OFFSET_X = 1059.0, 955.0, 553.0, 0.062


def joints_box(recording: Recording, data: Dataset) -> Box:
    """Left, top, right and bottom of all bodies in all frames, as fractions of the image's width and height.

    Clipped to the image. UNKNOWN if no joint lies in the image or the dataset has no image coordinates. All frames
    count, not only those that an encoder samples, so that the box does not depend on their number.
    """
    boxes = _detection_boxes(recording, data)
    if boxes is None:
        return UNKNOWN
    sides = boxes[np.isfinite(boxes).all(axis=1)]
    inside = sides[(sides[:, 2] > 0) & (sides[:, 0] < 1) & (sides[:, 3] > 0) & (sides[:, 1] < 1)]
    if not len(inside):
        return UNKNOWN
    low, high = inside[:, :2].min(axis=0).clip(0, 1), inside[:, 2:].max(axis=0).clip(0, 1)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def sides_of(points: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(R, 4): left, top, right and bottom of the points (R, V, 2) where `seen` (R, V); NaN where none is seen.

    >>> sides_of(np.array([[[1, 2], [3, 0], [9, 9]]], np.float32), np.array([[True, True, False]])).tolist()
    [[1.0, 0.0, 3.0, 2.0]]
    """
    # x and y apart: numpy takes four times as long to reduce an axis that is followed by one of length two.
    coordinates = [np.ascontiguousarray(points[..., axis]) for axis in range(2)]
    valid = seen & np.isfinite(coordinates[0]) & np.isfinite(coordinates[1])
    infinity = np.float32(np.inf)
    low = [np.where(valid, values, infinity).min(axis=1, initial=infinity) for values in coordinates]
    high = [np.where(valid, values, -infinity).max(axis=1, initial=-infinity) for values in coordinates]
    sides = np.stack([*low, *high], axis=1)
    return np.where(np.isfinite(sides), sides, np.float32(np.nan)).astype(np.float32)


def kinect_v2(metres: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project camera space (..., 3), y up, z away, z > 0, to fractions of the colour image's size (..., 2), y down.

    A pinhole camera without distortion. Its parameters were fitted by least squares to the joints of seven NTU files,
    which have metres and pixels, as the mean of the two devices in them. Each device alone is a pinhole within 1.1
    pixels, with focal lengths 1056 and 1061. Their images differ by 28 pixels in height, so that the mean is up to 16
    pixels off for each of them, 1.5 % of the image height. PKU-MMD has no pixels to compare with. The manufacturer's
    values, as read from devices (github.com/OpenKinect/libfreenect2/issues/41: 1081.37, 959.5, 539.5), with an offset
    of 0.052 m, are up to 34 pixels off.

    >>> (kinect_v2(np.array([-0.062, 1.0, 2.0], np.float32)) * (1920, 1080)).round(2).tolist()
    [955.0, 23.5]
    """
    x, y, z = np.moveaxis(metres, -1, 0)
    column = (CENTRE_X + FOCAL * (x + np.float32(OFFSET_X)) / z) / WIDTH
    row = (CENTRE_Y - FOCAL * y / z) / HEIGHT
    return np.stack([column, row], axis=-1)


def _detection_boxes(recording: Recording, data: Dataset) -> NDArray[np.float32] | None:
    """(R, 4): the box of each detection, or None if the dataset has no image coordinates."""
    joints = recording.joints
    if data.image_joints == "joints":
        return sides_of(joints[..., :2], joints[..., 2] > 0)
    if data.image_joints == "kinect_v2":
        in_front = joints[..., 2] > 0
        return sides_of(kinect_v2(np.where(in_front[..., None], joints, np.float32(1))), in_front)
    return recording.picture if data.image_joints == "file" else None
