"""The confusion matrix of a test, with the clips of each cell: what a run keeps as JSON, and `fsprep view` opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.strict import InvalidValue, build
from prep.errors import PrepError
from prep.untrusted.json_text import parse_json

Rows = tuple[tuple[int, ...], ...]
KEPT = 40  # clips of a cell that are kept
LARGEST = 64 * 2**20  # bytes: 1,000 classes with a clip or two in each cell


@dataclass(frozen=True)
class CellClips:
    """The query clips of one cell: `clips` has the times that each was answered so, the most frequent ones first.

    `true` and `answered` are places in the labels of the matrix. `distinct` is the number of different clips in the
    cell, of which at most KEPT are in `clips`.
    """

    true: int
    answered: int
    distinct: int
    clips: Mapping[str, int]

    @property
    def left_out(self) -> int:
        """How many clips of the cell are not kept."""
        return self.distinct - len(self.clips)


@dataclass(frozen=True)
class ConfusionMatrix:
    """Answers over the test classes `labels`: rows are true classes, columns predicted ones.

    counts[i][j] of the queries[i][j] queries of class i whose task has class j are taken for it. `cells` are the clips
    of every cell with a count, none in a file that was written without them. The digests are those of the result that
    the answers belong to.
    """

    labels: tuple[int, ...]
    names: tuple[str, ...]
    counts: Rows
    queries: Rows
    recipe_digest: str
    store_digest: str
    weights_digest: str
    cells: tuple[CellClips, ...] = ()

    def __post_init__(self) -> None:
        for name in ("names", "counts", "queries"):
            if len(getattr(self, name)) != len(self.labels):
                raise ValueError(f"{name} has {len(getattr(self, name))} rows for {len(self.labels)} labels")
        for row, asked in zip(self.counts, self.queries, strict=True):
            if not len(row) == len(asked) == len(self.labels):
                raise ValueError(f"a row has {len(row)} counts and {len(asked)} queries for {len(self.labels)} labels")
            if any(not 0 <= count <= most for count, most in zip(row, asked, strict=True)):
                raise ValueError("a count is below 0 or above its queries")
        self._check_cells()

    def _check_cells(self) -> None:
        size = len(self.labels)
        for cell in self.cells:
            where = f"cell {cell.true}, {cell.answered}"
            if not (0 <= cell.true < size and 0 <= cell.answered < size):
                raise ValueError(f"{where} is outside {size} classes")
            count, times = self.counts[cell.true][cell.answered], sum(cell.clips.values())
            if not 0 < len(cell.clips) <= cell.distinct or min(cell.clips.values()) < 1:
                raise ValueError(f"{where} has {len(cell.clips)} of {cell.distinct} clips")
            if times + cell.left_out > count or (not cell.left_out and times != count):
                raise ValueError(f"{where} has {times} answers in its clips and {count} in its count")
        if len({(cell.true, cell.answered) for cell in self.cells}) < len(self.cells):
            raise ValueError("a cell is given twice")


def cells_of(answers: Iterable[tuple[int, int, str]], most: int = KEPT) -> tuple[CellClips, ...]:
    """The cells of answers (place of the true class, place of the given one, name of the query clip).

    >>> cells_of([(0, 1, "a"), (0, 1, "b"), (0, 1, "b")], most=1)
    (CellClips(true=0, answered=1, distinct=2, clips={'b': 2}),)
    """
    cells: dict[tuple[int, int], Counter[str]] = {}
    for true, answered, name in answers:
        cells.setdefault((true, answered), Counter())[name] += 1
    return tuple(
        CellClips(*place, len(found), dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:most]))
        for place, found in sorted(cells.items())
    )


def parse_matrix(text: bytes, where: str) -> ConfusionMatrix:
    """The matrix in the text of a file. Raises PrepError, beginning with `where`."""
    if len(text) > LARGEST:
        raise PrepError(f"{where}: has {len(text):,} bytes; a confusion matrix has at most {LARGEST:,}.")
    try:
        return build(ConfusionMatrix, parse_json(text), where)
    except InvalidValue as error:
        raise PrepError(str(error)) from error
    except ValueError as error:
        raise PrepError(f"{where}: is not readable as JSON: {error}") from error


def read_matrix_file(path: Path) -> ConfusionMatrix:
    """The matrix of a confusion.json that a user names. Raises PrepError for any other file."""
    remedy = "Name the confusion.json in the folder of a finished run"
    if not path.is_file():
        raise PrepError(f"{path}: is not a regular file. {remedy}.")
    with path.open("rb") as file:
        text = file.read(LARGEST + 1)
    try:
        matrix = parse_matrix(text, str(path))
    except PrepError as error:
        raise PrepError(f"{str(error).rstrip('.')}. {remedy}.") from error
    if not matrix.cells:
        again = "Delete result.json beside it and run the same `fszoo train` again; only the test is repeated"
        raise PrepError(f"{path}: names no clips of its cells. {again}.")
    return matrix
