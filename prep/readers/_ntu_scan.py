"""A byte scanner for the text of `.skeleton` files: one pass, no line, no split, no Python object per number.

Every number of the file is checked to be one; only x, y and z become floats. A decimal is an integer of at most 18
digits times a power of ten, in float64: correctly rounded up to 15 digits and 10^22 (NTU writes 7 digits), within a few
units in the last place of float64 beyond, which float32 rounds away.

A place is an index into the text. The text ends in one zero byte that is no part of the file, so that no loop has to
look whether it is at the end.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Text = NDArray[np.uint8]

JOINTS = 25
BODY_NUMBERS = 9  # after the id: edges, hands, lean, tracking
JOINT_NUMBERS = 9  # after x, y, z: pixels, quaternion, tracking
# An id, nine numbers, a count, 25 lines of twelve; each is at least a digit and a blank.
SMALLEST_BODY = 2 * (1 + BODY_NUMBERS + 1 + JOINTS * (3 + JOINT_NUMBERS))
MOST_BODIES = 64
# Nearly an hour. A frame without bodies takes two bytes here and more than a kilobyte later.
MOST_FRAMES = 100_000
# A larger coordinate could not be squared and summed in float32.
LARGEST = 1e12

FINE, CUT, NOT_INTEGER, TOO_LARGE, NOT_NUMBER, FRAMES, BODIES, JOINT_COUNT, FAR, REST = range(10)
PLUS, MINUS, POINT, SLASH = 43, 45, 46, 47

_TENS = np.array([10.0**power for power in range(23)])

_compiled = njit(cache=True, nogil=True, error_model="numpy")
# Left to itself LLVM calls these small functions where copying them in is a third faster.
_inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


@_inlined
def _byte(text: Text, at: int) -> int:
    # An unsigned place is free of Python's rule for negative ones, which costs as much as the rest.
    return text[np.uint64(at)]


@_inlined
def _blank(byte: int) -> bool:
    return byte == 32 or 9 <= byte <= 13


@_inlined
def _digit(byte: int) -> bool:
    return 48 <= byte <= 57


@_inlined
def _skip_blanks(text: Text, at: int) -> int:
    while _blank(_byte(text, at)):
        at += 1
    return at


@_inlined
def _ended(text: Text, at: int) -> bool:
    """Whether a number may end before `at`."""
    return _blank(_byte(text, at)) or at == len(text) - 1


@_inlined
def _sign(text: Text, at: int) -> tuple[int, bool]:
    """(place after the sign, if there is one; whether it is a minus)."""
    byte = _byte(text, at)
    return (at + 1, byte == MINUS) if byte in (MINUS, PLUS) else (at, False)


@_inlined
def _digits(text: Text, at: int, value: int) -> tuple[int, int]:
    """(place after the digits, value with them appended); wraps around after the 18th."""
    while _digit(_byte(text, at)):
        value = value * 10 + (_byte(text, at) - 48)
        at += 1
    return at, value


@_inlined
def _integer(text: Text, start: int) -> tuple[int, int, int]:
    """(code, place after it or its start, value) of the integer at `start`."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    if at == first or not _ended(text, at):
        return CUT if start == len(text) - 1 else NOT_INTEGER, start, 0
    if at - first > 18:
        value = 0
        for place in range(first, at):
            digit = _byte(text, place) - 48
            if value > (2**63 - 1 - digit) // 10:
                return TOO_LARGE, start, 0
            value = value * 10 + digit
    return FINE, at, -value if minus else value


