"""Recomputation: large arrays that are cheap to make are made again in the backward pass, rather than kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class _View:
    """A view of the array that is not kept."""

    size: torch.Size
    stride: tuple[int, ...]
    offset: int


@contextmanager
def not_kept(value: Tensor, again: Callable[[], Tensor]) -> Iterator[None]:
    """Within, autograd keeps no reference to `value`: where the backward pass needs it, `again()` makes an equal one.

    >>> weight, given = torch.ones(3, requires_grad=True), torch.arange(3.0)
    >>> value = given.exp()
    >>> with not_kept(value, lambda: given.exp()):
    ...     (value * weight).sum().backward()
    >>> torch.equal(weight.grad, given.exp())
    True
    """
    place, dtype = value.untyped_storage().data_ptr(), value.dtype

    def pack(saved: Tensor) -> Tensor | _View:
        if saved.untyped_storage().data_ptr() != place or saved.dtype != dtype:
            return saved
        return _View(saved.size(), saved.stride(), int(saved.storage_offset()))

    def unpack(kept: Tensor | _View) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        with torch.no_grad():
            return again().to(dtype).contiguous().as_strided(kept.size, kept.stride, kept.offset)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
