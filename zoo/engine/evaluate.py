"""Accuracy and its 95 % interval over a fixed, seeded list of episodes: sums first, the ratio last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prep.progress import Step, Work
from zoo.engine.ranks import ALONE, Ranks
from zoo.engine.scorer import Episodes, EpisodeScorer, Scorer

REPORT_EVERY = 20


@dataclass(frozen=True)
class Accuracy:
    """A measurement.

    `accuracy` is correct / queries in 0..1. `interval` is 1.96 standard errors: over tasks where there are several
    (1.96 * std / sqrt(n)), over queries where there is one (fixed exemplars). `tasks` and `queries` were counted;
    `of_tasks` is the accuracy of each task.
    """

    accuracy: float
    interval: float
    tasks: int
    queries: int
    of_tasks: tuple[float, ...] = ()

    def gain_interval(self, other: Accuracy) -> float:
        """Half the 95 % interval of this accuracy minus another one on the same tasks, 1.96 standard errors.

        Over the differences of tasks where there are several, else of two independent measurements.
        """
        if len(self.of_tasks) != len(other.of_tasks) or len(self.of_tasks) < 2:
            return math.hypot(self.interval, other.interval)
        return interval95(torch.tensor(self.of_tasks) - torch.tensor(other.of_tasks))


def measure(
    scorer: Scorer | nn.Module,
    loaders: Sequence[Episodes],
    independent: bool = True,
    stage: str = "testing",
    ranks: Ranks = ALONE,
) -> Work[Accuracy]:
    """Accuracy over every step of every loader, whose steps are dealt to the ranks in turn.

    A module in place of a scorer is called with each episode. `independent`: each episode is a task of its own.
    Otherwise each loader is one task, cut into chunks of queries. Modules are in evaluation mode meanwhile. Gradients
    are off but tensors are ordinary ones (no_grad rather than inference_mode), so a method may fine-tune on the
    support. Raises ValueError when there is no episode.
    """
    used = EpisodeScorer(scorer) if isinstance(scorer, nn.Module) else scorer
    steps = [(task, step) for task, loader in enumerate(loaders) for step in range(len(loader))]
    if not steps:
        raise ValueError("there is no episode to measure on; budget.test_episodes must be at least 1.")
    rows = []
    with evaluation_mode(used.modules):
        for done, number in enumerate(ranks.mine(range(len(steps))), 1):
            task, step = steps[number]
            with torch.no_grad():
                scores, answer = used.scores(loaders[task], step)
                correct = (scores.argmax(-1) == answer).sum(1)
            rows.append((number, None if independent else task, correct, answer.shape[1]))
            if done == len(steps) or done % REPORT_EVERY == 0:
                yield Step(min(done * ranks.size, len(steps)), len(steps), stage)
    counted = [(number, task, correct.tolist(), queries) for number, task, correct, queries in rows]
    return _accuracy(sorted(row for part in ranks.gather(counted) for row in part))


@contextmanager
def evaluation_mode(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Modules in evaluation mode inside the block; each is put back into its own mode at the end."""
    before = [module.training for module in modules]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module, training in zip(modules, before, strict=True):
            module.train(training)


def _accuracy(rows: Sequence[tuple[int, int | None, list[int], int]]) -> Accuracy:
    """From (number, task, correct answers of each episode, queries of each episode) in the order of the steps."""
    tasks, right, asked = list[int](), list[int](), list[int]()
    for _, task, correct, queries in rows:
        first = tasks[-1] + 1 if tasks else 0
        tasks += range(first, first + len(correct)) if task is None else [task] * len(correct)
        right += correct
        asked += [queries] * len(correct)
    place = torch.tensor(tasks)
    queries_of = torch.zeros(tasks[-1] + 1).double().index_add_(0, place, torch.tensor(asked).double())
    correct_of = torch.zeros_like(queries_of).index_add_(0, place, torch.tensor(right).double())
    accuracy = float(correct_of.sum() / queries_of.sum())
    if len(queries_of) > 1:
        interval = interval95(correct_of / queries_of)
    else:
        interval = 1.96 * math.sqrt(accuracy * (1 - accuracy) / float(queries_of.sum()))
    of_tasks = tuple((correct_of / queries_of).tolist())
    return Accuracy(accuracy, interval, len(queries_of), int(queries_of.sum()), of_tasks)


def interval95(values: Float[Tensor, "X"]) -> float:
    """Half the 95 % interval of the mean: 1.96 * std / sqrt(n); infinite for one value.

    >>> round(interval95(torch.tensor([0.0, 1.0, 0.0, 1.0])), 3)
    0.566
    """
    if len(values) < 2:
        return math.inf
    return 1.96 * float(values.std()) / math.sqrt(len(values))
