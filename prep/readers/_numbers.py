"""A byte scanner for numbers in text: no line, no split, no Python object per number.

A decimal is an integer of at most 18 digits times a power of ten, in float64: correctly rounded up to 15 digits and
10^22 (NTU writes 7 digits, PKU-MMD 6), within a few units in the last place of float64 beyond, which float32 rounds
away.

A place is an index into the text. The text ends in one zero byte that is no part of the file, so that no loop has to
look whether it is at the end.

Compiled code is kept on disk for each calling file by that file's own date: whoever changes this one must touch those
that import it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Text = NDArray[np.uint8]

# A larger coordinate could not be squared and summed in float32.
LARGEST = 1e12

FINE, CUT, NOT_INTEGER, TOO_LARGE, NOT_NUMBER, FAR = range(6)
PLUS, MINUS, POINT, SLASH = 43, 45, 46, 47

_TENS = np.array([10.0**power for power in range(23)])

compiled = njit(cache=True, nogil=True, error_model="numpy")
# Left to itself LLVM calls these small functions where copying them in is a third faster.
inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


@inlined
def byte_at(text: Text, at: int) -> int:
    """The byte at a place."""
    # An unsigned place is free of Python's rule for negative ones, which costs as much as the rest.
    return text[np.uint64(at)]


@inlined
def blank(byte: int) -> bool:
    """Whether a byte is white space."""
    return byte == 32 or 9 <= byte <= 13


@inlined
def _digit(byte: int) -> bool:
    return 48 <= byte <= 57


@inlined
def skip_blanks(text: Text, at: int) -> int:
    """The place of the first byte from `at` on that is no white space."""
    while blank(byte_at(text, at)):
        at += 1
    return at


@inlined
def _ended(text: Text, at: int) -> bool:
    """Whether a number may end before `at`."""
    return blank(byte_at(text, at)) or at == len(text) - 1


@inlined
def _sign(text: Text, at: int) -> tuple[int, bool]:
    """(place after the sign, if there is one; whether it is a minus)."""
    byte = byte_at(text, at)
    return (at + 1, byte == MINUS) if byte in (MINUS, PLUS) else (at, False)


@inlined
def _digits(text: Text, at: int, value: int) -> tuple[int, int]:
    """(place after the digits, value with them appended); wraps around after the 18th."""
    while _digit(byte_at(text, at)):
        value = value * 10 + (byte_at(text, at) - 48)
        at += 1
    return at, value


@inlined
def integer(text: Text, start: int) -> tuple[int, int, int]:
    """(code, place after it or its start, value) of the integer at `start`."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    if at == first or not _ended(text, at):
        return CUT if start == len(text) - 1 else NOT_INTEGER, start, 0
    if at - first > 18:
        value = 0
        for place in range(first, at):
            digit = byte_at(text, place) - 48
            if value > (2**63 - 1 - digit) // 10:
                return TOO_LARGE, start, 0
            value = value * 10 + digit
    return FINE, at, -value if minus else value


@inlined
def number(text: Text, start: int) -> tuple[int, int, float]:
    """(code, place after it or its start, value) of the number at `start`; quick for plain decimals."""
    first, minus = _sign(text, start)
    at, value = _digits(text, first, 0)
    count, power = at - first, 0
    if byte_at(text, at) == POINT:
        point = at
        at, value = _digits(text, at + 1, value)
        power = at - point - 1
        count += power
    if not (0 < count <= 18 and _ended(text, at)):
        return _rare_number(text, start)
    size = value / _TENS[power]
    return FINE, at, -size if minus else size


@inlined
def skip_numbers(text: Text, at: int, count: int) -> tuple[int, int]:
    """(code, place after them or of the error): `count` numbers are there, whatever their values."""
    for _ in range(count):
        start = skip_blanks(text, at)
        at, _minus = _sign(text, start)
        digits, points = 0, 0
        byte = byte_at(text, at)
        # One loop for digits and point: two would cost a wrong guess of the processor each.
        while POINT <= byte <= 57 and byte != SLASH:
            points += byte == POINT
            digits += 1
            at += 1
            byte = byte_at(text, at)
        if not (points <= 1 and digits > points and _ended(text, at)):
            code, at, _value = _rare_number(text, start)
            if code != FINE:
                return code, at
    return FINE, at


@compiled
def _rare_number(text: Text, start: int) -> tuple[int, int, float]:
    """As `number`, with exponents, more than 18 digits, nan and everything that is wrong."""
    first, minus = _sign(text, start)
    at, _value = _digits(text, first, 0)
    count = at - first
    if byte_at(text, at) == POINT:
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


@compiled
def _is_nan(text: Text, at: int) -> bool:
    n = 110  # and 97 is a; a letter with bit 32 set is lower case
    if at + 3 >= len(text) or not _ended(text, at + 3):
        return False
    return (byte_at(text, at) | 32) == n and (byte_at(text, at + 1) | 32) == 97 and (byte_at(text, at + 2) | 32) == n


@compiled
def _first_digits(text: Text, first: int, last: int) -> tuple[int, int]:
    """(value, power of ten) of the digits from `first` to `last`, of which the first 18 count."""
    value, power, after_point = 0, 0, False
    for place in range(first, last):
        if byte_at(text, place) == POINT:
            after_point = True
        elif value < 10**17:
            value = value * 10 + (byte_at(text, place) - 48)
            power -= after_point
        else:
            power += not after_point
    return value, power


@compiled
def _exponent(text: Text, at: int) -> tuple[int, int]:
    """(place after it, value) of the exponent at `at`; place -1 when there is none."""
    if byte_at(text, at) | 32 != 101:  # e, E
        return -1, 0
    first, minus = _sign(text, at + 1)
    at, value = _digits(text, first, 0)
    if at == first:
        return -1, 0
    value = value if at - first <= 18 and value < 10**6 else 10**6
    return at, -value if minus else value


@compiled
def _scale(value: int, power: int) -> float:
    """value * 10^power: zero or infinite where float64 ends."""
    if value == 0 or power == 0:
        return float(value)
    if power < 0:
        return value / (_TENS[-power] if power >= -22 else 10.0 ** float(-power))
    return value * (_TENS[power] if power <= 22 else 10.0 ** float(power))
