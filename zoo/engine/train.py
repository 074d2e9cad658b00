"""One training loop, a generator of records. It knows nothing of files, bars or clocks.

Step s serves the episodes (seed, s) and seeds dropout with (seed, s) too, so a run that is resumed from a checkpoint
takes the same steps as one that was never disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from episodes.episode import Episode
from zoo.engine.checkpoint import Progress
from zoo.engine.evaluate import last, measure
from zoo.engine.optimiser import end_of_epoch, rate_at, set_rate
from zoo.experiment.prepare import Setup
from zoo.methods._method import Losses

REPORT_EVERY = 10  # steps between records: reading a loss makes the host wait for the device


@dataclass(frozen=True)
class Step:
    """Where a run stands: `done` of `total` episodes; means over the steps since the last record.

    `parts` are the named parts of the loss. `validation` is the accuracy at the end of an epoch, else None;
    `best` says that it is the best so far. `progress` is what a checkpoint needs.
    """

    done: int
    total: int
    loss: float
    accuracy: float
    lr: float
    parts: dict[str, float]
    progress: Progress
    validation: float | None = None
    best: bool = False


class Diverged(Exception):
    """The loss is no longer a number."""


def train(
    setup: Setup,
    optimiser: torch.optim.Optimizer,
    start: Progress,
    watch: Callable[[int, int], None] | None = None,
) -> Iterator[Step]:
    """Train `setup.model` in place from `start` to the end of the budget, one record every few steps.

    The model and optimiser are exactly those of `record.progress` whenever a record is handed out. `watch(done, total)`
    is told of validation. Raises Diverged when the loss is not finite.
    """
    recipe, budget = setup.recipe, setup.recipe.budget
    total = len(setup.train)
    per_epoch = max(1, budget.epoch // budget.batch)
    every = max(1, min(REPORT_EVERY, budget.checkpoint // budget.batch))
    progress, recent = start, _Recent()
    setup.model.train()
    while progress.step < total and not _stalled(progress, setup, per_epoch):
        lr = rate_at(recipe.optimiser, budget, progress)
        set_rate(optimiser, lr)
        recent.add(_one_step(setup, optimiser, setup.train.at(progress.step), progress.step))
        progress = replace(progress, step=progress.step + 1, lr=lr)
        ends_epoch = progress.step % per_epoch == 0 or progress.step == total
        if not ends_epoch and progress.step % every:
            continue
        loss, accuracy, parts = recent.means(progress.step)
        progress = replace(progress, loss_sum=progress.loss_sum + loss * recent.count)
        recent = _Recent()
        validation, best = None, False
        if ends_epoch:
            progress = end_of_epoch(recipe.optimiser, progress, per_epoch)
            progress, validation, best = _validate(setup, progress, watch)
        done = min(progress.step * budget.batch, budget.episodes)
        yield Step(done, budget.episodes, loss, accuracy, lr, parts, progress, validation, best)


def _one_step(setup: Setup, optimiser: torch.optim.Optimizer, episode: Episode, step: int) -> tuple[Losses, Tensor]:
    recipe, device = setup.recipe, episode.query.device
    half = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((recipe.seed << 32) + step)
        with half:
            losses = setup.model.losses(episode)
        optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
    if recipe.optimiser.clip_norm > 0:
        torch.nn.utils.clip_grad_norm_(setup.model.parameters(), recipe.optimiser.clip_norm)
    optimiser.step()
    hits = (losses.scores.detach().argmax(-1) == episode.answer).float().mean()
    return losses, hits


class _Recent:
    """Sums since the last record, on the device."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, Tensor] = {}

    def add(self, taken: tuple[Losses, Tensor]) -> None:
        losses, hits = taken
        self.count += 1
        for name, value in {"loss": losses.total, "accuracy": hits, **losses.parts}.items():
            self.sums[name] = self.sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()

    def means(self, step: int) -> tuple[float, float, dict[str, float]]:
        means = {name: float(value) / self.count for name, value in self.sums.items()}
        if not all(abs(value) < float("inf") for value in means.values()):
            raise Diverged(
                f"the loss is not a number by step {step} ({means}). Lower optimiser.lr, or set optimiser.clip_norm=1."
            )
        return means.pop("loss"), means.pop("accuracy"), means


def _validate(
    setup: Setup, progress: Progress, watch: Callable[[int, int], None] | None
) -> tuple[Progress, float | None, bool]:
    if setup.validation is None:
        return progress, None, False
    show = (lambda record: watch(record.done, record.total)) if watch else None
    accuracy = last(measure(setup.model, [setup.validation]), show).accuracy
    if accuracy < progress.best:
        return progress, accuracy, False
    return replace(progress, best=accuracy, best_step=progress.step), accuracy, True


def _stalled(progress: Progress, setup: Setup, per_epoch: int) -> bool:
    patience = setup.recipe.budget.stop_after
    return patience > 0 and progress.best >= 0 and progress.step - progress.best_step >= patience * per_epoch
