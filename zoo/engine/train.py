"""One training loop for methods and pre-training stages. It knows nothing about bars, files or clocks.

Unit u is served by (seed, u) and seeds dropout with (seed, u) too, so a run that is resumed from a checkpoint, by the
same number of ranks or another, takes the same steps as one that was never disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from prep.progress import Step, Work
from zoo.engine.evaluate import Accuracy
from zoo.engine.header import Progress
from zoo.engine.laps import Laps
from zoo.engine.optimiser import end_epoch, end_step, learning_rate
from zoo.engine.ranks import ALONE, Ranks
from zoo.engine.step import Precision, Trainer, Unit, forward_backward, set_float32, take_step, unit_seed
from zoo.learner import Losses

REPORT_EVERY = 10  # steps between records: reading a loss makes the host wait for the device

Validate = Callable[[], Work[Accuracy]]


@runtime_checkable
class Units(Protocol):
    """A list of units, each an Episode or a Batch; EpisodeLoader and BatchLoader are such lists."""

    def __len__(self) -> int:
        """The number of units."""

    def at(self, step: int) -> Any:
        """One unit."""


@dataclass(frozen=True)
class Plan:
    """What the loop needs of a recipe.

    A step has `units_per_step` units of `unit_size` episodes or clips, of `total` altogether; an epoch has
    `steps_per_epoch` steps and a checkpoint is due every `checkpoint_steps`. `early_stopping` epochs without a new best
    validation end the run (0: never).
    """

    seed: int
    units_per_step: int
    unit_size: int
    total: int
    steps_per_epoch: int
    checkpoint_steps: int
    early_stopping: int
    precision: Precision
    grad_clip: float

    def units(self, step: int, count: int) -> range:
        """The units of a step, out of `count`."""
        first = step * self.units_per_step
        return range(first, min(first + self.units_per_step, count))

    def steps(self, count: int) -> int:
        """How many steps `count` units take.

        >>> Plan(0, 4, 1, 10, 1, 1, 0, "float32", 0.0).steps(10)
        3
        """
        return -(-count // self.units_per_step)

    def done(self, step: int) -> int:
        """Episodes or clips that `step` steps have trained on."""
        return min(step * self.units_per_step * self.unit_size, self.total)


@dataclass(frozen=True)
class Record:
    """Means over the steps since the last record. Learner, optimiser and schedule are exactly those of `progress`.

    `parts` are the named parts of the loss; `accuracy` is None where the learner gives none. `validation` is the
    accuracy at the end of an epoch, else None; `best`: it is the best so far. `checkpoint`: one is due. `seconds` of an
    epoch by what they went into, at its end and where a clock was given.
    """

    done: int
    total: int
    loss: float
    accuracy: float | None
    lr: float
    parts: dict[str, float]
    progress: Progress
    validation: float | None = None
    best: bool = False
    checkpoint: bool = False
    seconds: dict[str, float] | None = None


class Diverged(Exception):
    """A loss is not finite; `step` and `unit` are the first ones, counted from 0."""

    def __init__(self, text: str, step: int, unit: int) -> None:
        super().__init__(text)
        self.step, self.unit = step, unit


def train(
    trainer: Trainer,
    loader: Units,
    plan: Plan,
    start: Progress,
    validate: Validate | None = None,
    ranks: Ranks = ALONE,
    unit: Unit | None = None,
    laps: Laps | None = None,
) -> Generator[Record | Step, None, None]:
    """Train in place from `start` to the end of the loader: a Record every few steps, Steps while validating.

    `unit` computes the gradients of one unit (default: `forward_backward`). Raises Diverged when a loss is not finite.
    """
    total, progress, recent = plan.steps(len(loader)), start, _Recent(trainer, ranks)
    every = max(1, min(REPORT_EVERY, plan.checkpoint_steps))
    set_float32(plan.precision)
    trainer.learner.train()
    laps = laps or Laps()
    unit = unit or _eager(trainer, plan, laps)
    while progress.step < total and not _stalled(progress, plan):
        lr, units = learning_rate(trainer.optimiser), plan.units(progress.step, len(loader))
        with laps.step(progress.step % every == 0) as lap:
            losses = take_step(trainer, units, loader.at, unit, ranks, plan.grad_clip, lap)
        recent.add(progress.step, units, losses)
        end_step(trainer.schedule)
        progress = replace(progress, step=progress.step + 1)
        trainer.learner.after_step(progress.step / total)
        ends_epoch = progress.step % plan.steps_per_epoch == 0 or progress.step == total
        if not ends_epoch and progress.step % every:
            continue
        loss, accuracy, parts = recent.means()
        progress = replace(progress, epoch_loss=progress.epoch_loss + loss * recent.steps)
        record = Record(plan.done(progress.step), plan.total, loss, accuracy, lr, parts, progress)
        recent = _Recent(trainer, ranks)
        if ends_epoch:
            record = yield from _end_epoch(trainer, plan, record, validate)
            record, progress = replace(record, seconds=laps.take()), record.progress
        due = progress.step % plan.checkpoint_steps == 0 or record.validation is not None or progress.step == total
        yield replace(record, checkpoint=due)


def _eager(trainer: Trainer, plan: Plan, laps: Laps) -> Unit:
    def unit(served: Any, number: int) -> Losses:
        seed = unit_seed(plan.seed, number)
        return forward_backward(trainer.learner, served, seed, plan.precision, trainer.scaler, laps.lap)

    return unit


def _end_epoch(
    trainer: Trainer, plan: Plan, record: Record, validate: Validate | None
) -> Generator[Step, None, Record]:
    """Move the schedule and validate: the record with the validation's accuracy, and whether it is the best so far."""
    progress = record.progress
    end_epoch(trainer.schedule, progress.epoch_loss / plan.steps_per_epoch)
    progress = replace(progress, epoch_loss=0.0)
    if validate is None:
        return replace(record, progress=progress)
    accuracy = (yield from validate()).accuracy
    best = accuracy >= progress.best
    if best:
        progress = replace(progress, best=accuracy, best_step=progress.step)
    return replace(record, progress=progress, validation=accuracy, best=best)


