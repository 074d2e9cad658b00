"""Options of the engine, as recipes name them. Loads no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Optimiser:
    """Learning rate and its schedule (torch.optim.lr_scheduler).

    `momentum` is that of `sgd` and `rmsprop`; torch's own default for `rmsprop` is 0.
    `plateau` halves the rate when the mean training loss of an epoch has not improved for `patience` epochs, down to
    `min_lr`; `cosine` falls from `lr` to `min_lr` over the whole budget. `grad_clip` is the largest norm of the
    gradient (0: no clipping). Raises ValueError for a number outside its range.
    """

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: Literal["constant", "plateau", "cosine"] = "constant"
    patience: int = 10
    min_lr: float = 1e-5
    grad_clip: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr is {self.lr:g}; a learning rate must be above 0 and finite, such as 0.001")
        for name in ("weight_decay", "min_lr", "grad_clip", "patience"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be at least 0 and finite")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum:g}; it must be at least 0 and below 1")
