"""Contents: everything that the page of one run shows, as arrays and facts, before any of it becomes HTML."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from manifests.digest import short
from manifests.facts import published_choices
from manifests.layout import Layout
from prep.confusion_matrix import CellClips, ConfusionMatrix, Rows
from prep.progress import Work
from prep.store.read import Store
from zoo.experiment.recipe import Recipe
from zoo.named_arrays import NamedArrays, merged
from zoo.report import cells
from zoo.report.answers import Answers, answers_of
from zoo.report.charts import curves
from zoo.report.clips import PlayedClip, played
from zoo.report.tally import (
    ClassAccuracy,
    certain_mistakes,
    class_accuracy,
    confusion,
    counted_accuracy,
    labels_of,
)
from zoo.runs import log
from zoo.runs.chain import trained_method
from zoo.runs.confusion_matrix import DIGESTS, FILE, read_matrix
from zoo.runs.cost import read_cost
from zoo.runs.result import Result
from zoo.runs.run import Run
from zoo.runs.status import status
from zoo.sweep.compare import Row, compare
from zoo.sweep.grid import as_toml, choices

MISTAKES = 20
PACKAGES = ("fewshot-skeleton", "torch", "numpy", "zarr")


class ReportError(Exception):
    """A run has nothing to report yet; the text says what to do first."""


@dataclass(frozen=True)
class Contents:
    """The facts of one run. `labels` are the test classes and `names` their names, both in the same order.

    `times` and `queries` are the confusion matrix over them, as in zoo.report.tally.confusion, and `cells` the clips of
    its cells. `clips` are those of the mistakes and of the cells, by index in the store; `mistakes` are places in
    `answers`. `viewer` is the command that opens the cells in `fsprep view`, "" without a confusion.json that has them.
    Where the store is gone, `absent` says so: `answers` and `layout` are None, there are no clips, and without
    confusion.json no classes either.
    """

    path: Path
    recipe: Recipe
    result: Result
    row: Row
    labels: tuple[int, ...]
    names: tuple[str, ...]
    times: NDArray[np.int64]
    queries: NDArray[np.int64]
    cells: tuple[CellClips, ...]
    viewer: str
    answers: Answers | None
    mistakes: tuple[int, ...]
    clips: Mapping[int, PlayedClip]
    layout: Layout | None
    absent: str
    spent: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]
    silent: tuple[str, ...]
    curve: NamedArrays

    def name(self, label: int) -> str:
        """The name of a test class."""
        return self.names[self.labels.index(label)]

    @property
    def classes(self) -> ClassAccuracy:
        """The accuracy of each test class, from the answers or else from the matrix."""
        if self.answers is None:
            return counted_accuracy(np.array(self.labels, dtype=np.int64), self.times)
        return class_accuracy(self.answers)

    def arrays(self, prefix: str = "") -> NamedArrays:
        """Every array of the page; names and axes begin with `prefix`."""
        each = self.classes
        matrix, row = (f"{prefix}true", f"{prefix}answered"), (f"{prefix}true",)
        arrays = {f"{prefix}{name}": value for name, value in vars(each).items() if name != "over"}
        axes: dict[str, tuple[str, ...]] = dict.fromkeys(arrays, row)
        arrays |= {f"{prefix}times": self.times, f"{prefix}pair_queries": self.queries}
        axes |= {f"{prefix}times": matrix, f"{prefix}pair_queries": matrix}
        mine = NamedArrays(arrays, axes, dict.fromkeys(matrix, self.names))
        named = {f"{prefix}{name}": self.curve[name] for name in self.curve}
        curve = NamedArrays(named, dict.fromkeys(named, (f"{prefix}record",)))
        answers = [] if self.answers is None else [self.answers.arrays(f"{prefix}answers/")]
        return merged([mine, curve, *answers])


def contents_of(
    run: Run, store: Store | None, device: torch.device, absent: str = "", room: int = cells.ROOM
) -> Work[Contents]:
    """Everything that the page of a finished run shows; its test tasks are answered again for the mistakes.

    `room` is how many characters of the page the clips of the confusion matrix may take.
    Without a store (`absent` says why), or with another one than the run's, there are no answers and no clips. Raises
    ReportError for a run that is not finished or has no test, MatrixError and CostError for damaged files, and what
    `trained_method` raises.
    """
    recipe, result = run.recipe(), _tested(run)
    if store is not None and store.digest != result.store_digest:
        absent = f"{store.path} is another store (digest {short(store.digest)}, the run's {short(result.store_digest)})"
        store = None
    answers, parameters = None, None
    if store is not None:
        prepared, _ = trained_method(run, recipe, store, device)
        answers = yield from answers_of(prepared)
        parameters = sum(parameter.numel() for parameter in prepared.learner.parameters())
    mistakes = () if answers is None else tuple(certain_mistakes(answers, MISTAKES).tolist())
    matrix, in_file = _matrix(run, result, answers, store)
    (row,) = compare([(recipe, result)])
    return Contents(
        path=run.path,
        recipe=recipe,
        result=result,
        row=row,
        labels=matrix.labels,
        names=matrix.names,
        times=_counts(matrix.counts),
        queries=_counts(matrix.queries),
        cells=matrix.cells,
        viewer=_viewer(run, store) if in_file and matrix.cells else "",
        answers=answers,
        mistakes=mistakes,
        clips=_clips(store, answers, mistakes, matrix.cells, room),
        layout=None if store is None else store.info.layout,
        absent=absent,
        spent=spent(run, result, parameters),
        provenance=provenance(store, result),
        silent=silent(row),
        curve=curves(log.read(run.log)),
    )


def _tested(run: Run) -> Result:
    """The result of a run that was tested."""
    result = run.result()
    if result is None:
        raise ReportError(f"{run.path}: {status(run.path)}. Run the same `fszoo train` again; it continues.")
    if result.accuracy is None:
        remedy = f"Train a method from it with init.source={run.path}, and report that run"
        raise ReportError(f"{run.path}: a pre-training run has no test to report. {remedy}.")
    return result


def silent(row: Row) -> tuple[str, ...]:
    """Where the papers of a run's rows are silent or contradict themselves, and what is done here."""
    places = dict.fromkeys((paper.paper, paper.table) for paper in row.papers)
    found = published_choices()
    return tuple(dict.fromkeys(text for place in places for text in found.get(place, ())))


