"""Exponential moving averages of a network's weights, for momentum targets."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def frozen_copy(module: ModuleT) -> ModuleT:
    """A copy whose parameters no optimiser trains."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * module, parameter by parameter; buffers stay the average's own.

    Batch normalisation of a momentum target keeps statistics of what the target itself sees (BYOL, Grill et al., 2020).

    >>> average, module = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> _ = average.weight.data.fill_(1.0), module.weight.data.fill_(3.0)
    >>> update_average(average, module, decay=0.75)
    >>> average.weight.item()
    1.5
    """
    for mine, theirs in zip(average.parameters(), module.parameters(), strict=True):
        mine.lerp_(theirs.to(mine.dtype), 1 - decay)
