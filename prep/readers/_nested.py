"""Nested lists of numbers in a JSON file.

They are converted to arrays of objects first. numpy alone would reserve the length of the longest string for every
entry, and convert true, "1" and null to numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Ragged(ValueError):
    """Lists of unequal length."""


class NotNumbers(ValueError):
    """An entry that is not a number."""


def nested(value: Any) -> NDArray[np.object_]:
    """Nested lists as an array of their entries. Raises Ragged.

    >>> nested([[1, "a"], [0.5, None]]).shape
    (2, 2)
    """
    array = np.array(value, object)
    if list in _types(array):
        raise Ragged
    return array


def numbers(array: NDArray[np.object_], missing: bool = False) -> NDArray[np.float64]:
    """The entries as float64; with `missing`, None becomes NaN. Raises NotNumbers.

    >>> numbers(nested([[1, None]]), missing=True).tolist()
    [[1.0, nan]]
    """
    if not _types(array) <= ({int, float, type(None)} if missing else {int, float}):
        raise NotNumbers
    return array.astype(np.float64)


def _types(array: NDArray[np.object_]) -> set[type]:
    return set(map(type, array.ravel().tolist()))