def settings(recipe: Recipe) -> list[tuple[str, str]]:
    """Every choice of a recipe by its dotted key, as --set takes it."""
    pairs = choices(recipe).items()
    return [(key, value if isinstance(value, str) else as_toml(value)) for key, value in pairs]


def spent(run: Run, result: Result, parameters: int | None) -> tuple[tuple[str, str], ...]:
    """What a run took: time and peak memory, its training, parameters and files. Raises CostError."""
    files = sum(file.stat().st_size for file in run.path.iterdir() if file.is_file())
    size = [] if parameters is None else [("parameters", f"{parameters:,} ({parameters * 4 / 1e6:.2f} MB in float32)")]
    return (
        *_cost(run),
        ("trained on", f"{result.trained:,} episodes"),
        ("tested on", f"{result.queries:,} queries in {result.episodes:,} tasks"),
        *size,
        ("files", f"{files / 1e6:.2f} MB"),
    )


def _cost(run: Run) -> list[tuple[str, str]]:
    cost = read_cost(run.path)
    if cost is None:
        begin, end = ((run.path / name).stat().st_mtime for name in ("recipe.toml", "result.json"))
        return [("from recipe.toml to result.json", f"{duration(max(0.0, end - begin))}, pauses included")]
    lines = [("time", f"{duration(cost.seconds)} on {cost.device}, training and test")]
    if cost.memory:
        lines.append(("peak memory", f"{cost.memory / 1e9:.2f} GB of the process"))
    if cost.device_memory:
        lines.append(("peak memory of the device", f"{cost.device_memory / 1e9:.2f} GB"))
    return lines


def duration(seconds: float) -> str:
    """A length of time in its two largest units.

    >>> duration(14.2), duration(75.0), duration(7320.0)
    ('14 s', '1 min 15 s', '2 h 2 min')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def provenance(store: Store | None, result: Result) -> tuple[tuple[str, str], ...]:
    """What the numbers belong to: digests, the store, and the versions that made the report."""
    opened = []
    if store is not None:
        title = f"{store.info.dataset} {store.info.subset}".strip()
        opened.append(("store", f"{title}, {len(store):,} clips, {store.info.preprocessing}"))
    return (
        *opened,
        ("store digest", result.store_digest),
        ("recipe digest", result.recipe_digest),
        ("weights digest", result.weights_digest),
        ("initial weights", result.init_digest or "random"),
        ("seed of training, of the test", f"{result.seed}, {result.test_seed}"),
        ("report made by", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)),
        *([] if store is None else [("data", store.info.citation)]),
    )


def joined(runs: Sequence[Contents]) -> NamedArrays:
    """The arrays of all runs of a page, `run1/`, `run2/` ... before their names."""
    return merged([run.arrays(f"run{number}/") for number, run in enumerate(runs, 1)])


def _matrix(run: Run, result: Result, answers: Answers | None, store: Store | None) -> tuple[ConfusionMatrix, bool]:
    """The run's confusion.json, else the matrix of the answers, else an empty one; and whether it is the first."""
    kept, digests = read_matrix(run.path, result), {name: getattr(result, name) for name in DIGESTS}
    if kept is not None and (kept.cells or answers is None):
        return kept, True
    if answers is None or store is None:
        return ConfusionMatrix((), (), (), (), **digests), False
    labels = tuple(labels_of(answers).tolist())
    times, queries = (tuple(tuple(row) for row in part.tolist()) for part in confusion(answers))
    names, found = tuple(store.info.classes[label] for label in labels), cells.cells_of_answers(answers, store.names)
    return ConfusionMatrix(labels, names, times, queries, **digests, cells=found), False


def _counts(rows: Rows) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(rows))


def _viewer(run: Run, store: Store | None) -> str:
    """The command that opens the cells of a run's confusion.json in the viewer."""
    return shlex.join(["fsprep", "view", "STORE" if store is None else store.path, "--confusion", str(run.path / FILE)])


def _clips(
    store: Store | None, answers: Answers | None, mistakes: Sequence[int], found: Sequence[CellClips], room: int
) -> dict[int, PlayedClip]:
    """The clips of the mistakes and of the cells, by index in the store."""
    if store is None:
        return {}
    clips = {clip: played(store, clip) for clip in _clips_of(answers, mistakes)}
    index = {name: clip for clip, name in enumerate(store.names)}

    def load(name: str) -> PlayedClip | None:
        return played(store, index[name], cells.FRAMES) if name in index else None

    more = cells.clips_to_play(found, [store.names[clip] for clip in clips], load, room)
    return clips | {index[name]: clip for name, clip in more.items()}


def _clips_of(answers: Answers | None, mistakes: Sequence[int]) -> list[int]:
    if answers is None:
        return []
    places = list(mistakes)
    parts = (answers.query, answers.support_given, answers.support_true)
    return sorted({int(clip) for part in parts for clip in part[places]})


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of a source tree"
