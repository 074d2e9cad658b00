"""One optimiser step: the units that this rank serves, their gradients, and what follows from their sum.

A unit is what a loader serves at once: one episode, or one batch of clips. A step is one or several units, dealt to the
ranks in turn. Batch normalisation sees one unit at a time, as in the papers' code, and the running statistics after a
step are the mean of what each unit alone would have left. So neither the weights nor the statistics depend on the
number of ranks, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zoo.engine.optimiser import Schedule
from zoo.engine.ranks import Ranks
from zoo.learner import Learner, Losses

Precision = Literal["float32", "tf32", "bfloat16", "float16"]
HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}
Lap = Callable[[str], None]
Unit = Callable[[Any, int], Losses]


def no_lap(name: str) -> None:
    """A stopwatch that is not read."""


def unit_seed(seed: int, unit: int) -> int:
    """The seed of dropout in one unit: a function of the run's seed and the unit's number."""
    return (seed << 32) + unit


def forward_backward(
    learner: Learner,
    served: Any,
    seed: int,
    precision: Precision = "float32",
    scaler: torch.amp.GradScaler | None = None,
    lap: Lap = no_lap,
) -> Losses:
    """The losses of one unit; its gradients are added to those of the parameters.

    Random choices (dropout) are drawn from `seed`; torch's generators are left as they were.
    """
    device = next(learner.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        with torch.autocast(device.type, HALF.get(precision, torch.bfloat16), enabled=precision in HALF):
            losses = learner.losses(served)
        lap("forward")
        total = losses.total if scaler is None else scaler.scale(losses.total)
        total.backward()
    lap("backward")
    return losses


def set_float32(precision: Precision) -> None:
    """Whether CUDA may round float32 products to TF32: not for `float32`, which is what a recipe then gets.

    torch by itself allows it in convolutions and not in matrix products.
    """
    allowed = precision != "float32"
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed


class RunningStatistics:
    """The buffers of a model during a step of several units: every unit starts from the same, the mean is kept."""

    def __init__(self, learner: nn.Module) -> None:
        buffers = [buffer for buffer in learner.buffers() if buffer.is_floating_point()]
        self.buffers = buffers
        self.counts = [buffer for buffer in learner.buffers() if not buffer.is_floating_point()]
        self.before = [buffer.clone() for buffer in buffers]
        self.moved = [torch.zeros_like(buffer) for buffer in buffers]
        self.counted: list[Tensor] | None = None

    def end_unit(self) -> None:
        """Take the change that the last unit made, and put everything back for the next one."""
        for buffer, before, moved in zip(self.buffers, self.before, self.moved, strict=True):
            moved += buffer - before
            buffer.copy_(before)
        if self.counted is None:
            self.counted = [count.clone() for count in self.counts]

    def end_step(self, units: int, ranks: Ranks) -> None:
        """The mean change over all units of all ranks; counters of batches move by one."""
        ranks.sum(self.moved)
        for buffer, moved in zip(self.buffers, self.moved, strict=True):
            buffer += moved / units
        for count, counted in zip(self.counts, self.counted or self.counts, strict=True):
            count.copy_(counted)


@dataclass(frozen=True)
class Trainer:
    """What a training moves: the learner, its optimiser and schedule, and the scaler of losses for float16."""

    learner: Learner
    optimiser: torch.optim.Optimizer
    schedule: Schedule
    scaler: torch.amp.GradScaler | None = None

    @property
    def parameters(self) -> list[Tensor]:
        """Everything that the optimiser trains."""
        return [parameter for group in self.optimiser.param_groups for parameter in group["params"]]


def take_step(
    trainer: Trainer,
    units: range,
    serve: Callable[[int], Any],
    unit: Unit,
    ranks: Ranks,
    grad_clip: float = 0.0,
    lap: Lap = no_lap,
) -> list[Losses]:
    """Train on `units`: the losses of those that this rank served.

    `unit(served, number)` computes the gradients of one unit. The step moves along the mean over all units.
    """
    parameters = trainer.parameters
    statistics = RunningStatistics(trainer.learner) if len(units) > 1 else None
    trainer.optimiser.zero_grad(set_to_none=True)
    losses = []
    for number in ranks.mine(units):
        served = serve(number)
        lap("serving")
        losses.append(unit(served, number))
        if statistics is not None:
            statistics.end_unit()
    if statistics is not None:
        statistics.end_step(len(units), ranks)
        ranks.sum_gradients(parameters)
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad /= len(units)
    _move(trainer, parameters, grad_clip)
    lap("optimiser")
    return losses


def _move(trainer: Trainer, parameters: list[Tensor], grad_clip: float) -> None:
    if trainer.scaler is not None:
        trainer.scaler.unscale_(trainer.optimiser)
    if grad_clip > 0:
        torch.nn.utils.clip_grad_norm_(parameters, grad_clip)
    if trainer.scaler is None:
        trainer.optimiser.step()
    else:
        trainer.scaler.step(trainer.optimiser)
        trainer.scaler.update()
