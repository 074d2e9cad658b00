"""Alignment over time and viewpoints (JEANIE, Wang and Koniusz, ACCV 2022): soft-DTW whose path also moves in views.

A cost has blocks of two clips and then any number of view axes. Two readings of the recursion are here: that of the
paper (Algorithm 1), `view_alignment`, and that of the code that was published first, `monotone_alignment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from zoo.parts.frame_distance import at_least_float32

FAR = -1e30
"""Score of a cell outside the table: no path passes it, and it has a gradient of zero where -inf would give NaN."""


def rotations(degrees: Sequence[float]) -> Float[Tensor, "R _ _"]:
    """Rotation matrices of a grid of views, for row vectors: joints @ matrix; float64.

    A view (i, j) turns by degrees[i] about y and degrees[j] about x, the turn about x first. View R = i * n + j.

    >>> (torch.tensor([0.0, 0.0, 1.0]).double() @ rotations([0.0, 90.0])).round(decimals=3).tolist()
    [[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
    """
    angle = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    cos, sin, one, none = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    about_y = torch.stack([cos, none, -sin, none, one, none, sin, none, cos], dim=-1).unflatten(-1, (3, 3))
    about_x = torch.stack([one, none, none, none, cos, sin, none, -sin, cos], dim=-1).unflatten(-1, (3, 3))
    return (about_x[None] @ about_y[:, None]).flatten(0, 1)


def rotated(clips: Float[Tensor, "X M T V C"], matrices: Float[Tensor, "R _ _"]) -> Float[Tensor, "X R M T V C"]:
    """Copies of clips, turned by every matrix; each three channels are the coordinates of one stream.

    Every copy is made from the clip itself. In the authors' code a clip is turned in place, so that its angles add up.
    """
    streams = clips.unflatten(-1, (-1, 3))[:, None]
    turned = (streams[..., None] * matrices.to(clips)[None, :, None, None, None, None]).sum(-2)
    return turned.flatten(-2)


def block_distance(first: Float[Tensor, "*_ D"], second: Float[Tensor, "*_ D"]) -> Float[Tensor, "*_"]:
    """The sum over channels of 2 - 2 exp(-(x - y)^2 / 2), an RBF distance between 0 and 2 D.

    >>> round(block_distance(torch.tensor([0.0, 5.0]), torch.tensor([0.0, 4.0])).item(), 4)
    0.7869
    """
    gap = at_least_float32(first) - at_least_float32(second)
    return (2 - 2 * torch.exp(-0.5 * gap.square())).sum(-1)


def view_alignment(cost: Float[Tensor, "X T L *_"], gamma: float, view_steps: int) -> Float[Tensor, "X"]:
    """The cost of the best alignment of T blocks with L blocks, in which each block of the path has a view.

    r(i, j, n) = d(i, j, n) + softmin of r(i', j', n') over (i', j') in {(i-1, j), (i, j-1), (i-1, j-1)} and over n' at
    most `view_steps` from n on every view axis; a path starts and ends in any view, and the result is the soft minimum
    over the last views. `gamma` is that of `soft_dtw`, 0 the hard minimum. Without view axes this is soft-DTW itself.

    >>> cost = torch.tensor([[[0.0, 9.0], [9.0, 9.0]], [[9.0, 9.0], [9.0, 1.0]]])[None]
    >>> view_alignment(cost, gamma=0.0, view_steps=1).item(), view_alignment(cost, gamma=0.0, view_steps=0).item()
    (1.0, 9.0)
    """
    cost = at_least_float32(cost)
    scale, (T, L) = gamma if gamma > 0 else 1.0, cost.shape[1:3]
    diagonals = _skewed(cost / -scale).unbind(2)
    here = diagonals[0]
    nothing = torch.full_like(here, FAR)
    before, before_that = _widened(here, gamma, view_steps), nothing
    for step in range(1, T + L - 1):
        arriving = torch.stack([_next_row(before), before, _next_row(before_that)])
        here = diagonals[step] + _best(arriving, gamma, 0)
        before, before_that = _widened(here, gamma, view_steps), before
    return -scale * _best(here[:, -1].flatten(1), gamma, 1) if cost.dim() > 3 else -scale * here[:, -1]


def monotone_alignment(cost: Float[Tensor, "X *_"], gamma: float) -> Float[Tensor, "X"]:
    """The cost of the best path from the first cell to the last, in which no index ever falls.

    A step moves at least one of the axes, blocks and views alike, by one: 2^n - 1 predecessors for n axes. All axes
    are alike, so views are run through from the first to the last; an axis of size 1 changes nothing.

    >>> cost = torch.arange(8.0).view(1, 2, 2, 2)
    >>> monotone_alignment(cost, gamma=0.0).item()
    7.0
    """
    cost = at_least_float32(cost)
    scale, sizes = gamma if gamma > 0 else 1.0, tuple(cost.shape[1:])
    score = cost.flatten(1) / -scale
    border = score.new_full((len(score), 1), FAR)
    levels: list[Tensor] = []
    for cells, places in _levels(sizes, score.device):
        here = score[:, cells]
        if levels:
            earlier = torch.cat([border, *levels[-len(sizes) :]], dim=1)
            here = here + _best(earlier[:, places], gamma, 2)
        levels.append(here)
    return -scale * levels[-1][:, 0]


# Kept on the device, since a copy from the host makes it wait.
@lru_cache(maxsize=32)
def _levels(sizes: tuple[int, ...], device: torch.device) -> list[tuple[Int[Tensor, "_"], Int[Tensor, "_ P"]]]:
    """Cells in order of the sum of their indices: their flat numbers, and where their predecessors stand.

    The latter counts in the border cell (0) and the last n levels side by side, n being the number of axes.
    """
    levels: list[list[tuple[int, ...]]] = [[] for _ in range(sum(sizes) - len(sizes) + 1)]
    for cell in product(*map(range, sizes)):
        levels[sum(cell)].append(cell)
    moves = [move for move in product((0, 1), repeat=len(sizes)) if any(move)]
    plan = []
    for level, cells in enumerate(levels):
        recent = [cell for each in levels[max(0, level - len(sizes)) : level] for cell in each]
        place = {cell: number for number, cell in enumerate(recent, 1)}
        from_where = [[place.get(_moved_back(cell, move), 0) for move in moves] for cell in cells]
        flat = [sum(index * _product(sizes[axis + 1 :]) for axis, index in enumerate(cell)) for cell in cells]
        plan.append((torch.tensor(flat, device=device), torch.tensor(from_where, device=device)))
    return plan


def _moved_back(cell: tuple[int, ...], move: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(index - step for index, step in zip(cell, move, strict=True))


def _product(sizes: tuple[int, ...]) -> int:
    return torch.Size(sizes).numel()


def _best(scores: Tensor, gamma: float, dim: int) -> Tensor:
    """The (soft) maximum of scores, which are costs divided by -gamma."""
    return torch.logsumexp(scores, dim) if gamma > 0 else scores.amax(dim)


def _skewed(score: Float[Tensor, "X T L *_"]) -> Float[Tensor, "X T _ *_"]:
    """Row i moved i columns to the right, so that an anti-diagonal becomes a column; FAR where nothing is."""
    T, L = score.shape[1:3]
    empty = score.new_full((len(score), T, T, *score.shape[3:]), FAR)
    flat = torch.cat([score, empty], dim=2).flatten(1, 2)
    return flat[:, : T * (T + L - 1)].unflatten(1, (T, T + L - 1))


def _next_row(scores: Float[Tensor, "X T *_"]) -> Float[Tensor, "X T *_"]:
    """Scores moved to the next row; FAR comes into the first one."""
    return torch.cat([torch.full_like(scores[:, :1], FAR), scores[:, :-1]], dim=1)


def _widened(scores: Float[Tensor, "X T *_"], gamma: float, steps: int) -> Float[Tensor, "X T *_"]:
    """The best of every view and its neighbours up to `steps` away, one view axis after the other."""
    for axis in range(2, scores.dim()):
        if scores.shape[axis] > 1 and steps:
            moved = F.pad(scores.movedim(axis, -1), (steps, steps), value=FAR).unfold(-1, 2 * steps + 1, 1)
            scores = _best(moved, gamma, -1).movedim(-1, axis)
    return scores
