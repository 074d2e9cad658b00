"""Soft-DTW as repositories compute it on a CPU: loops over the cells of each table, compiled by numba.

The recursions are those of Cuturi and Blondel (2017): the value of each cell, and its share of the gradient.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Table = NDArray[np.float32]


class _CellByCell(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cost: Tensor, gamma: float) -> Tensor:
        table = _values(cost.detach().numpy(), gamma)
        ctx.save_for_backward(cost)
        ctx.table, ctx.gamma = table, gamma
        return torch.from_numpy(table[:, -2, -2].copy())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (cost,) = ctx.saved_tensors
        share = _shares(cost.detach().numpy(), ctx.table, ctx.gamma)
        return torch.from_numpy(share) * grad[:, None, None], None


def soft_dtw(cost: Tensor, gamma: float) -> Tensor:
    """(..., T, L) float32 to (...); gamma must be positive."""
    value = _CellByCell.apply(cost.flatten(0, -3).contiguous(), gamma)
    return value.view(cost.shape[:-2])


@numba.njit
def _values(cost: Table, gamma: float) -> Table:
    batch, rows, columns = cost.shape
    table = np.full((batch, rows + 2, columns + 2), np.inf, np.float32)
    for b in range(batch):
        table[b, 0, 0] = 0
        for i in range(1, rows + 1):
            for j in range(1, columns + 1):
                first, second, third = table[b, i - 1, j - 1], table[b, i - 1, j], table[b, i, j - 1]
                least = min(first, second, third)
                total = (
                    np.exp((least - first) / gamma) + np.exp((least - second) / gamma) + np.exp((least - third) / gamma)
                )
                table[b, i, j] = cost[b, i - 1, j - 1] + least - gamma * np.log(total)
    return table


@numba.njit
def _shares(cost: Table, table: Table, gamma: float) -> Table:
    batch, rows, columns = cost.shape
    share = np.zeros((batch, rows + 2, columns + 2), np.float32)
    for b in range(batch):
        share[b, rows, columns] = 1
        for i in range(rows, 0, -1):
            for j in range(columns, 0, -1):
                for down, right in ((1, 1), (1, 0), (0, 1)):
                    row, column = i + down, j + right
                    if row <= rows and column <= columns:
                        gap = table[b, row, column] - table[b, i, j] - cost[b, row - 1, column - 1]
                        share[b, i, j] += share[b, row, column] * np.exp(gap / gamma)
    return share[:, 1:-1, 1:-1].copy()
