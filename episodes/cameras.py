"""Other recordings of a performance by another camera: the second views of multi-view pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from episodes.counter import randint, split, uniform
from episodes.options import EpisodeError


@dataclass(frozen=True)
class Cameras:
    """Clips, performance by performance: clip x is number rank[x] of the size[x] recordings of its performance.

    `order` are all clips sorted so, and those of the performance of x begin at first[x]. A performance that one camera
    recorded has size 1. `probability` is that with which a clip is replaced by another recording of its performance.
    """

    order: Int[Tensor, "X"]
    first: Int[Tensor, "X"]
    size: Int[Tensor, "X"]
    rank: Int[Tensor, "X"]
    probability: float

    @classmethod
    def of(cls, performances: Sequence[object], probability: float, device: torch.device) -> Cameras:
        """`performances` has one value per clip, equal for recordings of one performance.

        Raises EpisodeError for a probability outside 0..1.
        """
        if not 0 <= probability <= 1:
            raise EpisodeError(f"probability is {probability}; it must be 0..1.")
        numbers = {performance: number for number, performance in enumerate(dict.fromkeys(performances))}
        number = torch.tensor([numbers[performance] for performance in performances], dtype=torch.int64, device=device)
        order, counts = number.argsort(stable=True), number.bincount()
        first = (counts.cumsum(0) - counts)[number]
        rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=device)) - first
        return cls(order, first, counts[number], rank, probability)

    def drawn(self, clip: Int[Tensor, "X"], key: int) -> Int[Tensor, "X"]:
        """`clip` with some of them replaced by one of the other recordings, all of these equally likely.

        >>> import torch
        >>> cameras = Cameras.of(["a", "b", "a"], 1.0, torch.device("cpu"))
        >>> cameras.drawn(torch.arange(3), key=7).tolist()
        [2, 1, 0]
        """
        chance, choice = split(split(key, clip), 0), split(split(key, clip), 1)
        size, others = self.size[clip], (self.size[clip] - 1).clamp(min=1)
        moved = self.first[clip] + (self.rank[clip] + 1 + randint(choice, others)) % size
        replaced = (size > 1) & (uniform(chance) < self.probability)
        return torch.where(replaced, self.order[moved], clip)
