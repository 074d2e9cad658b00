"""Confusion: which novel classes a trained run takes for which others, on the tasks that it is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.draw import Draw
from episodes.loader import EpisodeLoader
from prep.confusion_matrix import ConfusionMatrix, cells_of
from prep.progress import Work
from zoo.engine.evaluate import measure
from zoo.engine.scorer import Episodes, Scorer
from zoo.experiment.prepare import Prepared
from zoo.runs.confusion_matrix import DIGESTS
from zoo.runs.result import Result
from zoo.runs.scoring import test_scorer


@dataclass(frozen=True)
class Confusion:
    """An ordered pair of classes: `times` of `queries` queries of the first are taken for the second.

    `queries` counts those whose task has both classes.
    """

    label: int
    name: str
    taken_for: int
    taken_for_name: str
    times: int
    queries: int

    @property
    def share(self) -> float:
        """`times` of `queries`, 0..1."""
        return self.times / self.queries

    def record(self) -> dict[str, Any]:
        """The pair as a JSON value."""
        return {**asdict(self), "share": self.share}


@dataclass(frozen=True)
class Counts:
    """What a counter has counted: `times` and `queries`, rows true classes, columns answers.

    `answers` (X, 3) has the true label, the given label and the clip of each query, in the order of the test.
    """

    times: Int[Tensor, "N N"]
    queries: Int[Tensor, "N N"]
    answers: Int[Tensor, "X _"]


class ConfusionCounter:
    """A scorer that counts the answers of another one; `counts` are those so far."""

    def __init__(self, scorer: Scorer, classes: int) -> None:
        self.scorer, self.modules = scorer, scorer.modules
        self.times = torch.zeros(classes, classes, dtype=torch.int64)
        self.queries = torch.zeros_like(self.times)
        self._answers: list[Int[Tensor, "_ _"]] = []

    def scores(self, loader: Episodes, step: int) -> tuple[Float[Tensor, "B Q N"], Int[Tensor, "B Q"]]:
        """See zoo.engine.scorer.Scorer."""
        assert isinstance(loader, EpisodeLoader)
        scores, answer = self.scorer.scores(loader, step)
        self.add(scores.argmax(-1), loader.sampler.at(step))
        return scores, answer

    def add(self, given: Int[Tensor, "B Q"], draw: Draw) -> None:
        """Count the answers that were given in the tasks of a step, as rows of each task."""
        given, answer, class_id = given.cpu(), draw.answer.cpu(), draw.class_id.cpu()
        true, taken_for = class_id.gather(1, answer), class_id.gather(1, given)
        one = torch.ones(true.shape, dtype=torch.int64)
        self.times.index_put_((true, taken_for), one, accumulate=True)
        self._answers.append(torch.stack([true, taken_for, draw.query.cpu()], dim=-1).flatten(0, 1))
        pairs = true[:, :, None].expand(-1, -1, class_id.shape[1]), class_id[:, None].expand(-1, true.shape[1], -1)
        self.queries.index_put_(pairs, torch.ones_like(pairs[0]), accumulate=True)

    @property
    def counts(self) -> Counts:
        """What was counted so far."""
        none = torch.zeros(0, 3, dtype=torch.int64)
        return Counts(self.times, self.queries, torch.cat([none, *self._answers]))


def confusions(prepared: Prepared, names: Sequence[str], most: int) -> Work[tuple[Confusion, ...]]:
    """The `most` pairs that a prepared method with trained weights confuses most on its test tasks, by share.

    `names` are those of the store's classes.
    """
    counter = ConfusionCounter(test_scorer(prepared), len(names))
    yield from measure(counter, prepared.test, prepared.independent, "counting confusions")
    return most_confused(counter.times, counter.queries, names)[:most]


def matrix_of(parts: Sequence[Counts], names: Sequence[str], clips: Sequence[str], result: Result) -> ConfusionMatrix:
    """The sum of what counters have counted, over the classes that were tested.

    `names` are those of the labels, and `clips` those of the clips of the pool.
    """
    times, queries = (
        torch.stack(list(kind)).sum(0) for kind in zip(*((p.times, p.queries) for p in parts), strict=True)
    )
    labels = torch.unique(queries.nonzero()).tolist()
    place = {label: row for row, label in enumerate(labels)}
    answers = (row for part in parts for row in part.answers.tolist())
    return ConfusionMatrix(
        labels=tuple(labels),
        names=tuple(names[label] for label in labels),
        counts=_rows(times, labels),
        queries=_rows(queries, labels),
        cells=cells_of((place[true], place[given], clips[clip]) for true, given, clip in answers),
        **{name: getattr(result, name) for name in DIGESTS},
    )


def most_confused(
    times: Int[Tensor, "N N"], queries: Int[Tensor, "N N"], names: Sequence[str]
) -> tuple[Confusion, ...]:
    """Every pair of different classes that is confused at all, the largest share first.

    >>> times, queries = torch.tensor([[8, 2], [0, 10]]), torch.tensor([[10, 10], [10, 10]])
    >>> [(pair.name, pair.taken_for_name, pair.share) for pair in most_confused(times, queries, ["hush", "yawn"])]
    [('hush', 'yawn', 0.2)]
    """
    found = [
        Confusion(row, names[row], column, names[column], int(times[row, column]), int(queries[row, column]))
        for row, column in times.nonzero().tolist()
        if row != column
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.share, -pair.times, pair.label, pair.taken_for)))


def _rows(values: Int[Tensor, "N N"], labels: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in values[labels][:, labels].tolist())
