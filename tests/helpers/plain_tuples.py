"""Tuples of frames, and what is compared on them, as the papers write it: every tuple is built. Slow and obvious.

Nothing here is shared with the project's own mathematics: these are the references that the fast forms are compared
with, and the other half of benchmarks.
"""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def tuples(frames: Tensor, size: int) -> Tensor:
    """All tuples of `size` frames in order, concatenated: (..., T, D) -> (..., P, size * D)."""
    places = torch.tensor(list(combinations(range(frames.shape[-2]), size)))
    return torch.cat([frames[..., place, :] for place in places.unbind(1)], dim=-1)


def nearest(query: Tensor, support: Tensor, size: int) -> Tensor:
    """Eq. 5 of PAINet for (..., T, D) and (..., K, L, D): the mean over tuples of the distance of the nearest one."""
    theirs = tuples(support, size).flatten(-3, -2)
    return torch.cdist(tuples(query, size), theirs).min(-1).values.mean(-1)


def squared_distances(query: Tensor, support: Tensor) -> Tensor:
    """Squared distances of the frames of (..., T, D) and (..., K, L, D), as sums of squares: (..., K, T, L)."""
    gap = query[..., None, :, None, :] - support[..., None, :, :]
    return gap.square().sum(-1)


def nearest_of_squared(squared: Tensor, size: int) -> Tensor:
    """Eq. 5 from squared distances (K, T, L) of frames, by a loop over every candidate."""
    shots, frames, others = squared.shape
    least = []
    for mine in combinations(range(frames), size):
        sums = [
            sum(squared[k, own, other] for own, other in zip(mine, theirs, strict=True))
            for k in range(shots)
            for theirs in combinations(range(others), size)
        ]
        least.append(torch.stack(sums).min().sqrt())
    return torch.stack(least).mean()


def matcher(query: Tensor, support: Tensor, module: nn.Module, size: int, squared: bool) -> Tensor:
    """TRX's distance (B, Q, N) of (B, Q, T, D) to (B, N, K, T, D): tuples are built, then mapped by the weights of
    `module.key`, `module.norm` and `module.value`, one class after the other.
    """
    mine = tuples(query, size)
    own_key, own_value = module.norm(module.key(mine)), module.value(mine)
    found = []
    for n in range(support.shape[1]):
        theirs = tuples(support[:, n], size).flatten(1, 2)
        key, value = module.norm(module.key(theirs)), module.value(theirs)
        scores = torch.einsum("bqpd,brd->bqpr", own_key, key) / key.shape[-1] ** 0.5
        prototype = torch.einsum("bqpr,brd->bqpd", F.softmax(scores, dim=-1), value)
        distance = (own_value - prototype).norm(dim=-1)
        found.append((distance.square() if squared else distance).mean(-1))
    return torch.stack(found, dim=-1)
