"""The confusion matrix of a run's test, counted while it is measured and kept beside its result. Loads no torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from prep.confusion_matrix import ConfusionMatrix, parse_matrix
from prep.errors import PrepError
from prep.files import atomic_write
from zoo.runs.result import Result

FILE = "confusion.json"
DIGESTS = ("recipe_digest", "store_digest", "weights_digest")


class MatrixError(Exception):
    """A file with a confusion matrix is damaged; the text names the file."""


def write_matrix(run: Path, matrix: ConfusionMatrix) -> None:
    """Write confusion.json in the folder of a run."""
    atomic_write(run / FILE, json.dumps(asdict(matrix)))


def read_matrix(run: Path, result: Result) -> ConfusionMatrix | None:
    """The matrix of a result in the folder of its run; None where there is none, or only that of another result.

    Raises MatrixError for a damaged file.
    """
    file = run / FILE
    if not file.is_file():
        return None
    try:
        matrix = parse_matrix(file.read_bytes(), str(file))
    except PrepError as error:
        raise MatrixError(f"{file}: damaged ({error}). Delete it; `fszoo report` then counts the answers.") from error
    return matrix if all(getattr(matrix, name) == getattr(result, name) for name in DIGESTS) else None
