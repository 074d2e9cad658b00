"""Soft dynamic time warping in two Triton kernels, one launch forward and one backward, for float32 on a GPU.

The recursion is that of zoo.parts.soft_dtw: anti-diagonal by anti-diagonal on -R / gamma, R the textbook's table. One
program computes one alignment, with the rows of an anti-diagonal side by side. Triton comes with a GPU build of torch.
"""

from __future__ import annotations

import importlib.util
import subprocess
import warnings
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

INSTALLED = importlib.util.find_spec("triton") is not None
if INSTALLED:
    import triton
    import triton.language as tl

# Nothing may be loaded before a barrier; products and sums are rounded one by one, as the sweep's are.
COMPILED = {"num_stages": 1, "enable_fp_fusion": False}


@cache
def usable(device: torch.device) -> bool:
    """Whether the kernels run on this GPU: Triton is installed, and finds the C compiler that it needs.

    Warns, once, where it is installed and does not run.
    """
    if not INSTALLED:
        return False
    try:
        soft_dtw_by_kernel(torch.zeros(1, 1, 1, device=device), 0.0)
    except (RuntimeError, ImportError, OSError, subprocess.SubprocessError) as error:
        warnings.warn(
            f"Triton does not run here ({str(error).splitlines()[0]}), so soft-DTW takes some hundred launches instead "
            "of two. Install a C compiler and Python's headers.",
            stacklevel=2,
        )
        return False
    return True


def soft_dtw_by_kernel(cost: Float[Tensor, "X T L"], gamma: float, band: int | None = None) -> Float[Tensor, "X"]:
    """soft_dtw of float32 costs on a GPU, `gamma` >= 0, pairs of frames at most `band` apart (None: any; at least
    |T - L|). Needs Triton. Nothing waits for the device.
    """
    return _SoftDTW.apply(cost, gamma, sum(cost.shape[1:]) if band is None else band)


