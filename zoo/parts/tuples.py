"""Nearest frames and nearest pairs of frames: the directional average symmetric surface metric (DASSM) of PAINet.

A pair (i < j) is the concatenation of two frames, so the squared distance of pair (i, j) to pair (l, m) is
d[i, l] + d[j, m] with d the squared distances of frames. No pair is ever built. For a query pair the least of this sum
over l < m is the least over m of (the least d[i, l] over l < m) + d[j, m], which takes a running minimum.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.parts.frame_distance import at_least_float32, safe_root

Unit = Literal["frame", "pair"]
"""What a set consists of: the frames of a clip, or its pairs of frames (i < j)."""


def nearest_pairs(squared: Float[Tensor, "*batch K T L"]) -> Float[Tensor, "*batch"]:
    """PAINet, eq. 5, on pairs: the mean over a query's pairs of the distance to the nearest pair of K supports.

    `squared` are squared distances of T query frames to L frames of each of K supports. A pair is matched with a pair
    of ONE support. Returned in float32 or better. The gradient goes to the two frame distances of the nearest pair,
    and is zero where a distance is zero. Raises ValueError where there is no pair (T or L is 1).

    >>> squared = torch.tensor([[[1.0, 9.0, 0.0], [4.0, 8.0, 3.0]]])
    >>> nearest_pairs(squared).item()  # the nearest is the pair (0, 2): root(1 + 3)
    2.0
    """
    return safe_root(_least_of_pairs(squared)).mean(-1)


def nearest_frames(squared: Float[Tensor, "*batch K T L"]) -> Float[Tensor, "*batch"]:
    """PAINet, eq. 5, on frames: the mean over query frames of the distance to the nearest frame of K supports.

    `squared` as in `nearest_pairs`.

    >>> nearest_frames(torch.tensor([[[1.0, 9.0], [16.0, 25.0]]])).item()
    2.5
    """
    return safe_root(_least_of_frames(squared)).mean(-1)


def nearest_share(squared: Float[Tensor, "*batch K T L"], unit: Unit) -> Float[Tensor, "*batch K T L"]:
    """How much of a query's match falls on each pair of frames: the share of its units (frames, or pairs of frames)
    whose nearest unit contains it. The sum over a clip is 1 for frames and 2 for pairs.

    >>> nearest_share(torch.tensor([[[1.0, 9.0, 0.0], [4.0, 8.0, 3.0]]]), "pair").tolist()
    [[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    with torch.enable_grad():
        squared = squared.detach().requires_grad_()
        least = _least_of_pairs(squared) if unit == "pair" else _least_of_frames(squared)
        return torch.autograd.grad(least.mean(-1).sum(), squared)[0]


def check_pairs(*frames: int) -> None:
    """Raises ValueError where a map of one frame has no pair."""
    if min(frames) < 2:
        raise ValueError(
            f"a map has {min(frames)} frame; pairs of frames need at least 2. Use more frames (data.frames), or a "
            "backbone that keeps them."
        )


def _least_of_pairs(squared: Float[Tensor, "*batch K T L"]) -> Float[Tensor, "*batch P"]:
    """The least squared distance of each query pair, in the order (0, 1), (0, 2), ... (1, 2), ..."""
    check_pairs(*squared.shape[-2:])
    batch = squared.shape[:-3]
    least = _LeastOfPairs.apply(at_least_float32(squared).reshape(-1, *squared.shape[-3:]))
    return least.unflatten(0, batch) if len(batch) else least[0]


def _least_of_frames(squared: Float[Tensor, "*batch K T L"]) -> Float[Tensor, "*batch T"]:
    """The least squared distance of each query frame."""
    return at_least_float32(squared).transpose(-3, -2).flatten(-2).min(-1).values


class _LeastOfPairs(torch.autograd.Function):
    """X K T L -> X P. The sums of all candidates exist for one query frame at a time, and not in the backward pass."""

    @staticmethod
    def forward(ctx: Any, squared: Tensor) -> Tensor:
        frames = squared.shape[2]
        until, at = squared.cummin(-1)
        first, second = (value.transpose(1, 2).flatten(2) for value in (until[..., :-1], squared[..., 1:]))
        rows = [(first[:, i, None] + second[:, i + 1 :]).min(-1) for i in range(frames - 1)]
        ctx.save_for_backward(torch.cat([row.indices for row in rows], dim=1), at)
        return torch.cat([row.values for row in rows], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_least: Tensor) -> Tensor:
        index, at = ctx.saved_tensors
        _, _, frames, others = at.shape
        support, last = index // (others - 1), index % (others - 1)
        i, j = torch.triu_indices(frames, frames, 1, device=at.device)
        first_row, second_row = (support * frames + i) * others, (support * frames + j) * others
        first = first_row + at.flatten(1).gather(1, first_row + last)
        places = torch.cat([first, second_row + last + 1], dim=1)
        gradient = of_least.new_zeros(len(at), at[0].numel())
        return gradient.scatter_add_(1, places, of_least.repeat(1, 2)).view(at.shape)
