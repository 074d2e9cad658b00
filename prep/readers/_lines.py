"""Text in which every line holds only numbers, separated by white space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.clip import LARGEST_COORDINATE
from prep.errors import BadFile
from prep.readers import _scanner
from prep.readers._words import word_at


@dataclass(frozen=True)
class Lines:
    """All numbers of a text end to end (float32, NaN for `nan`), and the count of numbers in each line (int64).

    Blank lines at the end do not count.
    """

    numbers: NDArray[np.float32]
    per_line: NDArray[np.int64]


def read_lines(data: bytes, where: Callable[[int], str]) -> Lines:
    """Parse the numbers of a text.

    Raises BadFile with the word for text that is not a number, and for a number beyond 10^12. `where` names the file
    and line, for messages, of a line of the text that is counted from 0.
    """
    # A number takes at least a digit and a blank.
    numbers = np.empty(len(data) // 2 + 1, np.float32)
    per_line = np.zeros(data.count(b"\n") + 1, np.int64)
    text = np.frombuffer(data + b"\0", np.uint8)
    code, position, count = _scanner.scan_lines(text, numbers, per_line, LARGEST_COORDINATE)
    if code != _scanner.FINE:
        far = f"is no coordinate; the largest allowed is {LARGEST_COORDINATE:g}"
        rule = far if code == _scanner.FAR else "is not a number"
        line = where(data.count(b"\n", 0, position))
        raise BadFile(f"{line}: `{word_at(data, position)}` {rule}. Fetch the file again.")
    filled = np.flatnonzero(per_line)
    return Lines(numbers[:count].copy(), per_line[: filled[-1] + 1 if len(filled) else 0])
