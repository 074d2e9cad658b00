"""Tallies of answers: confusion, accuracy of each class, confused pairs, certain mistakes, paired differences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.report.answers import Answers

# Below this many tasks their spread says nothing, and an interval is over queries.
LEAST_TASKS = 10
Z = 1.959963984540054


class PairError(Exception):
    """Two runs that were not measured on the same tasks; the text names what differs."""


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy of each class of a test, 0..1, with its 95 % interval `low` to `high` and the number of its queries.

    `over` is what the interval is over: "tasks" or "queries".
    """

    label: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    queries: NDArray[np.int64]
    over: str


@dataclass(frozen=True)
class Difference:
    """Mean accuracy of one run minus another on the same tasks, half its 95 % interval, and what that is over."""

    mean: float
    interval: float
    over: str


def labels_of(answers: Answers) -> NDArray[np.int64]:
    """The labels of the test classes, sorted."""
    return np.unique(answers.task_classes)


def confusion(answers: Answers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(times, queries) over the test classes in the order of `labels_of`: rows true classes, columns answers.

    times[i, j] of the queries[i, j] queries of class i whose task has class j are taken for it.
    """
    labels = labels_of(answers)
    true, given = np.searchsorted(labels, answers.true), np.searchsorted(labels, answers.given)
    times = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(times, (true, given), 1)
    queries = np.zeros_like(times)
    beside = np.searchsorted(labels, answers.task_classes)[answers.task]
    np.add.at(queries, (np.broadcast_to(true[:, None], beside.shape), beside), 1)
    return times, queries


def share(times: NDArray[np.int64], queries: NDArray[np.int64]) -> NDArray[np.float64]:
    """times / queries, NaN where there is no query.

    >>> share(np.array([[1, 0]]), np.array([[4, 0]])).tolist()
    [[0.25, nan]]
    """
    return np.where(queries > 0, times / np.maximum(queries, 1), np.nan)


def class_accuracy(answers: Answers) -> ClassAccuracy:
    """The accuracy of every class with its 95 % interval.

    With LEAST_TASKS tasks or more the interval is over tasks (the linearised standard error of a ratio, since queries
    of one task share its support), otherwise Wilson's over queries (Wilson, 1927). A class that is always or never
    right has no spread, so its interval is Wilson's too.
    """
    labels = labels_of(answers)
    over = "tasks" if len(answers.task_classes) >= LEAST_TASKS else "queries"
    rows = [_one_class(answers, int(label), over) for label in labels]
    accuracy, low, high, queries = (np.array(column) for column in zip(*rows, strict=True))
    return ClassAccuracy(labels, accuracy, low, high, queries, over)


def counted_accuracy(labels: NDArray[np.int64], times: NDArray[np.int64]) -> ClassAccuracy:
    """As `class_accuracy`, from a confusion matrix alone; intervals are Wilson's, over queries.

    >>> counted_accuracy(np.array([3, 8]), np.array([[8, 2], [0, 10]])).accuracy.tolist()
    [0.8, 1.0]
    """
    right, queries = times.diagonal(), times.sum(1)
    ends = np.array([wilson(int(hits), int(asked)) for hits, asked in zip(right, queries, strict=True)]).reshape(-1, 2)
    return ClassAccuracy(labels, share(right, queries), ends[:, 0], ends[:, 1], queries, "queries")


def wilson(right: int, queries: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not queries:
        return 0.0, 1.0
    centre = (right + Z * Z / 2) / (queries + Z * Z)
    half = Z * math.sqrt(right * (queries - right) / queries + Z * Z / 4) / (queries + Z * Z)
    return max(0.0, centre - half), min(1.0, centre + half)


def most_confused(times: NDArray[np.int64], queries: NDArray[np.int64], most: int) -> list[tuple[int, int, int, int]]:
    """(row, column, times, queries) of the `most` pairs of different classes that are confused most, by share.

    >>> most_confused(np.array([[8, 2], [0, 10]]), np.array([[10, 10], [10, 10]]), most=3)
    [(0, 1, 2, 10)]
    """
    pairs = [
        (int(row), int(column), int(times[row, column]), int(queries[row, column]))
        for row, column in np.argwhere(times > 0)
        if row != column
    ]
    return sorted(pairs, key=lambda pair: (-pair[2] / pair[3], -pair[2], pair[0], pair[1]))[:most]


def certain_mistakes(answers: Answers, most: int) -> NDArray[np.int64]:
    """Places of the `most` wrong answers with the highest certainty, each query clip once."""
    wrong = np.flatnonzero(~answers.right)
    ordered = wrong[np.argsort(-answers.certainty[wrong], kind="stable")]
    _, first = np.unique(answers.query[ordered], return_index=True)
    return ordered[np.sort(first)][:most]


def check_same_tasks(first: Answers, second: Answers) -> None:
    """Raise PairError where two runs were not measured on the same tasks."""
    for name in ("task_classes", "task", "true", "query", "support_true"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            remedy = "Compare runs of one split, class split, way, shot, test seed and number of test episodes"
            raise PairError(f"the runs were not measured on the same tasks: their `{name}` differ. {remedy}.")


def paired_difference(first: Answers, second: Answers) -> Difference:
    """Accuracy of `first` minus `second` on the same tasks, 0..1, with 1.96 standard errors of the paired differences.

    Over tasks where there are several, else over queries. Raises PairError for other tasks.
    """
    check_same_tasks(first, second)
    gain = first.right.astype(float) - second.right
    tasks = len(first.task_classes)
    if tasks > 1:
        queries = np.bincount(first.task, minlength=tasks)
        values, over = np.bincount(first.task, weights=gain, minlength=tasks) / queries, "tasks"
    else:
        values, over = gain, "queries"
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.inf
    return Difference(float(gain.mean()), Z * spread / math.sqrt(len(values)), over)


def class_gains(first: Answers, second: Answers) -> ClassAccuracy:
    """Accuracy of every class of `first` minus that of `second` on the same tasks, with its paired 95 % interval.

    Over tasks or queries as in `class_accuracy`. Raises PairError for other tasks.
    """
    check_same_tasks(first, second)
    labels, gain = labels_of(first), first.right.astype(float) - second.right
    over = "tasks" if len(first.task_classes) >= LEAST_TASKS else "queries"
    rows = []
    for label in labels:
        mine = first.true == label
        group = first.task[mine] if over == "tasks" else np.arange(int(mine.sum()))
        half = _ratio_interval(gain[mine], group)
        value = float(gain[mine].mean()) if mine.any() else math.nan
        rows.append((value, value - half, value + half, int(mine.sum())))
    mean, low, high, queries = (np.array(column) for column in zip(*rows, strict=True))
    return ClassAccuracy(labels, mean, low, high, queries, over)


def _one_class(answers: Answers, label: int, over: str) -> tuple[float, float, float, int]:
    mine = answers.true == label
    right, queries = answers.right[mine], int(mine.sum())
    if not queries:
        return math.nan, 0.0, 1.0, 0
    accuracy = float(right.mean())
    if over == "queries" or accuracy in (0.0, 1.0):
        return accuracy, *wilson(int(right.sum()), queries), queries
    half = _ratio_interval(right.astype(float), answers.task[mine])
    return accuracy, max(0.0, accuracy - half), min(1.0, accuracy + half), queries


def _ratio_interval(values: NDArray[np.float64], group: NDArray[np.int64]) -> float:
    """Half the 95 % interval of the mean of values that come in groups; infinite for one group.

    >>> round(_ratio_interval(np.array([0.0, 1.0, 0.0, 1.0]), np.arange(4)), 3)
    0.566
    """
    groups = len(np.unique(group))
    if groups < 2:
        return math.inf
    sums = np.bincount(group, weights=values - values.mean())
    return Z * math.sqrt(groups / (groups - 1) * float(np.square(sums).sum())) / len(values)
