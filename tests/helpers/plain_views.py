"""The recursions of JEANIE cell by cell, as they are written in the paper and in the authors' first code."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor


def softmin(values: list[Tensor], gamma: float) -> Tensor:
    stacked = torch.stack(values)
    return -gamma * torch.logsumexp(-stacked / gamma, 0) if gamma else stacked.min()


def view_alignment(cost: Tensor, gamma: float, view_steps: int) -> Tensor:
    """Algorithm 1 of the paper for one table of costs (T, L, views ...)."""
    blocks, others, *views = cost.shape
    cells = list(product(*map(range, views)))
    table: dict[tuple[int, ...], Tensor] = {}
    for i, j in product(range(blocks), range(others)):
        for view in cells:
            before = [
                table[(i - down, j - right, *other)]
                for down, right in ((0, 1), (1, 0), (1, 1))
                if i >= down and j >= right
                for other in cells
                if all(abs(a - b) <= view_steps for a, b in zip(view, other, strict=True))
            ]
            table[(i, j, *view)] = cost[(i, j, *view)] + (softmin(before, gamma) if before else 0)
    return softmin([table[(blocks - 1, others - 1, *view)] for view in cells], gamma)


def monotone_alignment(cost: Tensor, gamma: float) -> Tensor:
    """The path of the authors' first code for one table of costs, whatever its axes."""
    moves = [move for move in product((0, 1), repeat=cost.dim()) if any(move)]
    table: dict[tuple[int, ...], Tensor] = {}
    for cell in product(*map(range, cost.shape)):
        earlier = [tuple(index - step for index, step in zip(cell, move, strict=True)) for move in moves]
        before = [table[other] for other in earlier if min(other) >= 0]
        table[cell] = cost[cell] + (softmin(before, gamma) if before else 0)
    return table[tuple(size - 1 for size in cost.shape)]
