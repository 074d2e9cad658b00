"""The text of `.skeleton` files in one pass: every number is checked to be one; only x, y, z and the colour camera's
pixels become floats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prep.readers._numbers import (
    CUT,
    FAR,
    FINE,
    LARGEST,
    Text,
    compiled,
    integer,
    number,
    skip_blanks,
    skip_numbers,
)

JOINTS = 25
BODY_NUMBERS = 9  # after the id: edges, hands, lean, tracking
DEPTH_NUMBERS, LAST_NUMBERS = 2, 5  # before the colour camera's two pixels, and after: quaternion, tracking
JOINT_NUMBERS = DEPTH_NUMBERS + 2 + LAST_NUMBERS  # after x, y, z
WIDTH, HEIGHT = 1920, 1080  # the colour camera's picture
# An id, nine numbers, a count, 25 lines of twelve; each is at least a digit and a blank.
SMALLEST_BODY = 2 * (1 + BODY_NUMBERS + 1 + JOINTS * (3 + JOINT_NUMBERS))
MOST_BODIES = 64
# Nearly an hour. A frame without bodies takes two bytes here and more than a kilobyte later.
MOST_FRAMES = 100_000

FRAMES, BODIES, JOINT_COUNT, REST = range(100, 104)


@compiled
def _body(text: Text, at: int, joints: NDArray[np.float32], picture: NDArray[np.float32]) -> tuple[int, int, int]:
    """(code, place after it or of the error, id) of one body's block.

    Its coordinates go to `joints` (25, 3), and the left, top, right and bottom of its pixels to `picture` (4,), in
    parts of the picture; a joint without finite pixels does not count.
    """
    code, at, identity = integer(text, skip_blanks(text, at))
    if code == FINE:
        code, at = skip_numbers(text, at, BODY_NUMBERS)
    if code != FINE:
        return code, at, identity
    start = skip_blanks(text, at)
    code, at, count = integer(text, start)
    if code == FINE and count != JOINTS:
        code, at = JOINT_COUNT, start
    if code != FINE:
        return code, at, identity
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for joint in range(JOINTS):
        for axis in range(3):
            start = skip_blanks(text, at)
            code, at, value = number(text, start)
            if code == FINE and abs(value) > LARGEST:
                code, at = FAR, start
            if code != FINE:
                return code, at, identity
            joints[joint, axis] = value
        code, at = skip_numbers(text, at, DEPTH_NUMBERS)
        if code == FINE:
            code, at, column = number(text, skip_blanks(text, at))
        if code == FINE:
            code, at, row = number(text, skip_blanks(text, at))
        if code != FINE:
            return code, at, identity
        if abs(column) <= LARGEST and abs(row) <= LARGEST:
            left, right = min(left, column), max(right, column)
            top, bottom = min(top, row), max(bottom, row)
        code, at = skip_numbers(text, at, LAST_NUMBERS)
        if code != FINE:
            return code, at, identity
    if left > right:
        picture[:] = np.nan
    else:
        picture[0], picture[1], picture[2], picture[3] = left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT
    return FINE, at, identity


@compiled
def scan(
    text: Text,
    bodies_per_frame: NDArray[np.int64],
    body_id: NDArray[np.int64],
    joints: NDArray[np.float32],
    picture: NDArray[np.float32],
) -> tuple[int, int, int, int]:
    """Read a whole file: (code, place of the first error, frames and bodies read).

    `text` (bytes + 1) ends in a zero. The other arrays are filled from their beginnings and must be long enough for
    any file of that length: `bodies_per_frame` (frames), `body_id` (bodies), `joints` (bodies, 25, 3),
    `picture` (bodies, 4).
    """
    rows = 0
    start = skip_blanks(text, 0)
    code, at, frames = integer(text, start)
    if code == FINE and (frames < 0 or frames > min(MOST_FRAMES, len(bodies_per_frame))):
        code, at = FRAMES, start
    if code != FINE:
        return code, at, 0, 0
    for frame in range(frames):
        start = skip_blanks(text, at)
        code, at, count = integer(text, start)
        if code == FINE and (count < 0 or count > MOST_BODIES):
            code, at = BODIES, start
        if code != FINE:
            return code, at, frame, rows
        bodies_per_frame[frame] = count
        for _ in range(count):
            if rows == len(body_id):
                return CUT, len(text) - 1, frame, rows
            code, at, body_id[rows] = _body(text, at, joints[rows], picture[rows])
            if code != FINE:
                return code, at, frame, rows
            rows += 1
    at = skip_blanks(text, at)
    return FINE if at == len(text) - 1 else REST, at, frames, rows
