"""A stand-in for CUDA graphs, so that what surrounds a capture can be tested without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoo.engine.capture import WARM_UP, Outputs, Work


@dataclass
class Recorded:
    """A replay runs the work again, and copies what it made into the tensors of the first run. Notes every call."""

    events: list[str] = field(default_factory=list)
    replays: int = 0

    def warm_up(self, work: Work) -> None:
        self.events.append("warm up")
        for _ in range(WARM_UP):
            work()

    def capture(self, work: Work) -> tuple[Callable[[], None], Outputs]:
        self.events.append("capture")
        kept = work()

        def replay() -> None:
            self.events.append("replay")
            self.replays += 1
            for old, new in zip(tensors(kept), tensors(work()), strict=True):
                old.copy_(new)

        return replay, kept

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        self.events.append(f"seed {seed}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
        self.events.append("generator put back")


def tensors(outputs: Outputs) -> list[Tensor]:
    """Everything that one unit computes."""
    losses = outputs.losses
    given = (losses.total, *losses.parts.values(), losses.accuracy, losses.scores, *outputs.gradients)
    return [tensor for tensor in given if tensor is not None]
