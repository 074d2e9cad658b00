"""How stored frames are turned for display: the orientation of a video's display matrix or of an image's Exif data.

Orientations are numbered as in Exif (CIPA DC-008, tag 0x0112): 1 as stored, 2 mirrored, 3 turned by 180 degrees, 4
flipped, 5 transposed, 6 turned clockwise, 7 transposed across the other diagonal, 8 turned counterclockwise.
"""

from __future__ import annotations

import struct

import numpy as np

from prep.video.request import BadVideo, Crop, Frame

AS_STORED = 1
# Orientation: (axes are exchanged, then x is mirrored, then y is mirrored).
_STEPS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
# Orientation by the signs of a, b, c, d, which lead from (x, y) to (a x + c y, b x + d y); y points down.
_OF_MATRIX = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
ONE = 2**16  # entries of a display matrix are fixed-point numbers with 16 fractional bits


def orientation_of(matrix: bytes, path: str) -> int:
    """The orientation in a display matrix, nine int32 (ISO/IEC 14496-12, 6.2.2). Raises BadVideo for another angle.

    >>> orientation_of(struct.pack("=9i", 0, ONE, 0, -ONE, 0, 0, 0, 0, 2**30), "a.mp4")
    6
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    signs = (_sign(a), _sign(b), _sign(c), _sign(d))
    if signs not in _OF_MATRIX:
        raise BadVideo(f"{path}: its frames are turned by an angle that is no multiple of 90 degrees. Convert it.")
    return _OF_MATRIX[signs]


def displayed_size(orientation: int, width: int, height: int) -> tuple[int, int]:
    """Width and height of the displayed frames.

    >>> displayed_size(6, 1920, 1080)
    (1080, 1920)
    """
    return (height, width) if _STEPS[orientation][0] else (width, height)


def stored_crop(orientation: int, crop: Crop, width: int, height: int) -> Crop:
    """The pixels of a stored frame that a crop of the displayed frame of width x height shows.

    >>> stored_crop(6, (0, 0, 10, 30), 1080, 1920)  # the upper left corner was the lower left one
    (0, 1070, 30, 1080)
    """
    left, top, right, bottom = crop
    exchanged, mirror_x, mirror_y = _STEPS[orientation]
    if mirror_x:
        left, right = width - right, width - left
    if mirror_y:
        top, bottom = height - bottom, height - top
    return (top, left, bottom, right) if exchanged else (left, top, right, bottom)


def turn(frame: Frame, orientation: int) -> Frame:
    """A stored frame (h, w, 3), or a crop of one, as it is displayed.

    >>> turn(np.array([[[1], [2]]], np.uint8), 6).ravel().tolist(), turn(np.array([[[1], [2]]], np.uint8), 6).shape
    ([1, 2], (2, 1, 1))
    """
    exchanged, mirror_x, mirror_y = _STEPS[orientation]
    turned = frame.swapaxes(0, 1) if exchanged else frame
    return np.ascontiguousarray(turned[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1])


def _sign(entry: int) -> int:
    """-1, 0 or 1 for an entry of a quarter turn, up to a thousandth; 2 for any other."""
    near = round(entry / ONE)
    return near if abs(near) <= 1 and abs(entry - near * ONE) <= ONE // 1000 else 2
