"""Nested lists of numbers out of a JSON file.

They become objects first: numpy would make room for the longest text everywhere, and take true, "1" and null for
numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Ragged(ValueError):
    """Lists of unequal length."""


class NotNumbers(ValueError):
    """Something among the numbers is none."""


def nested(value: Any) -> NDArray[np.object_]:
    """Nested lists as an array of what they hold. Raises Ragged.

    >>> nested([[1, "a"], [0.5, None]]).shape
    (2, 2)
    """
    array = np.array(value, object)
    if list in _types(array):
        raise Ragged
    return array


def numbers(array: NDArray[np.object_], missing: bool = False) -> NDArray[np.float64]:
    """The same as float64; with `missing`, None is NaN. Raises NotNumbers.

    >>> numbers(nested([[1, None]]), missing=True).tolist()
    [[1.0, nan]]
    """
    if not _types(array) <= ({int, float, type(None)} if missing else {int, float}):
        raise NotNumbers
    return array.astype(np.float64)


def _types(array: NDArray[np.object_]) -> set[type]:
    return set(map(type, array.ravel().tolist()))
