"""The text of Kinetics clips as the release writes it, in one pass: no Python object per frame, person or number.

Read here is only what JSON takes in one way: the release's keys, in its order, once each; blanks after commas, colons
and brackets; numbers of at most 15 digits without exponent. Whatever differs, broken or not, is left to a JSON parser,
and the words about it too. Among places -1 is that of what differs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prep.readers._numbers import MINUS, POINT, Text, byte_at, compiled, inlined

JOINTS = 18
# Each number is at least a digit and a comma.
SMALLEST_PERSON = len('{"pose":[],"score":[]}') + 2 * 3 * JOINTS - 2

_BLANK, _COMMA, _ZERO, _NINE, _OPEN, _CLOSE, _END = (ord(sign) for sign in " ,09[]}")
_DATA, _FRAME, _SKELETON, _POSE, _SCORE = (
    np.frombuffer(word, np.uint8)
    for word in (b'{"data":', b'{"frame_index":', b'"skeleton":', b'{"pose":', b'"score":')
)
# Integers below 10^15 and these are exact in float64, so that the one division rounds as a correct parser does.
_MOST_DIGITS = 15
_TENS = np.array([10.0**power for power in range(_MOST_DIGITS + 1)])


@compiled
def scan(
    text: Text, people: NDArray[np.int64], joints: NDArray[np.float32], most_people: int, largest: float
) -> tuple[int, int, int]:
    """Read a file up to the end of its frames: (place after them or -1, frames and people read).

    `text` (bytes + 1) ends in a zero. `people` (most frames) and `joints` (text's length / SMALLEST_PERSON, 18, 3) are
    filled from their beginnings.
    """
    at = _sign(text, _key(text, 0, _DATA), _OPEN)
    frames, rows = 0, 0
    while at >= 0 and byte_at(text, at) != _CLOSE:
        if frames:
            at = _sign(text, at, _COMMA)
        if frames == len(people):
            return -1, 0, 0
        at, shown = _frame(text, at, frames + 1, joints[rows:], most_people, largest)
        people[frames] = shown
        frames += 1
        rows += shown
    return _sign(text, at, _CLOSE), frames, rows


@compiled
def _frame(
    text: Text, at: int, number: int, joints: NDArray[np.float32], most_people: int, largest: float
) -> tuple[int, int]:
    """(place after it, people) of the frame of this number."""
    at = _key(text, at, _FRAME)
    if at < 0:
        return -1, 0
    at, index, decimals = _number(text, at)
    if decimals or index != number:
        return -1, 0
    at = _sign(text, _key(text, _sign(text, at, _COMMA), _SKELETON), _OPEN)
    shown = 0
    while at >= 0 and byte_at(text, at) != _CLOSE:
        if shown:
            at = _sign(text, at, _COMMA)
        if shown == min(most_people, len(joints)):
            return -1, 0
        at = _axes(text, _key(text, at, _POSE), joints[shown], 0, 2, largest)
        at = _axes(text, _key(text, _sign(text, at, _COMMA), _SCORE), joints[shown], 2, 3, largest)
        at = _sign(text, at, _END)
        shown += 1
    return _sign(text, _sign(text, at, _CLOSE), _END), shown


@compiled
def _axes(text: Text, at: int, joints: NDArray[np.float32], first: int, end: int, largest: float) -> int:
    """The place after a list of these axes of all joints (18, 3), which are filled in."""
    at = _sign(text, at, _OPEN)
    for joint in range(JOINTS):
        for axis in range(first, end):
            if joint or axis > first:
                at = _sign(text, at, _COMMA)
            if at < 0:
                return -1
            at, value, _decimals = _number(text, at)
            if abs(value) > largest:
                return -1
            joints[joint, axis] = value
    return _sign(text, at, _CLOSE)


@inlined
def _number(text: Text, at: int) -> tuple[int, float, int]:
    """(place after it, value, digits after the point) of the number at `at`."""
    minus = byte_at(text, at) == MINUS
    first = at + minus
    at, value = _digits(text, first, 0)
    whole, decimals = at - first, 0
    point = byte_at(text, at) == POINT
    if point:
        start = at + 1
        at, value = _digits(text, start, value)
        decimals = at - start
    if whole == 0 or (whole > 1 and byte_at(text, first) == _ZERO) or whole + decimals > _MOST_DIGITS:
        return -1, 0.0, 0
    # -0 is 0 to a parser, while -0.0 keeps its sign.
    if decimals == 0 and (point or minus):
        return -1, 0.0, 0
    size = value / _TENS[decimals]
    return at, -size if minus else size, decimals


@inlined
def _digits(text: Text, at: int, value: int) -> tuple[int, int]:
    """(place after the digits, value with them appended); more digits than fit wrap around."""
    byte = byte_at(text, at)
    while _ZERO <= byte <= _NINE:
        value = value * 10 + (byte - _ZERO)
        at += 1
        byte = byte_at(text, at)
    return at, value


@inlined
def _sign(text: Text, at: int, sign: int) -> int:
    """The place after this sign and the blanks behind it."""
    return _skip_blanks(text, at + 1) if at >= 0 and byte_at(text, at) == sign else -1


@compiled
def _key(text: Text, at: int, key: Text) -> int:
    """The place after this text and the blanks behind it."""
    if at < 0:
        return -1
    for place in range(len(key)):
        if byte_at(text, at + place) != key[place]:
            return -1
    return _skip_blanks(text, at + len(key))


@inlined
def _skip_blanks(text: Text, at: int) -> int:
    while byte_at(text, at) == _BLANK:
        at += 1
    return at
