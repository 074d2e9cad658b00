"""Which square of a frame is kept: the same for all frames of a clip, so that motion is preserved; and its resizing.

A crop is (left, top, right, bottom) in pixels. It may extend beyond the frame and is padded with black there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prep.preprocessing.joints_box import Box
from prep.video.extras import import_extra
from prep.video.request import Crop, Frame

MARGIN = 0.15  # of the box's width and height, on each side; the papers do not specify it


def crop_around(box: Box, width: int, height: int) -> Crop:
    """The square crop around the joints' box (fractions of the frame) in a frame of width x height pixels.

    The box is enlarged by MARGIN on each side, made square about its centre and moved into the frame. A square that is
    larger than the shorter side of the frame is shrunk to that side, but never below the box: then it extends beyond
    the frame by the same amount on both sides, so that no person is cut off or distorted.

    >>> crop_around((0.4, 0.2, 0.6, 0.8), 1000, 500)  # 200 x 300 pixels; the longer side becomes 390
    (305, 55, 695, 445)
    >>> crop_around((0.0, 0.2, 0.2, 0.8), 1000, 500)  # moved into the frame
    (0, 55, 390, 445)
    >>> crop_around((0.2, 0.2, 0.8, 0.8), 1000, 500)  # 600 wide in a frame 500 high: 50 black rows on each side
    (200, -50, 800, 550)
    """
    left, right = _pixels(box[0], box[2], width)
    top, bottom = _pixels(box[1], box[3], height)
    longest = max(right - left, bottom - top)
    side = min(math.ceil(longest * (1 + 2 * MARGIN)), max(longest, min(width, height)))
    return _square(left + right, top + bottom, side, width, height)


def centre_crop(width: int, height: int) -> Crop:
    """The largest square in the middle of a frame.

    >>> centre_crop(320, 180)
    (70, 0, 250, 180)
    """
    return _square(width, height, min(width, height), width, height)


def clip_to_frame(crop: Crop, width: int, height: int) -> Crop:
    """The part of a crop that lies in the frame.

    >>> clip_to_frame((200, -50, 800, 550), 1000, 500)
    (200, 0, 800, 500)
    """
    left, top, right, bottom = crop
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def pad_and_resize(frames: Sequence[Frame], crop: Crop, size: int, width: int, height: int) -> NDArray[np.uint8]:
    """Pad and resize cropped frames to (T, size, size, 3).

    `frames` hold the part `clip_to_frame(crop, width, height)` of frames of width x height pixels; the rest of the crop
    is black. Area interpolation for shrinking, bicubic for enlarging.
    """
    cv2 = import_extra("cv2")
    # One worker decodes one clip: more threads would compete with the other workers.
    cv2.setNumThreads(1)
    left, top, right, bottom = crop
    inner = clip_to_frame(crop, width, height)
    padding = (inner[1] - top, bottom - inner[3], inner[0] - left, right - inner[2])
    interpolation = cv2.INTER_AREA if right - left > size else cv2.INTER_CUBIC
    resized = np.empty((len(frames), size, size, 3), np.uint8)
    for row, frame in zip(resized, frames, strict=True):
        if any(padding):
            frame = cv2.copyMakeBorder(frame, *padding, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        row[...] = cv2.resize(frame, (size, size), interpolation=interpolation)
    return resized


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """The pixels that an interval, in fractions of the frame's side, touches; at least one."""
    first = min(max(math.floor(low * size), 0), size - 1)
    return first, min(max(math.ceil(high * size), first + 1), size)


def _square(twice_x: int, twice_y: int, side: int, width: int, height: int) -> Crop:
    """The square about a centre, given as twice its coordinates, moved into the frame."""
    left, top = _start(twice_x, side, width), _start(twice_y, side, height)
    return left, top, left + side, top + side


def _start(twice_centre: int, side: int, size: int) -> int:
    if side > size:
        return (size - side) // 2
    return min(max((twice_centre - side) // 2, 0), size - side)
