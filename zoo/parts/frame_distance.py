"""Distances between all frames of one sequence and all frames of another."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

Distance = Literal["cosine", "frobenius", "squared_frobenius"]

EPSILON = 1e-8
"""DASTM's code adds this to both norms of its cosine."""


def frame_distance(
    first: Float[Tensor, "*batch T D"], second: Float[Tensor, "*batch L D"], kind: Distance
) -> Float[Tensor, "*batch T L"]:
    """All distances between T frames and L frames, each frame flattened to D numbers.

    `cosine` is one minus the cosine, `frobenius` the norm of the difference. Computed, and returned, in float32 or
    better even under autocast: an alignment sums these.

    >>> first, second = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 4.0], [-4.0, 3.0]])
    >>> frame_distance(first, second, "squared_frobenius").tolist()
    [[0.0, 50.0]]
    >>> [round(value, 4) for value in frame_distance(first, second, "cosine")[0].tolist()]
    [0.0, 1.0]
    """
    first, second = at_least_float32(first), at_least_float32(second)
    if kind != "cosine":
        # A common offset cancels in a difference; subtracting it first avoids a loss of digits.
        shared = second.mean(-2, keepdim=True).detach()
        first, second = first - shared, second - shared
    return from_products(*products(first, second), kind)


def between_all(
    query: Float[Tensor, "B Q T D"], support: Float[Tensor, "B N L D"], kind: Distance
) -> Float[Tensor, "B Q N T L"]:
    """`frame_distance` between every query and every class, as one matrix product per episode."""
    distance = frame_distance(query.flatten(1, 2), support.flatten(1, 2), kind)
    return distance.unflatten(1, query.shape[1:3]).unflatten(3, support.shape[1:3]).transpose(2, 3)


def from_products(
    dot: Float[Tensor, "*_"], first: Float[Tensor, "*_"], second: Float[Tensor, "*_"], kind: Distance
) -> Float[Tensor, "*_"]:
    """The distance of two vectors from their product and their squared lengths.

    >>> from_products(torch.tensor(12.0), torch.tensor(9.0), torch.tensor(25.0), "squared_frobenius").item()
    10.0
    """
    if kind == "cosine":
        return 1 - dot / ((safe_root(first) + EPSILON) * (safe_root(second) + EPSILON))
    squared = first + second - 2 * dot
    return safe_root(squared) if kind == "frobenius" else squared.clamp(min=0)


def products(
    first: Float[Tensor, "*batch T D"], second: Float[Tensor, "*batch L D"]
) -> tuple[Float[Tensor, "*batch T L"], Float[Tensor, "*batch T 1"], Float[Tensor, "*batch 1 L"]]:
    """Products of all pairs, and the squared lengths of the first and of the second.

    >>> dot, first, second = products(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0]]))
    >>> dot.item(), first.item(), second.item()
    (3.0, 5.0, 9.0)
    """
    dot, length, other = _Products.apply(first, second)
    return dot, length.unsqueeze(-1), other.unsqueeze(-2)


class _Products(torch.autograd.Function):
    """A gradient by hand: autograd makes six passes over the frames, some strided, where two are enough."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(first, second)
        with torch.autocast(first.device.type, enabled=False):
            dot = first @ second.mT
        lengths = (torch.linalg.vector_norm(vectors, dim=-1).square() for vectors in (first, second))
        return dot, *lengths

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_dot: Tensor, of_first: Tensor, of_second: Tensor) -> tuple[Tensor, Tensor]:
        first, second = ctx.saved_tensors
        with torch.autocast(first.device.type, enabled=False):
            to_first, to_second = of_dot @ second, of_dot.mT @ first
        to_first.addcmul_(first, of_first.unsqueeze(-1), value=2)
        to_second.addcmul_(second, of_second.unsqueeze(-1), value=2)
        return to_first, to_second


def safe_root(value: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The square root, and zero with gradient zero where `value` is not positive."""
    positive = value > 0
    return torch.where(positive, value, 1).sqrt() * positive


def at_least_float32(value: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Half precision becomes float32; float32 and float64 stay."""
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
