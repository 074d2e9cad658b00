"""Metadata of a checkpoint and of imported weights: what they belong to. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Identity:
    """What a run's files belong to. `init_digest` is that of the initial weights ("" for random ones)."""

    recipe_digest: str
    store_digest: str
    init_digest: str
    layout: str
    bodies: int
    preprocessing: str


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps, sum of the current epoch's losses, best validation accuracy (-1: none) and its step.

    JSON keeps floats exactly, so a resumed run is the undisturbed one.
    """

    step: int = 0
    epoch_loss: float = 0.0
    best: float = -1.0
    best_step: int = 0

    def __post_init__(self) -> None:
        if self.step < 0 or not 0 <= self.best_step <= self.step:
            raise ValueError(f"step is {self.step} and best_step {self.best_step}; 0 <= best_step <= step must hold")
        if not math.isfinite(self.epoch_loss):
            raise ValueError(f"epoch_loss is {self.epoch_loss}; it must be finite")
        if self.best != -1 and not 0 <= self.best <= 1:
            raise ValueError(f"best is {self.best}; it must be an accuracy, 0..1, or -1 for none")


@dataclass(frozen=True)
class Header:
    """Metadata of a checkpoint: what it belongs to, how far the run is, rates, state of the schedule and the scaler.

    `tensors_digest` is the sha256 of its tensors, "" where an older version wrote it.
    """

    identity: Identity
    progress: Progress
    rates: tuple[float, ...] = ()
    schedule: Mapping[str, Any] = field(default_factory=dict)
    scaler: Mapping[str, Any] = field(default_factory=dict)
    tensors_digest: str = ""

    def __post_init__(self) -> None:
        if not all(0 <= rate < math.inf for rate in self.rates):
            raise ValueError(f"rates are {self.rates}; each must be at least 0 and finite")


@dataclass(frozen=True)
class Imported:
    """Metadata of weights that were imported from a checkpoint of other code: what they fit and where they come from.

    `options` are those of the backbone. `source` is the name of the checkpoint and `source_digest` its sha256;
    `left_out` are the names of its weights that were not taken. `weights_digest` is that of the tensors.
    """

    backbone: str
    options: Mapping[str, Any]
    layout: str
    channels: int
    bodies: int
    source: str
    source_digest: str
    weights_digest: str
    left_out: tuple[str, ...] = ()
