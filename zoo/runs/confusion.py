"""Confusion: which novel classes a trained run takes for which others, on the tasks that it is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.loader import EpisodeLoader
from prep.progress import Work
from zoo.engine.evaluate import measure
from zoo.engine.scorer import Episodes, Scorer
from zoo.experiment.prepare import Prepared
from zoo.runs.confusion_matrix import DIGESTS, ConfusionMatrix
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


class ConfusionCounter:
    """A scorer that counts the answers of another one: `times` and `queries`, rows true classes, columns answers."""

    def __init__(self, scorer: Scorer, classes: int) -> None:
        self.scorer, self.modules = scorer, scorer.modules
        self.times = torch.zeros(classes, classes, dtype=torch.int64)
        self.queries = torch.zeros_like(self.times)

    def scores(self, loader: Episodes, step: int) -> tuple[Float[Tensor, "B Q N"], Int[Tensor, "B Q"]]:
        """See zoo.engine.scorer.Scorer."""
        assert isinstance(loader, EpisodeLoader)
        scores, answer = self.scorer.scores(loader, step)
        self.add(scores.argmax(-1), answer, loader.sampler.at(step).class_id)
        return scores, answer

    def add(self, given: Int[Tensor, "B Q"], answer: Int[Tensor, "B Q"], class_id: Int[Tensor, "B N"]) -> None:
        """Count given and right answers, both rows of a task whose rows are the labels `class_id`.

        >>> from zoo.engine.scorer import EpisodeScorer
        >>> counter = ConfusionCounter(EpisodeScorer(torch.nn.Identity()), classes=4)
        >>> counter.add(torch.tensor([[1, 1]]), torch.tensor([[0, 1]]), torch.tensor([[3, 2]]))
        >>> counter.times.nonzero().tolist(), counter.queries[3].tolist()
        ([[2, 2], [3, 2]], [0, 0, 1, 1])
        """
        given, answer, class_id = given.cpu(), answer.cpu(), class_id.cpu()
        true = class_id.gather(1, answer)
        one = torch.ones(true.shape, dtype=torch.int64)
        self.times.index_put_((true, class_id.gather(1, given)), one, accumulate=True)
        pairs = true[:, :, None].expand(-1, -1, class_id.shape[1]), class_id[:, None].expand(-1, true.shape[1], -1)
        self.queries.index_put_(pairs, torch.ones_like(pairs[0]), accumulate=True)


def confusions(prepared: Prepared, names: Sequence[str], most: int) -> Work[tuple[Confusion, ...]]:
    """The `most` pairs that a prepared method with trained weights confuses most on its test tasks, by share.

    `names` are those of the store's classes.
    """
    counter = ConfusionCounter(test_scorer(prepared), len(names))
    yield from measure(counter, prepared.test, prepared.independent, "counting confusions")
    return most_confused(counter.times, counter.queries, names)[:most]


def matrix_of(
    parts: Sequence[tuple[Int[Tensor, "N N"], Int[Tensor, "N N"]]], names: Sequence[str], result: Result
) -> ConfusionMatrix:
    """The sum of what counters have counted, `times` and `queries` of each, over the classes that were tested."""
    times, queries = (torch.stack(list(part)).sum(0) for part in zip(*parts, strict=True))
    labels = torch.unique(queries.nonzero())
    counts, asked = (tuple(tuple(row) for row in part[labels][:, labels].tolist()) for part in (times, queries))
    digests = {name: getattr(result, name) for name in DIGESTS}
    return ConfusionMatrix(
        tuple(labels.tolist()), tuple(names[label] for label in labels.tolist()), counts, asked, **digests
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
