"""Compiled scanners of numbers in text: `.skeleton` files, and lines of numbers. No Python object per line or number.

NTU RGB+D 120 (37 GB) is parsed in one minute of one core; `float` on split lines takes 14 times as long. Positions are
byte indices. The text ends in one zero byte that is not part of the file, so that no loop has to check for the end. A
decimal is an integer of at most 18 digits times a power of ten, in float64: correctly rounded up to 15 digits and
10^22 (NTU writes 7 digits, PKU-MMD 6), within a few units in the last place beyond, which float32 rounds away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.readers._compile import compiled, inlined

Text = NDArray[np.uint8]
Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]

# What a scan ended with: nothing wrong, or the rule that the text breaks.
FINE, TRUNCATED, NOT_INTEGER, TOO_LARGE, NOT_NUMBER, FAR, FRAMES, BODIES, JOINT_COUNT, REST = range(10)

JOINTS, MOST_BODIES = 25, 64
MOST_FRAMES = 100_000  # nearly an hour; a frame without bodies takes two bytes here and more than a kilobyte later
BODY_NUMBERS = 9  # after the id: edges, hands, lean, tracking
DEPTH_NUMBERS, LAST_NUMBERS = 2, 5  # before the two colour pixels, and after them: quaternion, tracking
NEW_LINE, BLANK, PLUS, MINUS, POINT, SLASH, ZERO, NINE, A, E, N = (ord(character) for character in "\n +-./09aen")
_TENS = np.array([10.0**power for power in range(23)])


@inlined
def _byte(text: Text, at: int) -> int:
    # An unsigned index avoids Python's rule for negative ones, which costs as much as the rest.
    return text[np.uint64(at)]


@inlined
def _blank(byte: int) -> bool:
    return byte == BLANK or 9 <= byte <= 13


@inlined
def _digit(byte: int) -> bool:
    return ZERO <= byte <= NINE  # a function of its own: within the loop of `_digits`, scans take 1.6 times as long


@inlined
def _skip_blanks(text: Text, at: int) -> int:
    """The position of the first byte from `at` on that is not white space."""
    while _blank(_byte(text, at)):
        at += 1
    return at


@inlined
def _may_end(text: Text, at: int) -> bool:
    """True if a number may end before `at`."""
    return _blank(_byte(text, at)) or at == len(text) - 1


@inlined
def _sign(text: Text, at: int) -> tuple[int, bool]:
    """(position after an optional sign, whether it is a minus)."""
    byte = _byte(text, at)
    return (at + 1, byte == MINUS) if byte in (MINUS, PLUS) else (at, False)


@inlined
def _digits(text: Text, at: int, value: int) -> tuple[int, int]:
    """(position after the digits, value with them appended); the value overflows after 18 digits."""
    while _digit(_byte(text, at)):
        value = value * 10 + (_byte(text, at) - ZERO)
        at += 1
    return at, value


@inlined
def _integer(text: Text, start: int) -> tuple[int, int, int]:
    """(code, position after the integer at `start` or `start`, value)."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    if at == first or not _may_end(text, at):
        return TRUNCATED if start == len(text) - 1 else NOT_INTEGER, start, 0
    if at - first > 18:
        value = 0
        for position in range(first, at):
            digit = _byte(text, position) - ZERO
            if value > (2**63 - 1 - digit) // 10:
                return TOO_LARGE, start, 0
            value = value * 10 + digit
    return FINE, at, -value if minus else value


