"""A byte scanner for the text of `.skeleton` files: one pass, no line, no split, no Python object per number.

Every number of the file is checked to be one; only x, y and z become floats. A decimal is an integer of at most 18
digits times a power of ten, in float64: correctly rounded up to 15 digits and 10^22 (NTU writes 7 digits), within a few
units in the last place of float64 beyond, which float32 rounds away.
"""

from __future__ import annotations

import numpy as np
from numba import njit

JOINTS = 25
BODY_NUMBERS = 9  # after the id: edges, hands, lean, tracking
JOINT_NUMBERS = 9  # after x, y, z: pixels, quaternion, tracking
# Ten numbers, a count, 25 lines of twelve, each number at least a digit and a blank.
SMALLEST_BODY = 2 * (1 + BODY_NUMBERS + 1 + JOINTS * (3 + JOINT_NUMBERS))
MOST_BODIES = 64
# A larger coordinate could not be squared and summed in float32.
LARGEST = 1e12

FINE, CUT, NOT_INTEGER, TOO_LARGE, NOT_NUMBER, FRAMES, BODIES, JOINT_COUNT, FAR, REST = range(10)

_TENS = np.array([10.0**power for power in range(23)])
PLUS, MINUS, POINT = 43, 45, 46


@njit(cache=True, nogil=True)
def _byte(text, at):
    # An unsigned place skips Python's rule for negative ones: twice as fast.
    return text[np.uint64(at)]


@njit(cache=True, nogil=True)
def _blank(byte):
    return byte == 32 or 9 <= byte <= 13


@njit(cache=True, nogil=True)
def _digit(byte):
    return 48 <= byte <= 57


@njit(cache=True, nogil=True)
def _skip_blanks(text, at):
    while _blank(_byte(text, at)):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _ended(text, at):
    """Whether a number may end before `at`."""
    return _blank(_byte(text, at)) or at == len(text) - 1


@njit(cache=True, nogil=True)
def _sign(text, at):
    """(place after the sign, if there is one; whether it is a minus)."""
    byte = _byte(text, at)
    return (at + 1, byte == MINUS) if byte == MINUS or byte == PLUS else (at, False)


@njit(cache=True, nogil=True)
def _digits(text, at, value):
    """(place after the digits, value with them appended); wraps around after the 18th."""
    while _digit(_byte(text, at)):
        value = value * 10 + (np.int64(_byte(text, at)) - 48)
        at += 1
    return at, value


@njit(cache=True, nogil=True)
def _integer(text, start):
    """(code, place after it, value) of the integer at `start`."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    if at == first or not _ended(text, at):
        return CUT if start == len(text) - 1 else NOT_INTEGER, start, 0
    if at - first > 18:
        value = 0
        for place in range(first, at):
            digit = np.int64(_byte(text, place)) - 48
            if value > (2**63 - 1 - digit) // 10:
                return TOO_LARGE, start, 0
            value = value * 10 + digit
    return FINE, at, -value if minus else value


@njit(cache=True, nogil=True)
def _number(text, start):
    """(code, place after it, value) of the decimal number at `start`."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    count, power = at - first, 0
    if _byte(text, at) == POINT:
        point = at
        at, value = _digits(text, at + 1, value)
        power = point + 1 - at
        count -= power
    if count == 0:
        if start == len(text) - 1:
            return CUT, start, 0.0
        return (FINE, first + 3, np.nan) if _is_nan(text, first) else (NOT_NUMBER, start, 0.0)
    if count > 18:
        value, power = _first_digits(text, first, at)
    if not _ended(text, at):
        at, exponent = _exponent(text, at)
        if at < 0 or not _ended(text, at):
            return NOT_NUMBER, start, 0.0
        power += exponent
    size = _scale(value, power)
    return FINE, at, -size if minus else size


@njit(cache=True, nogil=True)
def _first_digits(text, first, last):
    """(value of the first 18 digits, power of ten that belongs to it) of a number that has more."""
    value, power, after_point = 0, 0, False
    for place in range(first, last):
        if _byte(text, place) == POINT:
            after_point = True
        elif value < 10**17:
            value = value * 10 + (np.int64(_byte(text, place)) - 48)
            power -= after_point
        else:
            power += not after_point
    return value, power


