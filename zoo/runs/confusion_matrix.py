"""The confusion matrix of a run's test, counted while it is measured and kept beside its result. Loads no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from manifests.strict import InvalidValue, build
from prep.files import atomic_write
from zoo.runs.result import Result

FILE = "confusion.json"
Rows = tuple[tuple[int, ...], ...]


class MatrixError(Exception):
    """A file with a confusion matrix is damaged; the text names the file."""


@dataclass(frozen=True)
class ConfusionMatrix:
    """Answers over the test classes `labels`: rows are true classes, columns predicted ones.

    counts[i][j] of the queries[i][j] queries of class i whose task has class j are taken for it. The digests are those
    of the result that the answers belong to.
    """

    labels: tuple[int, ...]
    names: tuple[str, ...]
    counts: Rows
    queries: Rows
    recipe_digest: str
    store_digest: str
    weights_digest: str

    def __post_init__(self) -> None:
        for name in ("names", "counts", "queries"):
            if len(getattr(self, name)) != len(self.labels):
                raise ValueError(f"{name} has {len(getattr(self, name))} rows for {len(self.labels)} labels")
        for row, asked in zip(self.counts, self.queries, strict=True):
            if not len(row) == len(asked) == len(self.labels):
                raise ValueError(f"a row has {len(row)} counts and {len(asked)} queries for {len(self.labels)} labels")
            if any(not 0 <= count <= most for count, most in zip(row, asked, strict=True)):
                raise ValueError("a count is below 0 or above its queries")

    def belongs_to(self, result: Result) -> bool:
        """Whether these are the answers that a result was computed from."""
        return all(getattr(self, name) == getattr(result, name) for name in DIGESTS)


DIGESTS = ("recipe_digest", "store_digest", "weights_digest")


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
        matrix = build(ConfusionMatrix, json.loads(file.read_bytes()), str(file))
    except (ValueError, RecursionError, InvalidValue) as error:
        raise MatrixError(f"{file}: damaged ({error}). Delete it; `fszoo report` then counts the answers.") from error
    return matrix if matrix.belongs_to(result) else None
