"""Text of which every line holds some numbers and nothing else, white space between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.errors import BadFile
from prep.readers._numbers import (
    FAR,
    FINE,
    LARGEST,
    MINUS,
    NOT_NUMBER,
    POINT,
    Text,
    blank,
    byte_at,
    compiled,
    inlined,
    number,
)

NEW_LINE = 10


@dataclass(frozen=True)
class Lines:
    """All numbers of a text end to end (float32, NaN where it says nan), and how many stand in each line (int64).

    Blank lines at the end do not count.
    """

    numbers: NDArray[np.float32]
    per_line: NDArray[np.int64]


def read_lines(data: bytes, where: Callable[[int], str]) -> Lines:
    """The numbers of a text.

    Raises BadFile, naming the word, for what is no number or one beyond 10^12; `where` says which file and line the
    n-th line, from 0, of the text is.
    """
    # No number is shorter than a digit and a blank.
    numbers = np.empty(len(data) // 2 + 1, np.float32)
    per_line = np.zeros(data.count(b"\n") + 1, np.int64)
    code, place, count = _scan(np.frombuffer(data + b"\0", np.uint8), numbers, per_line)
    if code != FINE:
        line = where(data.count(b"\n", 0, place))
        raise BadFile(f"{line}: `{word_at(data, place)}` {_RULES[code]}. Fetch the file again.")
    filled = np.flatnonzero(per_line)
    return Lines(numbers[:count].copy(), per_line[: filled[-1] + 1 if len(filled) else 0])


def word_at(data: bytes, place: int = 0) -> str:
    """The word that begins at a place, fit for a message.

    >>> word_at(b"0.1 a\\0 7", 4)
    'a\\\\x00'
    """
    return (data[place : place + 40].split() or [b""])[0].decode("latin-1").encode("unicode_escape").decode()


_RULES = {
    NOT_NUMBER: "is not a number",
    FAR: f"is no coordinate; the largest allowed is {LARGEST:g}",
}


@inlined
def _digit(text: Text, at: int) -> int:
    """0 to 9; above that, no digit."""
    return byte_at(text, at) ^ 48


@inlined
def _six_decimals(text: Text, at: int) -> tuple[int, float]:
    """(place after it, value) of a number like `-1.234567` before a blank; place 0 for any other text.

    C writes `%f` so, and with it PKU-MMD. Nothing is guessed on the way and nothing repeated, which makes the whole
    scan three times as fast.
    """
    minus = byte_at(text, at) == MINUS
    at += minus
    whole, fits = _digit(text, at), (byte_at(text, at + 1) == POINT) & blank(byte_at(text, at + 8))
    a, b, c = _digit(text, at + 2), _digit(text, at + 3), _digit(text, at + 4)
    d, e, f = _digit(text, at + 5), _digit(text, at + 6), _digit(text, at + 7)
    fits &= (whole < 10) & (a < 10) & (b < 10) & (c < 10) & (d < 10) & (e < 10) & (f < 10)
    if not fits:
        return 0, 0.0
    size = ((((((whole * 10 + a) * 10 + b) * 10 + c) * 10 + d) * 10 + e) * 10 + f) / 1e6
    return at + 8, -size if minus else size


@compiled
def _scan(text: Text, numbers: NDArray[np.float32], per_line: NDArray[np.int64]) -> tuple[int, int, int]:
    """(code, place of the first error, how many numbers); `text` ends in a zero that is no part of it."""
    last = len(text) - 1
    at, line, count = 0, 0, 0
    while at < last:
        byte = byte_at(text, at)
        if byte == NEW_LINE:
            line += 1
            at += 1
        elif blank(byte):
            at += 1
        else:
            start = at
            at, value = _six_decimals(text, start) if start + 9 < last else (0, 0.0)
            if at == 0:
                code, at, value = number(text, start)
                if code == FINE and abs(value) > LARGEST:
                    code = FAR
                if code != FINE:
                    return code, start, count
            numbers[count] = value
            count += 1
            per_line[line] += 1
    return FINE, at, count
