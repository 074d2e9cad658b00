"""Accuracy and its 95 % interval over a fixed, seeded list of episodes: sums first, the ratio last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from episodes.episode import Episode
from prep.progress import Step, Work

REPORT_EVERY = 20


@runtime_checkable
class Episodes(Protocol):
    """A list of steps with episodes; episodes.loader.EpisodeLoader is one."""

    def __len__(self) -> int:
        """The number of steps."""

    def at(self, step: int) -> Episode:
        """The episodes of one step."""


@dataclass(frozen=True)
class Accuracy:
    """A measurement.

    `accuracy` is correct / queries in 0..1. `interval` is 1.96 standard errors: over tasks where there are several
    (1.96 * std / sqrt(n)), over queries where there is one (fixed exemplars). `tasks` and `queries` were counted.
    """

    accuracy: float
    interval: float
    tasks: int
    queries: int


def measure(
    model: nn.Module, loaders: Sequence[Episodes], independent: bool = True, stage: str = "testing"
) -> Work[Accuracy]:
    """Accuracy of `model` in evaluation mode over every step of every loader.

    `independent`: each episode is a task of its own. Otherwise each loader is one task, cut into chunks of queries.
    The model's mode is restored at the end. Gradients are off but tensors are ordinary ones (no_grad rather than
    inference_mode), so a method may fine-tune on the support. Raises ValueError when there is no episode.
    """
    training, tally, total = model.training, _Tally(), sum(len(loader) for loader in loaders)
    if not total:
        raise ValueError("there is no episode to measure on; budget.test_episodes must be at least 1.")
    model.eval()
    try:
        for task, loader in enumerate(loaders):
            for step in range(len(loader)):
                with torch.no_grad():
                    episode = loader.at(step)
                    correct = (model(episode).argmax(-1) == episode.answer).sum(1)
                tally.add(correct, episode.answer.shape[1], None if independent else task)
                if tally.steps == total or tally.steps % REPORT_EVERY == 0:
                    yield Step(tally.steps, total, stage)
    finally:
        model.train(training)
    return tally.accuracy()


class _Tally:
    """Correct answers and queries per task."""

    def __init__(self) -> None:
        self.steps = 0
        self.correct: list[Int[Tensor, "B"]] = []
        self.queries: list[int] = []
        self.tasks: list[int] = []

    def add(self, correct: Int[Tensor, "B"], queries: int, task: int | None) -> None:
        self.steps += 1
        self.correct.append(correct)
        self.queries += [queries] * len(correct)
        first = self.tasks[-1] + 1 if self.tasks else 0
        self.tasks += range(first, first + len(correct)) if task is None else [task] * len(correct)

    def accuracy(self) -> Accuracy:
        tasks = torch.tensor(self.tasks)
        queries = torch.zeros(self.tasks[-1] + 1).double().index_add_(0, tasks, torch.tensor(self.queries).double())
        correct = torch.zeros_like(queries).index_add_(0, tasks, torch.cat(self.correct).double().cpu())
        accuracy = float(correct.sum() / queries.sum())
        if len(queries) > 1:
            interval = interval95(correct / queries)
        else:
            interval = 1.96 * math.sqrt(accuracy * (1 - accuracy) / float(queries.sum()))
        return Accuracy(accuracy, interval, len(queries), int(queries.sum()))


def interval95(values: Float[Tensor, "X"]) -> float:
    """Half the 95 % interval of the mean: 1.96 * std / sqrt(n); infinite for one value.

    >>> round(interval95(torch.tensor([0.0, 1.0, 0.0, 1.0])), 3)
    0.566
    """
    if len(values) < 2:
        return math.inf
    return 1.96 * float(values.std()) / math.sqrt(len(values))
