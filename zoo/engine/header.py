"""Metadata of a checkpoint and of imported weights: what they belong to. Loads no torch."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Header:
    """Metadata of a checkpoint: what it belongs to, how far the run is, rates, state of the schedule and the scaler."""

    identity: Identity
    progress: Progress
    rates: tuple[float, ...] = ()
    schedule: Mapping[str, Any] = field(default_factory=dict)
    scaler: Mapping[str, Any] = field(default_factory=dict)


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
