"""The recipe's optimiser, and its learning rate as a function of where a run stands."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from zoo.engine.checkpoint import Progress
from zoo.experiment.recipe import Budget, Optimiser

# Improvements smaller than this share of the best loss do not count, as in torch's ReduceLROnPlateau.
LEAST_IMPROVEMENT = 1e-4


def make(options: Optimiser, model: nn.Module) -> torch.optim.Optimizer:
    """An optimiser over all parameters in one group."""
    parameters = list(model.parameters())
    if options.name == "sgd":
        return torch.optim.SGD(
            parameters, options.lr, momentum=options.momentum, weight_decay=options.weight_decay, nesterov=True
        )
    kind = torch.optim.Adam if options.name == "adam" else torch.optim.AdamW
    return kind(parameters, options.lr, weight_decay=options.weight_decay)


def set_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Use this learning rate from the next step on."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def rate_at(options: Optimiser, budget: Budget, progress: Progress) -> float:
    """The learning rate of the step that follows `progress`.

    >>> rate_at(Optimiser(schedule="cosine", lr=1.0, least=0.0), Budget(episodes=100), Progress(step=50))
    0.5
    """
    if options.schedule == "cosine":
        share = min(1.0, progress.step * budget.batch / budget.episodes)
        return round(options.least + (options.lr - options.least) * (1 + math.cos(math.pi * share)) / 2, 12)
    return progress.lr or options.lr


def end_of_epoch(options: Optimiser, progress: Progress, steps: int) -> Progress:
    """Progress after an epoch of `steps` steps: the plateau schedule looks at its mean loss, the sum starts anew.

    Halves the rate after more than `patience` epochs without improvement (METHODS B2: torch's ReduceLROnPlateau with
    factor 0.5).
    """
    mean = progress.loss_sum / max(1, steps)
    progress = replace(progress, loss_sum=0.0)
    if options.schedule != "plateau":
        return progress
    if mean < progress.plateau_best - abs(progress.plateau_best) * LEAST_IMPROVEMENT or math.isinf(
        progress.plateau_best
    ):
        return replace(progress, plateau_best=mean, plateau_bad=0)
    if progress.plateau_bad + 1 > options.patience:
        return replace(progress, plateau_bad=0, lr=max(options.least, (progress.lr or options.lr) / 2))
    return replace(progress, plateau_bad=progress.plateau_bad + 1)
