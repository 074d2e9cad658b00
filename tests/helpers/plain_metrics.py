"""Set metrics and alignments one cell, frame or tuple at a time, as the papers and their code write them.

Nothing here is shared with the project's own mathematics. Costs are (T, L).
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor


def units(frames: Tensor, unit: str) -> Tensor:
    """The frames of a clip (T, D), or its pairs (P, 2 D)."""
    if unit == "frame":
        return frames
    return torch.stack([torch.cat([frames[i], frames[j]]) for i, j in combinations(range(len(frames)), 2)])


def distances(query: Tensor, support: Tensor, unit: str) -> Tensor:
    """Norms of differences of units, one by one."""
    return torch.stack([(own - units(support, unit)).norm(dim=1) for own in units(query, unit)])


def resemblance(own: Tensor, other: Tensor) -> Tensor:
    """DeepEMD's weights of the units of one set."""
    weights = torch.stack([torch.relu(unit @ other.mean(0)) + 1e-3 for unit in own])
    return weights / weights.sum()


def plan(cost: Tensor, rows: Tensor, columns: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Sinkhorn's iterations on the scaled kernel itself, without logarithms."""
    kernel = torch.exp(-cost / (epsilon * cost.mean()))
    own = torch.ones_like(rows)
    for _ in range(iterations):
        other = columns / (kernel.T @ own)
        own = rows / (kernel @ other)
    return own[:, None] * kernel * other


def mean_hausdorff(cost: Tensor) -> Tensor:
    """ESR-MM's mean of means."""
    return 0.5 * (
        torch.stack([row.min() for row in cost]).mean() + torch.stack([column.min() for column in cost.T]).mean()
    )


def consistency(cost: Tensor) -> Tensor:
    """ESR-MM's temporal consistency: the table against itself, shifted by one query frame up and down."""
    earlier, later = torch.cat([cost[:1], cost[:-1]]), torch.cat([cost[1:], cost[-1:]])
    return torch.relu(cost - earlier).mean() + torch.relu(cost - later).mean()
