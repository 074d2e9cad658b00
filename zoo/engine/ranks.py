"""Ranks: the processes that train one run together, and their sums (torch.distributed under torchrun)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class RankLost(RuntimeError):
    """Another process of the run is gone, so a sum over ranks cannot be completed."""


@dataclass(frozen=True)
class Ranks:
    """Process `rank` of `size`; the default is a run of one process, in which every sum is the value itself.

    Collective calls need an initialised torch.distributed and must be made by every rank in the same order. Raises
    RankLost when another rank has ended.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is rank 0, the one that writes files."""
        return self.rank == 0

    def mine(self, items: range) -> range:
        """Every `size`-th item, from number `rank` on.

        >>> list(Ranks(rank=1, size=2).mine(range(10, 15)))
        [11, 13]
        """
        return items[self.rank :: self.size]

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks, in one exchange of float32 (float64 if any is float64)."""
        if self.size == 1 or not tensors:
            return
        kind = torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32
        flat = torch.cat([tensor.detach().reshape(-1).to(kind) for tensor in tensors])
        self._collective(torch.distributed.all_reduce, flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.detach().copy_(part.view_as(tensor))

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Sum the gradients over all ranks. A gradient that no rank has stays None; one that others have is created."""
        if self.size == 1:
            return
        device = parameters[0].device
        present = torch.tensor([float(parameter.grad is not None) for parameter in parameters], device=device)
        self.sum([present])
        shared = [parameter for parameter, count in zip(parameters, present.tolist(), strict=True) if count]
        for parameter in shared:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.sum([parameter.grad for parameter in shared if parameter.grad is not None])

    def from_first(self, value: Any) -> Any:
        """The value of rank 0, on every rank; it may be any plain Python value."""
        if self.size == 1:
            return value
        box = [value]
        self._collective(torch.distributed.broadcast_object_list, box)
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks in their order, on every rank; a value may be any plain Python value."""
        if self.size == 1:
            return [value]
        box: list[Any] = [None] * self.size
        self._collective(lambda mine: torch.distributed.all_gather_object(box, mine), value)
        return box

    def _collective(self, call: Any, value: Any) -> None:
        try:
            call(value)
        except RuntimeError as error:
            raise RankLost(
                f"rank {self.rank} of {self.size}: another rank is gone ({str(error).splitlines()[0][:200]}). "
                "Run the same command again, with any number of ranks; it continues from the last checkpoint."
            ) from error


ALONE = Ranks()
