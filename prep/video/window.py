"""Which part of the picture is shown: one square for all frames of a clip, so that motion is kept, and its resizing.

A window is (left, top, right, bottom) in pixels. It may stick out of the picture; what sticks out is shown black.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prep.preprocessing.joints_box import Box
from prep.video.decoders._decoder import Picture, Window
from prep.video.extras import extra

MARGIN = 0.15  # of the box's width and height, on each side (method card D5)


def around(box: Box, width: int, height: int) -> Window:
    """The square around the joints' box (in parts of the picture) in a picture of this size.

    The box enlarged by MARGIN on each side, made square about its centre and moved inside the picture. A square larger
    than the picture's shorter side is shrunk to it, but never so far that the box does not fit: then it sticks out of
    the picture, above and below alike, so that nobody is cut off or distorted.

    >>> around((0.4, 0.2, 0.6, 0.8), 1000, 500)  # 200 x 300 pixels; the longer side makes 390
    (305, 55, 695, 445)
    >>> around((0.0, 0.2, 0.2, 0.8), 1000, 500)  # moved inside
    (0, 55, 390, 445)
    >>> around((0.2, 0.2, 0.8, 0.8), 1000, 500)  # 600 wide and 500 high is the picture: 50 rows of black on each side
    (200, -50, 800, 550)
    """
    left, right = _pixels(box[0], box[2], width)
    top, bottom = _pixels(box[1], box[3], height)
    longest = max(right - left, bottom - top)
    side = min(math.ceil(longest * (1 + 2 * MARGIN)), max(longest, min(width, height)))
    return _window(left + right, top + bottom, side, width, height)


def centre(width: int, height: int) -> Window:
    """The square in the middle of a picture, as large as its shorter side.

    >>> centre(320, 180)
    (70, 0, 250, 180)
    """
    return _window(width, height, min(width, height), width, height)


def inside(window: Window, width: int, height: int) -> Window:
    """The part of a window that lies in the picture.

    >>> inside((200, -50, 800, 550), 1000, 500)
    (200, 0, 800, 500)
    """
    left, top, right, bottom = window
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """The whole pixels that a part of the picture's side touches; at least one."""
    first = min(max(math.floor(low * size), 0), size - 1)
    return first, min(max(math.ceil(high * size), first + 1), size)


def _window(across: int, down: int, side: int, width: int, height: int) -> Window:
    """The square about a centre, given as twice its coordinates, moved inside the picture."""
    left, top = _moved(across, side, width), _moved(down, side, height)
    return left, top, left + side, top + side


def _moved(twice: int, side: int, size: int) -> int:
    if side > size:
        return (size - side) // 2
    return min(max((twice - side) // 2, 0), size - side)


def fit(pictures: Sequence[Picture], window: Window, size: int, width: int, height: int) -> NDArray[np.uint8]:
    """(T, size, size, 3): a window's visible parts of pictures of width x height, filled up with black and resized.

    Pixels are averaged by area when shrinking and interpolated cubically when enlarging.
    """
    cv2 = extra("cv2")
    # One worker decodes one clip; threads of their own would only fight for the cores.
    cv2.setNumThreads(1)
    left, top, right, bottom = window
    shown = inside(window, width, height)
    edges = (shown[1] - top, bottom - shown[3], shown[0] - left, right - shown[2])
    how = cv2.INTER_AREA if right - left > size else cv2.INTER_CUBIC
    fitted = np.empty((len(pictures), size, size, 3), np.uint8)
    for row, picture in zip(fitted, pictures, strict=True):
        whole = cv2.copyMakeBorder(picture, *edges, cv2.BORDER_CONSTANT, value=(0, 0, 0)) if any(edges) else picture
        row[...] = cv2.resize(whole, (size, size), interpolation=how)
    return fitted
