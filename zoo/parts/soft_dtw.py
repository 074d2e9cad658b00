"""Dynamic time warping and its differentiable form, whole batches by anti-diagonals (Cuturi and Blondel, ICML 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.parts.frame_distance import Distance, at_least_float32, between_all, frame_distance


def soft_dtw(cost: Float[Tensor, "*batch T L"], gamma: float, bandwidth: int = 0) -> Float[Tensor, "*batch"]:
    """The cost of the best monotone alignment of T frames with L frames; steps (1,1), (1,0) and (0,1).

    `gamma` > 0 replaces each minimum by -gamma * log(sum(exp(-x / gamma))), which may make the result negative;
    0 is DTW itself, and the gradient is then the path. `bandwidth` > 0 is the band of Sakoe and Chiba: frame i is
    aligned with frame j only where |i - j| <= bandwidth; 0 is no band. Half precision is computed, and returned, in
    float32. Nothing waits for the device. float32 on a GPU is computed by a kernel where Triton runs, all else
    anti-diagonal by anti-diagonal. Raises ValueError for a negative gamma or bandwidth, and for a band narrower than
    |T - L|, through which no alignment passes.

    >>> cost = torch.tensor([[0.0, 2.0], [1.0, 3.0]])
    >>> soft_dtw(cost, gamma=0.0).item()
    3.0
    >>> round(soft_dtw(cost, gamma=1.0).item(), 4)
    2.5924

    Of 13 alignments of three frames with three, two pass through a corner:

    >>> [round(soft_dtw(torch.zeros(3, 3), 1.0, band).neg().exp().item(), 3) for band in (0, 1)]
    [13.0, 11.0]
    """
    if not gamma >= 0:
        raise ValueError(f"gamma is {gamma}; it must be 0 (hard DTW) or positive (soft). Use 0.01 as DASTM does.")
    frames, others = cost.shape[-2:]
    check_bandwidth(bandwidth)
    if 0 < bandwidth < abs(frames - others):
        raise ValueError(
            f"bandwidth is {bandwidth}, but an alignment of {frames} frames with {others} needs a band of at least "
            f"{abs(frames - others)}. Widen it, or set 0 for no band."
        )
    cost = at_least_float32(cost)
    rows = cost.flatten(0, -3) if cost.dim() > 2 else cost[None]
    return _aligned(rows, gamma, bandwidth or frames + others).view(cost.shape[:-2])


def check_bandwidth(bandwidth: int) -> None:
    """Raises ValueError where `bandwidth` is negative.

    >>> check_bandwidth(0)
    """
    if bandwidth < 0:
        raise ValueError(f"bandwidth is {bandwidth}; it must be 0 (no band) or the most frames that a pair is apart")


def alignment(cost: Float[Tensor, "*batch T L"], gamma: float, bandwidth: int = 0) -> Float[Tensor, "*batch T L"]:
    """The share of every pair of frames in the alignment of `soft_dtw`: the gradient of its value.

    Between 0 and 1, and 1 for the first and the last pair; for `gamma` 0 the best path has ones, the rest zeros. `cost`
    is detached.

    >>> alignment(torch.tensor([[0.0, 2.0, 9.0], [4.0, 0.0, 0.0]]), gamma=0.0).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """
    with torch.enable_grad():
        given = cost.detach().requires_grad_()
        return torch.autograd.grad(soft_dtw(given, gamma, bandwidth).sum(), given)[0]


def divergence(
    between: Float[Tensor, "*_"], first: Float[Tensor, "*_"], second: Float[Tensor, "*_"]
) -> Float[Tensor, "*_"]:
    """s(x, y) - (s(x, x) + s(y, y)) / 2 from the three soft-DTW values: zero where x is y (Blondel et al., 2021)."""
    return between - (first + second) / 2


def alignment_distance(
    query: Float[Tensor, "B Q T D"],
    support: Float[Tensor, "B N L D"],
    kind: Distance,
    gamma: float,
    with_divergence: bool,
    bandwidth: int = 0,
) -> Float[Tensor, "B Q N"]:
    """The soft-DTW value, or its divergence, of every query and every class, from flattened frames."""
    between = between_all(query, support, kind)
    if not with_divergence:
        return soft_dtw(between, gamma, bandwidth)
    costs = between, frame_distance(query, query, kind), frame_distance(support, support, kind)
    value, of_query, of_support = soft_dtw_of_each(costs, gamma, bandwidth)
    return divergence(value, of_query[:, :, None], of_support[:, None])


def soft_dtw_of_each(costs: Sequence[Tensor], gamma: float, bandwidth: int = 0) -> list[Tensor]:
    """soft_dtw of several tables of costs (..., T, L), all in one sweep where they have the same T and L.

    >>> first, second = soft_dtw_of_each([torch.ones(2, 3, 3), torch.eye(3)], gamma=0.0)
    >>> first.tolist(), second.item()
    ([3.0, 3.0], 2.0)
    """
    if len({cost.shape[-2:] for cost in costs}) > 1:
        return [soft_dtw(cost, gamma, bandwidth) for cost in costs]
    rows = [cost.reshape(-1, *cost.shape[-2:]) for cost in costs]
    values = soft_dtw(torch.cat(rows), gamma, bandwidth).split([len(row) for row in rows])
    return [value.view(cost.shape[:-2]) for value, cost in zip(values, costs, strict=True)]


def _aligned(cost: Float[Tensor, "X T L"], gamma: float, band: int) -> Float[Tensor, "X"]:
    if cost.is_cuda and cost.dtype == torch.float32:
        from zoo.parts import soft_dtw_triton

        if soft_dtw_triton.usable(cost.device):
            return soft_dtw_triton.soft_dtw_by_kernel(cost, gamma, band)
    return _SoftDTW.apply(cost, gamma, band)


class _SoftDTW(torch.autograd.Function):
    """Works on -R / gamma, where R is the textbook's table, so that a soft minimum is a log-sum-exp.

    Tables are indexed (T + L + 1 anti-diagonals, T + 1 rows, batch): all cells of one anti-diagonal are one slice and
    depend on the two slices before only. Row and column 0 are the border. `best` holds the (soft) maximum over the
    three predecessors of each cell, +inf outside the table and the band, so that no weight there is more than zero.
    """

    @staticmethod
    def forward(ctx: Any, cost: Tensor, gamma: float, band: int) -> Tensor:
        batch, frames, others = cost.shape
        scale = gamma if gamma > 0 else 1.0
        score = _by_diagonals(cost / -scale)
        table = cost.new_full((frames + others + 1, frames + 1, batch), -torch.inf)
        best = torch.full_like(table, torch.inf)
        table[0, 0] = 0
        for step in range(2, frames + others + 1):
            low, high = _rows_of(step, frames, others, band)
            nearest = torch.maximum if gamma == 0 else torch.logaddexp
            above, left = table[step - 1, low - 1 : high - 1], table[step - 1, low:high]
            soft = nearest(nearest(table[step - 2, low - 1 : high - 1], above), left)
            best[step, low:high] = soft
            torch.add(soft, score[step - 2, low - 1 : high - 1], out=table[step, low:high])
        ctx.save_for_backward(table, best)
        ctx.hard, ctx.band = gamma == 0, band
        return table[-1, -1] * -scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        table, best = ctx.saved_tensors
        diagonal, above, left = _weights(table, best, ctx.hard)
        frames, others = table.shape[1] - 1, table.shape[0] - table.shape[1]
        share = torch.zeros_like(table)
        share[-1, -1] = grad
        for step in range(frames + others - 1, 1, -1):
            low, high = _rows_of(step, frames, others, ctx.band)
            here = share[step, low:high]
            torch.mul(share[step + 1, low:high], left[step + 1, low:high], out=here)
            last = min(high, frames)
            rows, below = here[: last - low], slice(low + 1, last + 1)
            rows.addcmul_(share[step + 1, below], above[step + 1, below])
            if step + 2 < len(share):
                rows.addcmul_(share[step + 2, below], diagonal[step + 2, below])
        return _from_diagonals(share[2:, 1:], others), None, None


def _rows_of(step: int, frames: int, others: int, band: int) -> tuple[int, int]:
    """The first row of anti-diagonal `step` whose cell lies in the table and the band, and one past the last."""
    low, high = max(1, step - others, (step - band + 1) // 2), min(frames, step - 1, (step + band) // 2)
    return low, high + 1


def _weights(table: Tensor, best: Tensor, hard: bool) -> tuple[Tensor, Tensor, Tensor]:
    """How much of each cell's value comes from its diagonal, upper and left predecessor; the three sum to one."""
    empty = torch.full_like(table[:1], -torch.inf)
    earlier, before = torch.cat([empty, empty, table[:-2]]), torch.cat([empty, table[:-1]])
    above = torch.cat([empty[:, :1].expand(len(table), -1, -1), before[:, :-1]], dim=1)
    diagonal = torch.cat([empty[:, :1].expand(len(table), -1, -1), earlier[:, :-1]], dim=1)
    if not hard:
        shares = [(value - best).exp() for value in (diagonal, above, before)]
        # One in theory; dividing takes out the rounding of `best`, which is large where gamma is small.
        total = sum(shares[1:], shares[0]).clamp(min=0.5)
        return shares[0] / total, shares[1] / total, shares[2] / total
    # Where predecessors are equal the diagonal is taken, then the one above.
    by_diagonal = diagonal == best
    by_above = (above == best) & ~by_diagonal
    by_left = (before == best) & ~by_diagonal & ~by_above
    return by_diagonal.to(table), by_above.to(table), by_left.to(table)


def _by_diagonals(cost: Tensor) -> Tensor:
    """(batch, T, L) to (T + L - 1, T, batch): cell (i, j) moves to (i + j, i); the rest is never read."""
    batch, frames, others = cost.shape
    skew = cost.new_empty(frames + others - 1, frames, batch)
    # Along memory, one row down and one column right is a jump of a whole diagonal and a row.
    view = skew.as_strided((frames, others, batch), (skew.stride(0) + skew.stride(1), skew.stride(0), 1))
    view.copy_(cost.permute(1, 2, 0))
    return skew


def _from_diagonals(skew: Tensor, others: int) -> Tensor:
    """The inverse of `_by_diagonals`."""
    shape = (skew.shape[1], others, skew.shape[2])
    view = skew.as_strided(shape, (skew.stride(0) + skew.stride(1), skew.stride(0), 1), skew.storage_offset())
    return view.permute(2, 0, 1).contiguous()
