"""The recipe's optimiser and learning rate schedule, from torch.optim."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from zoo.engine.options import Optimiser
from zoo.learner import Learner

Schedule = LambdaLR | ReduceLROnPlateau


def make_optimiser(options: Optimiser, learner: Learner) -> torch.optim.Optimizer:
    """An optimiser over the learner's parameter groups, each at its multiple of the learning rate.

    It updates all parameters in one kernel (`fused`); `rmsprop`, for which torch has none, takes several.
    """
    groups: list[dict[str, Any]] = [
        {"params": list(group.parameters), "lr": options.lr * group.lr_multiplier}
        for group in learner.parameter_groups()
    ]
    if options.name == "sgd":
        momentum = options.momentum
        return torch.optim.SGD(
            groups, options.lr, momentum, weight_decay=options.weight_decay, nesterov=momentum > 0, fused=True
        )
    if options.name == "rmsprop":
        return torch.optim.RMSprop(groups, options.lr, momentum=options.momentum, weight_decay=options.weight_decay)
    kind = torch.optim.Adam if options.name == "adam" else torch.optim.AdamW
    return kind(groups, options.lr, weight_decay=options.weight_decay, fused=True)


def make_schedule(options: Optimiser, optimiser: torch.optim.Optimizer, share_per_step: float) -> Schedule:
    """The schedule; `share_per_step` is the share of the budget that one step takes.

    `constant` and `cosine` move after every step, `plateau` after every epoch (`end_epoch`).
    """
    if options.schedule == "plateau":
        return ReduceLROnPlateau(optimiser, factor=0.5, patience=options.patience, min_lr=options.min_lr)
    if options.schedule == "constant":
        return LambdaLR(optimiser, lambda step: 1.0)
    return LambdaLR(optimiser, lambda step: cosine(options.lr, options.min_lr, step * share_per_step) / options.lr)


def cosine(lr: float, min_lr: float, share: float) -> float:
    """The rate after a share of the budget, from `lr` down to `min_lr` along half a cosine.

    >>> cosine(1.0, 0.0, 0.5)
    0.5
    """
    return round(min_lr + (lr - min_lr) * (1 + math.cos(math.pi * min(1.0, share))) / 2, 12)


def end_step(schedule: Schedule) -> None:
    """Move a schedule that counts steps."""
    if isinstance(schedule, LambdaLR):
        schedule.step()


def end_epoch(schedule: Schedule, mean_loss: float) -> None:
    """Move a schedule that looks at the mean loss of an epoch."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(mean_loss)


def learning_rate(optimiser: torch.optim.Optimizer) -> float:
    """The rate of the first parameter group."""
    return float(optimiser.param_groups[0]["lr"])