@inlined
def _number(text: Text, start: int) -> tuple[int, int, float]:
    """(code, position after the number at `start` or `start`, value); fast for plain decimals."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    count, power = at - first, 0
    if _byte(text, at) == POINT:
        end, value = _digits(text, at + 1, value)
        at, power = end, end - at - 1
        count += power
    if not (0 < count <= 18 and _may_end(text, at)):
        return _rare_number(text, start)
    size = value / _TENS[power]
    return FINE, at, -size if minus else size


@inlined
def _skip_numbers(text: Text, at: int, count: int) -> tuple[int, int]:
    """(code, position after `count` numbers or of the error), whatever the values of the numbers."""
    for _ in range(count):
        start = _skip_blanks(text, at)
        at, _minus = _sign(text, start)
        digits, points = 0, 0
        byte = _byte(text, at)
        # One loop for digits and point: two loops would cost a mispredicted branch each.
        while POINT <= byte <= NINE and byte != SLASH:
            points += byte == POINT
            digits += 1
            at += 1
            byte = _byte(text, at)
        if not (points <= 1 and digits > points and _may_end(text, at)):
            code, at, _value = _rare_number(text, start)
            if code != FINE:
                return code, at
    return FINE, at


@compiled
def _rare_number(text: Text, start: int) -> tuple[int, int, float]:
    """As `_number`, with exponents, more than 18 digits, nan, and every error."""
    first, minus = _sign(text, start)
    at, _value = _digits(text, first, 0)
    count = at - first
    if _byte(text, at) == POINT:
        end, _value = _digits(text, at + 1, 0)
        at, count = end, count + end - at - 1
    if count == 0:
        if start == len(text) - 1:
            return TRUNCATED, start, 0.0
        return (FINE, first + 3, np.nan) if _is_nan(text, first) else (NOT_NUMBER, start, 0.0)
    value, power = _first_digits(text, first, at)
    if not _may_end(text, at):
        at, exponent = _exponent(text, at)
        if at < 0 or not _may_end(text, at):
            return NOT_NUMBER, start, 0.0
        power += exponent
    size = _scale(value, power)
    return FINE, at, -size if minus else size


@compiled
def _is_nan(text: Text, at: int) -> bool:  # bit 32 makes a letter lower case
    if at + 3 >= len(text) or not _may_end(text, at + 3):
        return False
    first, second, third = _byte(text, at), _byte(text, at + 1), _byte(text, at + 2)
    return (first | 32) == N and (second | 32) == A and (third | 32) == N


@compiled
def _first_digits(text: Text, first: int, last: int) -> tuple[int, int]:
    """(value, power of ten) of the digits from `first` to `last`; only the first 18 count."""
    value, power, after_point = 0, 0, False
    for position in range(first, last):
        if _byte(text, position) == POINT:
            after_point = True
        elif value < 10**17:
            value = value * 10 + (_byte(text, position) - ZERO)
            power -= after_point
        else:
            power += not after_point
    return value, power


@compiled
def _exponent(text: Text, at: int) -> tuple[int, int]:
    """(position after the exponent at `at`, value); position -1 where there is none."""
    if _byte(text, at) | 32 != E:
        return -1, 0
    first, minus = _sign(text, at + 1)
    at, value = _digits(text, first, 0)
    if at == first:
        return -1, 0
    value = value if at - first <= 18 and value < 10**6 else 10**6
    return at, -value if minus else value


@compiled
def _scale(value: int, power: int) -> float:
    """value * 10^power: zero or infinite beyond the range of float64."""
    if value == 0 or power == 0:
        return float(value)
    if power < 0:
        return value / (_TENS[-power] if power >= -22 else 10.0 ** float(-power))
    return value * (_TENS[power] if power <= 22 else 10.0 ** float(power))


@compiled
def _body(text: Text, at: int, joints: Floats, pixels: Floats, largest: float) -> tuple[int, int, int]:
    """(code, position after one body's block or of the error, id); `joints` (25, 3) and `pixels` (4,) are filled."""
    code, at, identity = _integer(text, _skip_blanks(text, at))
    if code == FINE:
        code, at = _skip_numbers(text, at, BODY_NUMBERS)
    if code == FINE:
        start = _skip_blanks(text, at)
        code, at, count = _integer(text, start)
        if code == FINE and count != JOINTS:
            code, at = JOINT_COUNT, start
    if code != FINE:
        return code, at, identity
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for joint in range(JOINTS):
        for axis in range(3):
            start = _skip_blanks(text, at)
            code, at, value = _number(text, start)
            if code == FINE and abs(value) > largest:
                code, at = FAR, start
            if code != FINE:
                return code, at, identity
            joints[joint, axis] = value
        code, at = _skip_numbers(text, at, DEPTH_NUMBERS)
        if code == FINE:
            code, at, column = _number(text, _skip_blanks(text, at))
        if code == FINE:
            code, at, row = _number(text, _skip_blanks(text, at))
        if code != FINE:
            return code, at, identity
        if abs(column) <= largest and abs(row) <= largest:
            left, right = min(left, column), max(right, column)
            top, bottom = min(top, row), max(bottom, row)
        code, at = _skip_numbers(text, at, LAST_NUMBERS)
        if code != FINE:
            return code, at, identity
    pixels[0], pixels[1], pixels[2], pixels[3] = left, top, right, bottom
    return FINE, at, identity


@compiled
def scan_skeleton(
    text: Text, bodies_per_frame: Ints, body_id: Ints, joints: Floats, pixels: Floats, largest: float
) -> tuple[int, int, int, int]:
    """Scan a whole `.skeleton` file: (code, position of the first error, frames, bodies).

    `text` (bytes + 1) ends in a zero. The other arrays are filled from their beginnings and must be long enough for
    any file of that length: `bodies_per_frame` (frames,), `body_id` (bodies,), `joints` (bodies, 25, 3) and `pixels`
    (bodies, 4), left, top, right and bottom of the joints with finite pixels; left > right if there are none.
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
                return TRUNCATED, len(text) - 1, frame, rows
            code, at, body_id[rows] = _body(text, at, joints[rows], pixels[rows], largest)
            if code != FINE:
                return code, at, frame, rows
            rows += 1
    at = _skip_blanks(text, at)
    return FINE if at == len(text) - 1 else REST, at, frames, rows


@compiled
def scan_lines(text: Text, numbers: Floats, per_line: Ints, largest: float) -> tuple[int, int, int]:
    """Scan lines of numbers: (code, position of the first error, how many numbers).

    `text` ends in a zero. `numbers` takes all numbers, `per_line` (lines,) how many there are in each line.
    """
    at, line, count = 0, 0, 0
    while at < len(text) - 1:
        byte = _byte(text, at)
        if _blank(byte):
            line += byte == NEW_LINE
            at += 1
            continue
        start = at
        code, at, value = _number(text, start)
        if code == FINE and abs(value) > largest:
            code = FAR
        if code != FINE:
            return code, start, count
        numbers[count] = value
        count += 1
        per_line[line] += 1
    return FINE, at, count
