"""How far every frame of one sequence is from every frame of another."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

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
        # What all frames share cancels in a difference; taken away first, it costs no digits.
        shared = second.mean(-2, keepdim=True).detach()
        first, second = first - shared, second - shared
    with torch.autocast(first.device.type, enabled=False):
        dot = first @ second.mT
    return from_products(dot, first.square().sum(-1)[..., :, None], second.square().sum(-1)[..., None, :], kind)


def between_all(
    query: Float[Tensor, "B Q T D"], support: Float[Tensor, "B N L D"], kind: Distance
) -> Float[Tensor, "B Q N T L"]:
    """`frame_distance` of every query from every class, as one matrix product per episode."""
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


def safe_root(value: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The square root, and zero with gradient zero where `value` is not positive."""
    positive = value > 0
    return torch.where(positive, value, 1).sqrt() * positive


def at_least_float32(value: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Half precision becomes float32; float32 and float64 stay."""
    return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
