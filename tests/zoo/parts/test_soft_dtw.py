"""soft-DTW against the recursion written cell by cell, and against finite differences."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_dastm as plain

from zoo.parts import soft_dtw_triton
from zoo.parts.soft_dtw import alignment, alignment_distance, divergence, soft_dtw, soft_dtw_of_each


def cost(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("gamma", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 1), (3, 5), (6, 4)])
def test_recursion(size: tuple[int, int], gamma: float) -> None:
    table = cost(*size)
    fast, slow = soft_dtw(table, gamma), plain.soft_dtw(table, gamma)
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(value, table)[0] for value in (fast, slow)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("bandwidth", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 3), (6, 7), (8, 8), (7, 6)])
def test_recursion_in_a_band(size: tuple[int, int], bandwidth: int, gamma: float) -> None:
    table = cost(*size)
    fast, slow = soft_dtw(table, gamma, bandwidth), plain.soft_dtw(table, gamma, bandwidth)
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)
    gradients = [torch.autograd.grad(value, table)[0] for value in (fast, slow)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


def test_forbidden_pairs_have_no_say_and_a_wide_band_forbids_none() -> None:
    table = cost(2, 6, 6).detach()
    apart = (torch.arange(6)[:, None] - torch.arange(6)).abs()
    for gamma in (0.0, 0.1):
        spoilt = torch.where(apart > 2, torch.nan, table)
        assert torch.equal(soft_dtw(spoilt, gamma, 2), soft_dtw(table, gamma, 2))
        assert alignment(table, gamma, 2)[:, apart > 2].eq(0).all()
        assert torch.equal(soft_dtw(table, gamma, 5), soft_dtw(table, gamma))
        assert (soft_dtw(table, gamma, 1) >= soft_dtw(table, gamma)).all()
        assert not torch.equal(alignment(table, 0.1, 1), alignment(table, 0.1))


def test_a_band_without_a_path_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"bandwidth is 3, but an alignment of 15 frames with 11 .* at least 4\. Widen"
    ):
        soft_dtw(cost(15, 11), 0.1, 3)
    assert soft_dtw(cost(15, 11), 0.1, 4).isfinite()
    with pytest.raises(ValueError, match=r"bandwidth is -1; it must be 0 \(no band\)"):
        soft_dtw(cost(3, 3), 0.1, -1)


def test_the_band_holds_for_each_table_of_a_sweep() -> None:
    tables = cost(2, 5, 5).detach(), cost(5, 5, seed=1).detach()
    for value, table in zip(soft_dtw_of_each(tables, 0.1, 1), tables, strict=True):
        torch.testing.assert_close(value, soft_dtw(table, 0.1, 1))
    maps = torch.randn(1, 2, 5, 6, dtype=torch.float64), torch.randn(1, 2, 5, 6, dtype=torch.float64)
    assert (alignment_distance(*maps, "cosine", 0.1, False, 1) > alignment_distance(*maps, "cosine", 0.1, False)).all()
    assert not torch.allclose(
        alignment_distance(*maps, "cosine", 0.1, True, 1), alignment_distance(*maps, "cosine", 0.1, True)
    )


@torch.no_grad()
def test_alignment_is_the_gradient_by_differences() -> None:
    table, step = cost(4, 5).detach(), 1e-6
    share = alignment(table, 0.1)
    for i, j in ((0, 0), (1, 2), (3, 4), (3, 0)):
        more, less = table.clone(), table.clone()
        more[i, j] += step
        less[i, j] -= step
        slope = (soft_dtw(more, 0.1) - soft_dtw(less, 0.1)) / (2 * step)
        assert share[i, j].item() == pytest.approx(slope.item(), abs=1e-7)
    assert share[0, 0].item() == pytest.approx(1)
    assert not share.requires_grad


def test_any_leading_axes() -> None:
    table = cost(2, 3, 4, 5)
    value = soft_dtw(table, 0.1)
    assert value.shape == (2, 3)
    torch.testing.assert_close(value[1, 2], soft_dtw(table[1, 2], 0.1))


def test_hard_path_through_ties_is_one_path() -> None:
    table = torch.zeros(4, 4, requires_grad=True)
    soft_dtw(table, 0.0).backward()
    assert table.grad.tolist() == torch.eye(4).tolist()


def test_gradient_by_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda table: soft_dtw(table, 0.5), cost(2, 4, 3))


def test_large_costs_with_small_gamma_stay_finite_in_float32() -> None:
    table = (cost(8, 8).detach() * 1e4).float().requires_grad_()
    value = soft_dtw(table, 0.01)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(table.grad).all()


def test_half_precision_is_computed_in_float32() -> None:
    table = cost(5, 5).detach().bfloat16().requires_grad_()
    value = soft_dtw(table, 0.1)
    value.backward()
    assert value.dtype == torch.float32
    assert table.grad.dtype == torch.bfloat16
    torch.testing.assert_close(value, soft_dtw(table.float(), 0.1))


@pytest.mark.parametrize("gamma", [-1.0, float("nan")])
def test_negative_gamma_is_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match=r"gamma is .*; it must be 0 \(hard DTW\) or positive"):
        soft_dtw(cost(2, 2), gamma)


@pytest.mark.parametrize("kind", ["cosine", "frobenius", "squared_frobenius"])
def test_divergence_of_a_sequence_from_itself_is_zero(kind: str) -> None:
    maps = torch.randn(1, 3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    distance = alignment_distance(maps, maps, kind, 0.1, True)[0]
    assert distance.diagonal().abs().max() < 1e-6
    assert (distance + torch.eye(3) > 1e-3).all()


def test_divergence_broadcasts() -> None:
    assert divergence(torch.ones(2, 3), torch.zeros(2, 1), torch.ones(1, 3)).tolist() == [[0.5] * 3] * 2


@pytest.mark.parametrize("others", [4, 6])
def test_divergence_in_one_sweep_is_that_of_three(others: int) -> None:
    """Equal numbers of frames share a sweep, different numbers cannot: values and gradients are the same."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, 4, 6, dtype=torch.float64, generator=generator).requires_grad_()
    support = torch.randn(2, 2, others, 6, dtype=torch.float64, generator=generator).requires_grad_()
    fast = alignment_distance(query, support, "squared_frobenius", 0.1, True)
    between = torch.stack([torch.cdist(query, row[:, None]) for row in support.unbind(1)], dim=2).square()
    of_query, of_support = (soft_dtw(torch.cdist(maps, maps).square(), 0.1) for maps in (query, support))
    slow = soft_dtw(between, 0.1) - (of_query[:, :, None] + of_support[:, None]) / 2
    torch.testing.assert_close(fast, slow)
    weights = torch.linspace(0.5, 2, fast.numel(), dtype=torch.float64).view_as(fast)
    ours, literal = (torch.autograd.grad((value * weights).sum(), (query, support)) for value in (fast, slow))
    torch.testing.assert_close(ours, literal)


