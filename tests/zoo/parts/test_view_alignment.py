"""Alignment over time and views against the literal recursions, values and gradients."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_views as plain
from torch import Tensor

from zoo.parts.soft_dtw import soft_dtw
from zoo.parts.view_alignment import block_distance, monotone_alignment, rotated, rotations, view_alignment


def costs(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("gamma", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("view_steps", [0, 1, 2])
@pytest.mark.parametrize("shape", [(3, 4, 3, 3), (4, 2, 4), (1, 3, 2, 3), (2, 2, 1, 1), (2, 2, 2, 2, 2, 2)])
def test_the_path_may_change_its_view(shape: tuple[int, ...], view_steps: int, gamma: float) -> None:
    cost = costs(2, *shape)
    value = view_alignment(cost, gamma, view_steps)
    expected = torch.stack([plain.view_alignment(one, gamma, view_steps) for one in cost])
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-11)
    gradients = [torch.autograd.grad(each.sum(), cost)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("shape", [(3, 4, 3, 3), (4, 2, 4), (2, 3, 1, 2, 1, 2), (5, 3), (1, 1)])
def test_no_index_falls(shape: tuple[int, ...], gamma: float) -> None:
    cost = costs(2, *shape)
    value = monotone_alignment(cost, gamma)
    expected = torch.stack([plain.monotone_alignment(one, gamma) for one in cost])
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-11)
    gradients = [torch.autograd.grad(each.sum(), cost)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("gamma", [0.0, 0.1])
def test_without_views_both_are_soft_dtw(gamma: float) -> None:
    cost = costs(3, 5, 4)
    expected = soft_dtw(cost, gamma)
    torch.testing.assert_close(view_alignment(cost, gamma, 1), expected)
    torch.testing.assert_close(monotone_alignment(cost, gamma), expected)
    torch.testing.assert_close(view_alignment(cost[..., None, None], gamma, 1), expected)


def test_more_freedom_costs_no_more() -> None:
    cost = costs(4, 5, 6, 3, 3)
    free = [view_alignment(cost, 0.0, steps) for steps in (0, 1, 2)]
    assert (free[1] <= free[0]).all()
    assert (free[2] <= free[1]).all()


def test_float32_and_half_precision_stay_finite() -> None:
    cost = (50 * costs(2, 15, 15, 3, 3)).float()
    for given in (cost, cost.half()):
        value = view_alignment(given, 0.01, 1)
        assert value.dtype == torch.float32
        assert torch.isfinite(torch.autograd.grad(value.sum(), cost)[0]).all()
    torch.testing.assert_close(view_alignment(cost, 0.01, 1), view_alignment(cost.double(), 0.01, 1).float())


def test_views_are_turned_copies() -> None:
    clips = torch.randn(2, 1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    before = clips.clone()
    views = rotated(clips, rotations((-90.0, 0.0, 90.0)))
    assert torch.equal(clips, before)
    assert views.shape == (2, 9, *clips.shape[1:])
    torch.testing.assert_close(views[:, 4], clips)
    torch.testing.assert_close(views.norm(dim=-1), clips.norm(dim=-1)[:, None].expand(-1, 9, -1, -1, -1))
    # A quarter turn about y takes (x, y, z) to (z, y, -x); every stream of three channels is turned by itself.
    x, y, z = clips[..., 3:].unbind(-1)
    torch.testing.assert_close(views[:, 7, ..., 3:], torch.stack([z, y, -x], dim=-1))


def test_the_distance_of_blocks_is_bounded() -> None:
    x, y = torch.zeros(4), torch.full((4,), 100.0)
    assert block_distance(x, x).item() == 0
    assert block_distance(x, y).item() == 8
