"""The cells of a confusion matrix as filters: the clips of a store that a run's test has in a cell, row or column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.strict import hint
from manifests.text import counted, plain
from prep.confusion_matrix import ConfusionMatrix, read_matrix_file
from prep.errors import PrepError
from prep.store.read import Store


@dataclass(frozen=True)
class ChosenClips:
    """The clips of some cells: `times` has the answers of each by name; `left_out` are not named in the file."""

    times: Mapping[str, int]
    left_out: int

    def note(self, clips: Mapping[str, int]) -> str:
        """What a list of the chosen clips lacks; `clips` are those of the store."""
        absent = sum(name not in clips for name in self.times)
        lines = [f"{counted(absent, 'clip')} of them not in this store"] if absent else []
        lines += [f"{self.left_out:,} more not named in the file"] if self.left_out else []
        return ", ".join(lines)


def read_cells(path: Path, store: Store) -> ConfusionMatrix:
    """The matrix in a file, whose clips are in a store. Raises PrepError where none is, and for any other file."""
    matrix = read_matrix_file(path)
    names = set(store.names)
    if not any(name in names for cell in matrix.cells for name in cell.clips):
        rule = f"none of its clips is in {store.path}"
        raise PrepError(f"{path}: {rule}. Name the store that the run was tested on.")
    return matrix


def chosen_clips(matrix: ConfusionMatrix, true: str, answered: str) -> ChosenClips:
    """The clips of the cells of a true class and an answer, both by the names that the page shows; "" is any.

    Raises PrepError for a name that is not one of the matrix.
    """
    rows, columns = _places(matrix, true), _places(matrix, answered)
    cells = [cell for cell in matrix.cells if cell.true in rows and cell.answered in columns]
    times = Counter[str]()
    for cell in cells:
        times.update(cell.clips)
    return ChosenClips(times, sum(cell.left_out for cell in cells))


def record(matrix: ConfusionMatrix) -> dict[str, Any]:
    """The matrix as the page draws it: names, counts and queries by row, without the clips."""
    return {"names": _names(matrix), "counts": matrix.counts, "queries": matrix.queries}


def _names(matrix: ConfusionMatrix) -> list[str]:
    return [plain(name) for name in matrix.names]


def _places(matrix: ConfusionMatrix, name: str) -> frozenset[int]:
    names = _names(matrix)
    if name and name not in names:
        raise PrepError(f"the confusion matrix has no class `{plain(name[:200])}`. {hint(name[:200], names)}")
    return frozenset(place for place, own in enumerate(names) if not name or own == name)