def test_one_sweep_for_all_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    import zoo.parts.soft_dtw as module

    rows: list[int] = []
    aligned = module._aligned
    monkeypatch.setattr(module, "_aligned", lambda cost, *how: rows.append(len(cost)) or aligned(cost, *how))
    maps = torch.randn(1, 3, 4, 6), torch.randn(1, 2, 4, 6)
    alignment_distance(*maps, "cosine", 0.1, True)
    assert rows == [3 * 2 + 3 + 2]


def test_where_triton_does_not_run_a_warning_says_so_and_the_sweep_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(cost: torch.Tensor, gamma: float, band: int | None = None) -> torch.Tensor:
        raise RuntimeError("Failed to find C compiler.\nmore")

    monkeypatch.setattr(soft_dtw_triton, "soft_dtw_by_kernel", refuse)
    soft_dtw_triton.usable.cache_clear()
    monkeypatch.setattr(soft_dtw_triton, "INSTALLED", False)
    assert not soft_dtw_triton.usable(torch.device("cpu"))
    soft_dtw_triton.usable.cache_clear()
    monkeypatch.setattr(soft_dtw_triton, "INSTALLED", True)
    with pytest.warns(UserWarning, match=r"does not run here \(Failed to find C compiler\.\).* Install a C compiler"):
        assert not soft_dtw_triton.usable(torch.device("cpu"))
    assert not soft_dtw_triton.usable(torch.device("cpu"))
    soft_dtw_triton.usable.cache_clear()
