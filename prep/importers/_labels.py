"""Labels beside an array of clips, as class numbers or one-hot rows, and the reason for each unusable one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from prep.errors import PrepError
from prep.untrusted.brief import brief

Labels = tuple[NDArray[np.int64], dict[int, str]]


def from_array(y: NDArray[Any], clips: int, data: Dataset, where: str) -> Labels:
    """Labels (N,) and the unusable rows, from class numbers (N,) or (N, 1), or from one-hot rows (N, classes).

    Raises PrepError if N is not `clips`, or if the width is not the number of classes of the dataset.
    """
    if y.dtype.kind not in "biuf" or y.ndim not in (1, 2) or len(y) != clips:
        raise PrepError(f"{where}: labels of shape {y.shape}, type {y.dtype} for {clips} clips. Fetch it again.")
    if y.ndim == 2 and y.shape[1] != 1:
        return _from_one_hot(y, data, where)
    return from_numbers(y.reshape(-1).tolist(), clips, data, where)


def from_numbers(numbers: Any, clips: int, data: Dataset, where: str) -> Labels:
    """Labels (N,) and the unusable rows, from a list of class numbers. Raises PrepError for a wrong count."""
    if not isinstance(numbers, list | tuple) or len(numbers) != clips:
        raise PrepError(f"{where}: there is not one label for each of the {clips} clips. Fetch it again.")
    labels, bad = np.full(clips, -1, np.int64), {}
    for row, number in enumerate(numbers):
        if isinstance(number, int | float | np.number) and number in range(len(data.classes)):
            labels[row] = int(number)
        else:
            bad[row] = f"label {brief(number)} does not exist; {data.name} has 0 to {len(data.classes) - 1}"
    return labels, bad


def _from_one_hot(y: NDArray[Any], data: Dataset, where: str) -> Labels:
    if y.shape[1] != len(data.classes):
        rule = f"{y.shape[1]} classes, {data.name} has {len(data.classes)}"
        raise PrepError(f"{where}: one-hot labels of {rule}. Name the dataset from which the file was made.")
    ones, rest = (y == 1).sum(axis=1), ((y != 0) & (y != 1)).sum(axis=1)
    wrong = np.flatnonzero((ones != 1) | (rest > 0))
    bad = {
        int(row): f"its label has {ones[row]} ones and {rest[row]} other numbers; one 1 is the rule" for row in wrong
    }
    return np.where(np.isin(np.arange(len(y)), wrong), -1, y.argmax(axis=1)).astype(np.int64), bad
