"""Answers: what a run answers to every query of its test tasks, and how certain it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from episodes.draw import Draw
from episodes.loader import EpisodeLoader
from prep.progress import Work
from zoo.engine.evaluate import measure
from zoo.engine.scorer import Episodes, Scorer
from zoo.experiment.prepare import Prepared
from zoo.named_arrays import NamedArrays
from zoo.runs.scoring import test_scorer


@dataclass(frozen=True)
class Answers:
    """The answers to X queries in some tasks of N classes each, in the order of the tasks.

    `true` and `given` are labels of the store, `query`, `support_true` and `support_given` indices of clips in the
    store: the query, and the first shot of the true and of the given class. `task` numbers the tasks from 0, and
    `task_classes` (tasks, N) are the labels of each. `certainty` is the log-odds of the given answer under the softmax
    of the scores.
    """

    task: NDArray[np.int64]
    true: NDArray[np.int64]
    given: NDArray[np.int64]
    certainty: NDArray[np.float64]
    query: NDArray[np.int64]
    support_true: NDArray[np.int64]
    support_given: NDArray[np.int64]
    task_classes: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each answer is right."""
        correct: NDArray[np.bool_] = self.true == self.given
        return correct

    def arrays(self, prefix: str = "") -> NamedArrays:
        """All fields as named arrays, over the axes answer, task and row."""
        fields = {f"{prefix}{name}": value for name, value in vars(self).items()}
        axes: dict[str, tuple[str, ...]] = dict.fromkeys(fields, (f"{prefix}answer",))
        axes[f"{prefix}task_classes"] = (f"{prefix}task", f"{prefix}row")
        return NamedArrays(fields, axes)


class AnswerRecorder:
    """A scorer that records the answers of another one; `independent` as in zoo.engine.evaluate.measure."""

    def __init__(self, scorer: Scorer, loaders: Sequence[EpisodeLoader], independent: bool) -> None:
        self.scorer, self.modules = scorer, scorer.modules
        self.loaders, self.independent = tuple(loaders), independent
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._tasks: list[NDArray[np.int64]] = []

    def scores(self, loader: Episodes, step: int) -> tuple[Float[Tensor, "B Q N"], Int[Tensor, "B Q"]]:
        """See zoo.engine.scorer.Scorer."""
        assert isinstance(loader, EpisodeLoader)
        scores, answer = self.scorer.scores(loader, step)
        draw = loader.sampler.at(step)
        first = self._number(loader, draw)
        self._parts.append(_part(scores.double().cpu(), draw, loader.transform.pool.clip_id.cpu(), first))
        return scores, answer

    def answers(self) -> Answers:
        """Everything that was recorded."""
        joined = {name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]}
        return Answers(**joined, task_classes=np.concatenate(self._tasks))

    def _number(self, loader: EpisodeLoader, draw: Draw) -> list[int]:
        """The task of each of a step's episodes; the classes of new tasks are kept."""
        rows, classes = len(draw.class_id), draw.class_id.cpu().numpy()
        if not self.independent:
            task = next(number for number, other in enumerate(self.loaders) if other is loader)
            if task == len(self._tasks):
                self._tasks.append(classes[:1])
            return [task] * rows
        first = sum(len(part) for part in self._tasks)
        self._tasks.append(classes)
        return list(range(first, first + rows))


def certainty_of(scores: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch"]:
    """The log-odds of the best class under the softmax of the scores; it does not saturate as the probability does.

    >>> certainty_of(torch.tensor([0.0, 2.0]).double()).item()
    2.0
    """
    best = scores.max(-1)
    others = scores.scatter(-1, best.indices[..., None], -torch.inf)
    return best.values - others.logsumexp(-1)


def answers_of(prepared: Prepared) -> Work[Answers]:
    """The answers of a prepared method with trained weights on its test tasks, with its recipe's `evaluation`."""
    recorder = AnswerRecorder(test_scorer(prepared), prepared.test, prepared.independent)
    yield from measure(recorder, prepared.test, prepared.independent, "answering the test tasks")
    return recorder.answers()


def _part(
    scores: Float[Tensor, "B Q N"], draw: Draw, clip_id: Int[Tensor, "X"], task: list[int]
) -> dict[str, NDArray[Any]]:
    """The fields of Answers for the episodes of one step."""
    answer, given = draw.answer.cpu(), scores.argmax(-1)
    class_id, support = draw.class_id.cpu(), clip_id[draw.support[..., 0].cpu()]
    fields = {
        "task": torch.tensor(task)[:, None].expand_as(answer),
        "true": class_id.gather(1, answer),
        "given": class_id.gather(1, given),
        "certainty": certainty_of(scores),
        "query": clip_id[draw.query.cpu()],
        "support_true": support.gather(1, answer),
        "support_given": support.gather(1, given),
    }
    return {name: value.flatten().numpy() for name, value in fields.items()}