@_inlined
def _number(text: Text, start: int) -> tuple[int, int, float]:
    """(code, place after it or its start, value) of the number at `start`; quick for plain decimals."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    count, power = at - first, 0
    if _byte(text, at) == POINT:
        point = at
        at, value = _digits(text, at + 1, value)
        power = at - point - 1
        count += power
    if not (0 < count <= 18 and _ended(text, at)):
        return _rare_number(text, start)
    size = value / _TENS[power]
    return FINE, at, -size if minus else size


@_inlined
def _skip_numbers(text: Text, at: int, count: int) -> tuple[int, int]:
    """(code, place after them or of the error): `count` numbers are there, whatever their values."""
    for _ in range(count):
        start = _skip_blanks(text, at)
        at, _minus = _sign(text, start)
        digits, points = 0, 0
        byte = _byte(text, at)
        # One loop for digits and point: two would cost a wrong guess of the processor each.
        while POINT <= byte <= 57 and byte != SLASH:
            points += byte == POINT
            digits += 1
            at += 1
            byte = _byte(text, at)
        if not (points <= 1 and digits > points and _ended(text, at)):
            code, at, _value = _rare_number(text, start)
            if code != FINE:
                return code, at
    return FINE, at


@_compiled
def _rare_number(text: Text, start: int) -> tuple[int, int, float]:
    """As `_number`, with exponents, more than 18 digits, nan and everything that is wrong."""
    first, minus = _sign(text, start)
    at, _value = _digits(text, first, 0)
    count = at - first
    if _byte(text, at) == POINT:
        point = at
        at, _value = _digits(text, at + 1, 0)
        count += at - point - 1
    if count == 0:
        if start == len(text) - 1:
            return CUT, start, 0.0
        return (FINE, first + 3, np.nan) if _is_nan(text, first) else (NOT_NUMBER, start, 0.0)
    value, power = _first_digits(text, first, at)
    if not _ended(text, at):
        at, exponent = _exponent(text, at)
        if at < 0 or not _ended(text, at):
            return NOT_NUMBER, start, 0.0
        power += exponent
    size = _scale(value, power)
    return FINE, at, -size if minus else size


@_compiled
def _is_nan(text: Text, at: int) -> bool:
    n = 110  # and 97 is a; a letter with bit 32 set is lower case
    if at + 3 >= len(text) or not _ended(text, at + 3):
        return False
    return (_byte(text, at) | 32) == n and (_byte(text, at + 1) | 32) == 97 and (_byte(text, at + 2) | 32) == n


@_compiled
def _first_digits(text: Text, first: int, last: int) -> tuple[int, int]:
    """(value, power of ten) of the digits from `first` to `last`, of which the first 18 count."""
    value, power, after_point = 0, 0, False
    for place in range(first, last):
        if _byte(text, place) == POINT:
            after_point = True
        elif value < 10**17:
            value = value * 10 + (_byte(text, place) - 48)
            power -= after_point
        else:
            power += not after_point
    return value, power


@_compiled
def _exponent(text: Text, at: int) -> tuple[int, int]:
    """(place after it, value) of the exponent at `at`; place -1 when there is none."""
    if _byte(text, at) | 32 != 101:  # e, E
        return -1, 0
    first, minus = _sign(text, at + 1)
    at, value = _digits(text, first, 0)
    if at == first:
        return -1, 0
    value = value if at - first <= 18 and value < 10**6 else 10**6
    return at, -value if minus else value


@_compiled
def _scale(value: int, power: int) -> float:
    """value * 10^power: zero or infinite where float64 ends."""
    if value == 0 or power == 0:
        return float(value)
    if power < 0:
        return value / (_TENS[-power] if power >= -22 else 10.0 ** float(-power))
    return value * (_TENS[power] if power <= 22 else 10.0 ** float(power))


@_compiled
def _body(text: Text, at: int, joints: NDArray[np.float32]) -> tuple[int, int, int]:
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


@_compiled
def scan(
    text: Text, bodies_per_frame: NDArray[np.int64], body_id: NDArray[np.int64], joints: NDArray[np.float32]
) -> tuple[int, int, int, int]:
    """Read a whole file: (code, place of the first error, frames and bodies read).

    `text` (bytes + 1) ends in a zero. The other arrays are filled from their beginnings and must be long enough for
    any file of that length: `bodies_per_frame` (frames), `body_id` (bodies), `joints` (bodies, 25, 3).
    """
    rows = 0
    start = _skip_blanks(text, 0)
    code, at, frames = _integer(text, start)
    if code == FINE and (frames < 0 or frames > min(MOST_FRAMES, len(bodies_per_frame))):
        code, at = FRAMES, start
    if code != FINE:
        return code, at, 0, 0
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
                return CUT, len(text) - 1, frame, rows
            code, at, body_id[rows] = _body(text, at, joints[rows])
            if code != FINE:
                return code, at, frame, rows
            rows += 1
    at = _skip_blanks(text, at)
    return FINE if at == len(text) - 1 else REST, at, frames, rows