class _SoftDTW(torch.autograd.Function):
    """Keeps the table (X, T + L + 1 anti-diagonals, T + 1 rows), from which the weights are computed again."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, gamma: float, band: int) -> Tensor:
        batch, frames, others = cost.shape
        cost = cost.contiguous()
        table = cost.new_empty(batch, frames + others + 1, frames + 1)
        result = cost.new_empty(batch)
        if batch:
            scale = gamma if gamma > 0 else 1.0
            forward, _ = _kernels()
            with torch.cuda.device_of(cost):
                sizes = {"HARD": gamma == 0, **_sizes(frames)}
                forward[(batch,)](cost, table, result, scale, frames, others, band, **sizes)
        ctx.save_for_backward(table)
        ctx.hard, ctx.band = gamma == 0, band
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (table,) = ctx.saved_tensors
        batch, frames, others = len(table), table.shape[2] - 1, table.shape[1] - table.shape[2]
        to_cost = table.new_empty(batch, frames, others)
        if batch:
            sizes = {"HARD": ctx.hard, **_sizes(frames)}
            shifted = table.new_empty(batch, 2, sizes["BLOCK"] + 1)
            _, backward = _kernels()
            with torch.cuda.device_of(table):
                backward[(batch,)](table, grad.contiguous(), shifted, to_cost, frames, others, ctx.band, **sizes)
        return to_cost, None, None


def _sizes(frames: int) -> dict[str, int]:
    """The rows of an anti-diagonal, the border's among them, rounded up to a power of two, and their warps."""
    block = 1 << frames.bit_length()
    return {"BLOCK": block, "num_warps": max(1, min(8, block // 32)), **COMPILED}


@cache
def _kernels() -> tuple[Any, Any]:
    return triton.jit(_forward), triton.jit(_backward)


def _forward(cost, table, result, scale, frames, others, band, HARD: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """The table of one alignment. Cell (row, column) lies on anti-diagonal row + column; 0 is the border."""
    pair = tl.program_id(0).to(tl.int64)
    row, width = tl.arange(0, BLOCK), frames + 1
    cost += pair * frames * others
    table += pair * (frames + others + 1) * width
    inside = row <= frames
    none = tl.full((BLOCK,), float("-inf"), tl.float32)
    tl.store(table + row, tl.where(row == 0, 0.0, none), mask=inside)
    tl.store(table + width + row, none, mask=inside)
    left = none
    diagonal = tl.where(row == 1, 0.0, none)
    for step in range(2, frames + others + 1):
        # Rows are stored by one thread and read by its neighbour.
        tl.debug_barrier()
        above = tl.load(table + (step - 1) * width + row - 1, mask=inside & (row > 0), other=float("-inf"))
        if HARD:
            nearest = tl.maximum(diagonal, above, propagate_nan=tl.PropagateNan.ALL)
            best = tl.maximum(nearest, left, propagate_nan=tl.PropagateNan.ALL)
        else:
            most = tl.maximum(tl.maximum(diagonal, above), left)
            most = tl.where(most == float("-inf"), 0.0, most)
            best = most + tl.log(tl.exp(diagonal - most) + tl.exp(above - most) + tl.exp(left - most))
        column = step - row
        valid = inside & (row > 0) & (column > 0) & (column <= others) & (tl.abs(row - column) <= band)
        given = tl.load(cost + (row - 1) * others + column - 1, mask=valid, other=0.0)
        left = tl.where(valid, best - given / scale, none)
        tl.store(table + step * width + row, left, mask=inside)
        diagonal = above
    tl.store(result + pair + row * 0, left * -scale, mask=row == frames)


def _backward(table, grad, shifted, to_cost, frames, others, band, HARD: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """The gradient of one alignment: each cell hands its share to its three predecessors by their weights.

    What goes to the row above travels through `shifted`, two rows of memory in turn.
    """
    pair = tl.program_id(0).to(tl.int64)
    row, width = tl.arange(0, BLOCK), frames + 1
    to_cost += pair * frames * others
    table += pair * (frames + others + 1) * width
    shifted += pair * 2 * (BLOCK + 1)
    inside, lower = row <= frames, (row <= frames) & (row > 0)
    zero = tl.full((BLOCK,), 0.0, tl.float32)
    # Shares for the same row, for the row above on the anti-diagonal before, and on the one before that.
    same = tl.where(row == frames, tl.load(grad + pair), zero)
    upper, later = zero, zero
    for back in range(frames + others - 1):
        step = frames + others - back
        buffer = shifted + (step % 2) * (BLOCK + 1)
        tl.store(buffer + row, upper)
        tl.debug_barrier()
        share = same + tl.load(buffer + row + 1, mask=row + 1 < BLOCK, other=0.0)
        column = step - row
        valid = lower & (column > 0) & (column <= others)
        share = tl.where(valid & (tl.abs(row - column) <= band), share, zero)
        tl.store(to_cost + (row - 1) * others + column - 1, share, mask=valid)
        left = tl.load(table + (step - 1) * width + row, mask=inside, other=float("-inf"))
        above = tl.load(table + (step - 1) * width + row - 1, mask=lower, other=float("-inf"))
        diagonal = tl.load(table + (step - 2) * width + row - 1, mask=lower, other=float("-inf"))
        most = tl.maximum(tl.maximum(diagonal, above), left)
        most = tl.where(most == float("-inf"), 0.0, most)
        if HARD:
            # Where predecessors are equal the diagonal is taken, then the one above.
            to_diagonal = tl.where(diagonal == most, 1.0, 0.0)
            to_above = tl.where((above == most) & (diagonal != most), 1.0, 0.0)
            to_left = tl.where((left == most) & (diagonal != most) & (above != most), 1.0, 0.0)
        else:
            to_diagonal, to_above, to_left = tl.exp(diagonal - most), tl.exp(above - most), tl.exp(left - most)
            total = tl.maximum(to_diagonal + to_above + to_left, 0.5)
            to_diagonal, to_above, to_left = to_diagonal / total, to_above / total, to_left / total
        same = share * to_left
        upper = share * to_above + later
        later = share * to_diagonal
