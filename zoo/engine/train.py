"""One training loop for methods and pre-training stages. It knows nothing about bars, files or clocks.

Step s is served by (seed, s) and seeds dropout with (seed, s) too, so a run that is resumed from a checkpoint takes the
same steps as one that was never disturbed.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from prep.progress import Step
from zoo.engine.checkpoint import Progress
from zoo.engine.evaluate import Episodes, measure
from zoo.engine.optimiser import Schedule, end_epoch, end_step, learning_rate
from zoo.learner import Learner, Losses

REPORT_EVERY = 10  # steps between records: reading a loss makes the host wait for the device


@runtime_checkable
class Steps(Protocol):
    """A list of steps; EpisodeLoader and BatchLoader are such lists."""

    def __len__(self) -> int:
        """The number of steps."""

    def at(self, step: int) -> Any:
        """The Episode or Batch of one step."""


@dataclass(frozen=True)
class Plan:
    """What the loop needs of a recipe.

    `size` episodes or clips per step, of `total` altogether; an epoch has `steps_per_epoch` steps and a checkpoint is
    due every `checkpoint_steps`. `early_stopping` epochs without a new best validation end the run (0: never).
    """

    seed: int
    size: int
    total: int
    steps_per_epoch: int
    checkpoint_steps: int
    early_stopping: int
    precision: str
    grad_clip: float


@dataclass(frozen=True)
class Record:
    """Means over the steps since the last record. Model, optimiser and schedule are exactly those of `progress`.

    `parts` are the named parts of the loss; `accuracy` is None where the learner gives none. `validation` is the
    accuracy at the end of an epoch, else None; `best`: it is the best so far. `checkpoint`: one is due.
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


class Diverged(Exception):
    """The loss is no longer finite."""


def train(
    learner: Learner,
    loader: Steps,
    plan: Plan,
    optimiser: torch.optim.Optimizer,
    schedule: Schedule,
    start: Progress,
    validation: Episodes | None = None,
) -> Generator[Record | Step, None, None]:
    """Train `learner` in place from `start` to the end of the loader: a Record every few steps, Steps while validating.

    Raises Diverged when the loss is not finite.
    """
    total, progress, recent = len(loader), start, _Recent()
    every = max(1, min(REPORT_EVERY, plan.checkpoint_steps))
    learner.train()
    while progress.step < total and not _stalled(progress, plan):
        lr = learning_rate(optimiser)
        recent.add(_one_step(learner, loader.at(progress.step), plan, optimiser, progress.step))
        end_step(schedule)
        progress = replace(progress, step=progress.step + 1)
        learner.after_step(progress.step / total)
        ends_epoch = progress.step % plan.steps_per_epoch == 0 or progress.step == total
        if not ends_epoch and progress.step % every:
            continue
        loss, accuracy, parts = recent.means(progress.step)
        progress = replace(progress, epoch_loss=progress.epoch_loss + loss * recent.count)
        recent = _Recent()
        validated, best = None, False
        if ends_epoch:
            progress, validated, best = yield from _end_epoch(learner, plan, schedule, progress, validation)
        yield Record(
            done=min(progress.step * plan.size, plan.total),
            total=plan.total,
            loss=loss,
            accuracy=accuracy,
            lr=lr,
            parts=parts,
            progress=progress,
            validation=validated,
            best=best,
            checkpoint=progress.step % plan.checkpoint_steps == 0 or validated is not None or progress.step == total,
        )


def _end_epoch(
    learner: Learner, plan: Plan, schedule: Schedule, progress: Progress, validation: Episodes | None
) -> Generator[Step, None, tuple[Progress, float | None, bool]]:
    """Move the schedule and validate: (progress, validation accuracy, whether it is the best so far)."""
    end_epoch(schedule, progress.epoch_loss / plan.steps_per_epoch)
    progress = replace(progress, epoch_loss=0.0)
    if validation is None:
        return progress, None, False
    accuracy = (yield from measure(learner, [validation], stage="validating")).accuracy
    if accuracy < progress.best:
        return progress, accuracy, False
    return replace(progress, best=accuracy, best_step=progress.step), accuracy, True


def _one_step(learner: Learner, served: Any, plan: Plan, optimiser: torch.optim.Optimizer, step: int) -> Losses:
    device = next(learner.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((plan.seed << 32) + step)
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
            losses = learner.losses(served)
        optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
    if plan.grad_clip > 0:
        trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, plan.grad_clip)
    optimiser.step()
    return losses


class _Recent:
    """Sums since the last record, on the device."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, Tensor] = {}

    def add(self, losses: Losses) -> None:
        self.count += 1
        accuracy = {} if losses.accuracy is None else {"accuracy": losses.accuracy}
        for name, value in {"loss": losses.total, **accuracy, **losses.parts}.items():
            self.sums[name] = self.sums.get(name, torch.zeros((), device=value.device)) + value.detach().float()

    def means(self, step: int) -> tuple[float, float | None, dict[str, float]]:
        means = {name: float(value) / self.count for name, value in self.sums.items()}
        if not all(abs(value) < float("inf") for value in means.values()):
            raise Diverged(
                f"the loss is not a number by step {step} ({means}). Lower optimiser.lr, or set optimiser.grad_clip=1."
            )
        return means.pop("loss"), means.pop("accuracy", None), means


def _stalled(progress: Progress, plan: Plan) -> bool:
    patience = plan.early_stopping * plan.steps_per_epoch
    return patience > 0 and progress.best >= 0 and progress.step - progress.best_step >= patience
