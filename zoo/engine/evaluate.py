"""Accuracy and its 95 % interval over a fixed, seeded list of episodes: sums first, the ratio last."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from episodes.episode import Episode

REPORT_EVERY = 20


@runtime_checkable
class Served(Protocol):
    """A list of episodes; episodes.loader.Server is one."""

    def __len__(self) -> int:
        """How many steps there are."""

    def at(self, step: int) -> Episode:
        """The episodes of one step."""


@dataclass(frozen=True)
class Measured:
    """What has been measured after `done` of `total` steps.

    `accuracy` is correct / queries in 0..1. `interval` is 1.96 standard errors: over tasks where there are several
    (METHODS E1: 1.96 * std / sqrt(n)), over queries where there is one (fixed exemplars). `episodes` counts tasks.
    """

    done: int
    total: int
    accuracy: float
    interval: float
    episodes: int
    queries: int


def measure(model: nn.Module, servers: Sequence[Served], independent: bool = True) -> Iterator[Measured]:
    """Accuracy of `model` in evaluation mode over every step of every server; the last record is the result.

    `independent`: each episode is a task of its own. Otherwise each server is one task, cut into chunks of queries.
    The model's mode is put back at the end.
    """
    training = model.training
    model.eval()
    total, tally = sum(len(server) for server in servers), _Tally()
    try:
        for task, server in enumerate(servers):
            for step in range(len(server)):
                episode = server.at(step)
                with torch.inference_mode():
                    hits = (model(episode).argmax(-1) == episode.answer).sum(1)
                tally.add(hits, episode.answer.shape[1], None if independent else task)
                if tally.steps == total or tally.steps % REPORT_EVERY == 0:
                    yield tally.summary(total)
    finally:
        model.train(training)


class _Tally:
    """Correct answers and queries per task."""

    def __init__(self) -> None:
        self.steps = 0
        self.hits: list[Int[Tensor, "B"]] = []
        self.queries: list[int] = []
        self.tasks: list[int] = []

    def add(self, hits: Int[Tensor, "B"], queries: int, task: int | None) -> None:
        self.steps += 1
        self.hits.append(hits)
        self.queries += [queries] * len(hits)
        first = self.tasks[-1] + 1 if self.tasks else 0
        self.tasks += range(first, first + len(hits)) if task is None else [task] * len(hits)

    def summary(self, total: int) -> Measured:
        tasks = torch.tensor(self.tasks)
        queries = torch.zeros(self.tasks[-1] + 1).double().index_add_(0, tasks, torch.tensor(self.queries).double())
        hits = torch.zeros_like(queries).index_add_(0, tasks, torch.cat(self.hits).double().cpu())
        accuracy = float(hits.sum() / queries.sum())
        if len(queries) > 1:
            interval = interval95(hits / queries)
        else:
            interval = 1.96 * math.sqrt(accuracy * (1 - accuracy) / float(queries.sum()))
        return Measured(self.steps, total, accuracy, interval, len(queries), int(queries.sum()))


def interval95(values: Float[Tensor, "X"]) -> float:
    """Half the 95 % interval of the mean: 1.96 * std / sqrt(n); infinite for one value.

    >>> round(interval95(torch.tensor([0.0, 1.0, 0.0, 1.0])), 3)
    0.566
    """
    if len(values) < 2:
        return math.inf
    return 1.96 * float(values.std()) / math.sqrt(len(values))


def last(records: Iterator[Measured], watch: Callable[[Measured], None] | None = None) -> Measured:
    """Run `measure` to its end and return the last record, showing each to `watch`."""
    final = None
    for final in records:
        if watch is not None:
            watch(final)
    if final is None:
        raise ValueError("there is no episode to measure on; budget.test must be at least 1.")
    return final