@njit(cache=True, nogil=True)
def _exponent(text, at):
    """(place after it, value) of the exponent at `at`; place -1 when there is none."""
    if _byte(text, at) | 32 != 101:  # e, E
        return -1, 0
    first, minus = _sign(text, at + 1)
    at, value = _digits(text, first, 0)
    if at == first:
        return -1, 0
    value = value if at - first <= 18 and value < 1000 else 1000
    return at, -value if minus else value


@njit(cache=True, nogil=True)
def _scale(value, power):
    """value * 10^power, zero or huge where float64 cannot hold it."""
    if value == 0 or power == 0:
        return float(value)
    if power < 0:
        return value / (_TENS[-power] if power >= -22 else 10.0 ** min(-power, 308))
    return value * (_TENS[power] if power <= 22 else 10.0 ** min(power, 289))


@njit(cache=True, nogil=True)
def _is_nan(text, at):
    return (
        at + 3 < len(text)
        and _byte(text, at) | 32 == 110
        and _byte(text, at + 1) | 32 == 97
        and _byte(text, at + 2) | 32 == 110
        and _ended(text, at + 3)
    )


@njit(cache=True, nogil=True)
def _skip_numbers(text, at, count):
    """(code, place after them): `count` numbers are there, whatever their values."""
    for _ in range(count):
        code, at, _value = _number(text, _skip_blanks(text, at))
        if code != FINE:
            return code, at
    return FINE, at


@njit(cache=True, nogil=True)
def _body(text, at, joints):
    """(code, place after it or of the error, id) of one body's block; its coordinates go to `joints` (25, 3)."""
    code, at, identity = _integer(text, _skip_blanks(text, at))
    if code == FINE:
        code, at = _skip_numbers(text, at, BODY_NUMBERS)
    if code != FINE:
        return code, at, identity
    start = _skip_blanks(text, at)
    code, at, count = _integer(text, start)
    if code == FINE and count != JOINTS:
        code, at = JOINT_COUNT, start
    if code != FINE:
        return code, at, identity
    for joint in range(JOINTS):
        for axis in range(3):
            start = _skip_blanks(text, at)
            code, at, value = _number(text, start)
            if code == FINE and abs(value) > LARGEST:
                code, at = FAR, start
            if code != FINE:
                return code, at, identity
            joints[joint, axis] = value
        code, at = _skip_numbers(text, at, JOINT_NUMBERS)
        if code != FINE:
            return code, at, identity
    return FINE, at, identity


@njit(cache=True, nogil=True)
def scan(text, bodies_per_frame, body_id, joints):
    """Read a whole file into arrays that are large enough for any file of its length.

    `text` uint8 (bytes + 1) ends in a zero that belongs to no file; `bodies_per_frame` int64 (frames at most),
    `body_id` int64 (bodies at most), `joints` float32 (bodies at most, 25, 3). Returns (code, place, frames, bodies):
    the place of the first error in `text`, and how many frames and bodies were read before it.
    """
    rows = 0
    start = _skip_blanks(text, 0)
    code, at, frames = _integer(text, start)
    if code != FINE:
        return code, at, 0, 0
    if frames < 0 or frames > len(bodies_per_frame):
        return FRAMES, start, 0, 0
    for frame in range(frames):
        start = _skip_blanks(text, at)
        code, at, count = _integer(text, start)
        if code == FINE and (count < 0 or count > MOST_BODIES):
            code, at = BODIES, start
        if code != FINE:
            return code, at, frame, rows
        bodies_per_frame[frame] = count
        for _ in range(count):
            if rows == len(body_id):
                return CUT, len(text), frame, rows
            code, at, body_id[rows] = _body(text, at, joints[rows])
            if code != FINE:
                return code, at, frame, rows
            rows += 1
    at = _skip_blanks(text, at)
    return (FINE if at == len(text) - 1 else REST), at, frames, rows