class _Recent:
    """The losses of the units since the last record, on the device until they are read."""

    def __init__(self, trainer: Trainer, ranks: Ranks) -> None:
        self.steps, self.units = 0, 0
        self.ranks, self.device = ranks, trainer.parameters[0].device
        self.losses: list[Losses] = []
        self.places: list[tuple[int, int]] = []

    def add(self, step: int, units: range, losses: list[Losses]) -> None:
        self.steps += 1
        self.units += len(units)
        self.places += [(step, unit) for unit in self.ranks.mine(units)]
        self.losses += [_detached(loss) for loss in losses]

    def means(self) -> tuple[float, float | None, dict[str, float]]:
        """Loss, accuracy and parts, each the mean over all units of all ranks. Raises Diverged."""
        table = _table(self.losses)
        names = self.ranks.from_first(list(table))
        sums = torch.stack([table[name].sum() for name in names]) if table else self._none(names)
        self.ranks.sum([sums])
        means = {name: float(value) / self.units for name, value in zip(names, sums.tolist(), strict=True)}
        if not all(abs(value) < float("inf") for value in means.values()):
            self._diverged(table)
        return means.pop("loss"), means.pop("accuracy", None), means

    def _none(self, names: list[str]) -> Tensor:
        return torch.zeros(len(names), dtype=torch.float64, device=self.device)

    def _diverged(self, table: dict[str, Tensor]) -> None:
        finite = torch.stack([values.isfinite() for values in table.values()]).all(0).tolist()
        bad = [place for place, ok in zip(self.places, finite, strict=True) if not ok]
        step, unit = bad[0] if bad else (self.places[-1] if self.places else (0, 0))
        row = self.places.index((step, unit)) if self.places else 0
        values = {name: float(column[row]) for name, column in table.items()}
        raise Diverged(
            f"the loss is not a finite number in step {step} (episode or batch {unit}: {values}). "
            "Lower optimiser.lr, or set optimiser.grad_clip=1.",
            step,
            unit,
        )


def _detached(losses: Losses) -> Losses:
    accuracy = None if losses.accuracy is None else losses.accuracy.detach()
    return Losses(losses.total.detach(), {name: part.detach() for name, part in losses.parts.items()}, accuracy)


def _table(losses: list[Losses]) -> dict[str, Tensor]:
    """One column for the loss, its accuracy and each part, one row per unit, in float64."""
    rows = [
        {"loss": loss.total, **({} if loss.accuracy is None else {"accuracy": loss.accuracy}), **loss.parts}
        for loss in losses
    ]
    return {name: torch.stack([row[name].double() for row in rows]) for name in (rows[0] if rows else ())}


def _stalled(progress: Progress, plan: Plan) -> bool:
    patience = plan.early_stopping * plan.steps_per_epoch
    return patience > 0 and progress.best >= 0 and progress.step - progress.best_step >= patience
