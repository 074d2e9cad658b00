"""Entropic and exact transport and the assignment, against plain iterations, POT and each other."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from helpers import plain_metrics as plain
from torch import Tensor

from zoo.parts.transport import PROBLEMS_AT_ONCE, assignment, exact_transport, sinkhorn


def problem(*batch: int, frames: int = 4, others: int = 5, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    cost, rows, columns = (
        torch.rand(*batch, *size, generator=generator, dtype=torch.float64)
        for size in ((frames, others), (frames,), (others,))
    )
    return cost, rows / rows.sum(-1, keepdim=True), columns / columns.sum(-1, keepdim=True)


def test_sinkhorn_is_the_iteration_on_the_kernel() -> None:
    cost, rows, columns = problem(3)
    plans = sinkhorn(cost, rows, columns, 0.1, 20)
    for found, *given in zip(plans, cost, rows, columns, strict=True):
        torch.testing.assert_close(found, plain.plan(*given, 0.1, 20))
    torch.testing.assert_close(plans.sum(-1), rows)
    torch.testing.assert_close(sinkhorn(cost, rows, columns, 0.1, 500).sum(-2), columns)


def test_sinkhorn_has_gradients_to_cost_and_masses() -> None:
    cost, rows, columns = (value.requires_grad_() for value in problem())

    def value(cost: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        # A gradient in the scale of epsilon, which is detached, would not be one of the plan's.
        return sinkhorn(cost, rows, columns, 0.1 / cost.detach().mean().item(), 5)

    assert torch.autograd.gradcheck(value, (cost, rows, columns))


def test_less_entropy_comes_nearer_to_the_exact_cost() -> None:
    cost, rows, columns = problem(20)
    exact = (exact_transport(cost, rows, columns) * cost).sum((-2, -1))
    gaps = [
        (sinkhorn(cost, rows, columns, epsilon, 2000) * cost).sum((-2, -1)) - exact for epsilon in (0.2, 0.05, 0.02)
    ]
    assert all((gap > -1e-5).all() for gap in gaps)
    assert gaps[0].mean() > gaps[1].mean() > gaps[2].mean()
    assert gaps[2].mean() < 0.01 * exact.mean()


def test_exact_plans_have_their_margins_over_several_linear_programs() -> None:
    cost, rows, columns = problem(PROBLEMS_AT_ONCE // 10, 11)
    plans = exact_transport(cost.float(), rows.float(), columns.float())
    assert plans.shape == cost.shape
    assert plans.dtype == torch.float32
    torch.testing.assert_close(plans.sum(-1), rows.float())
    torch.testing.assert_close(plans.sum(-2), columns.float())


@pytest.mark.slow
def test_exact_cost_is_that_of_pot() -> None:
    """Its import takes seconds."""
    ot = pytest.importorskip("ot")
    cost, rows, columns = problem(60, frames=8, others=7)
    ours = (exact_transport(cost, rows, columns) * cost).sum((-2, -1))
    theirs = [
        ot.emd2(*(value.numpy() for value in (*given, table)))
        for table, *given in zip(cost, rows, columns, strict=True)
    ]
    torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64), rtol=1e-9, atol=1e-12)


def test_assignment_is_the_best_of_all() -> None:
    cost, *_ = problem(6, frames=4, others=4)
    rows, columns = assignment(cost)
    for table, row, column in zip(cost, rows, columns, strict=True):
        best = min(sum(table[i, place] for i, place in enumerate(order)) for order in permutations(range(4)))
        torch.testing.assert_close(table[row, column].sum(), best)


@pytest.mark.parametrize(("frames", "others"), [(3, 5), (5, 3)])
def test_sets_of_unequal_size_are_matched_in_part(frames: int, others: int) -> None:
    rows, columns = assignment(problem(2, 3, frames=frames, others=others)[0])
    assert rows.shape == columns.shape == (2, 3, 3)
    assert all(len(set(row.tolist())) == 3 for row in columns.flatten(0, 1))


def test_equal_costs_and_empty_masses_stay_finite() -> None:
    cost = torch.zeros(2, 3, 3, requires_grad=True)
    mass = torch.tensor([1.0, 0.0, 0.0]).expand(2, 3).clone().requires_grad_()
    (sinkhorn(cost, mass, mass) * cost).sum().backward()
    assert cost.grad.isfinite().all()
    assert mass.grad.isfinite().all()


@pytest.mark.parametrize(("epsilon", "iterations"), [(0.0, 5), (0.1, 0)])
def test_values_without_a_meaning_are_refused(epsilon: float, iterations: int) -> None:
    with pytest.raises(ValueError, match="both must be positive"):
        sinkhorn(*problem(), epsilon, iterations)


def test_a_problem_without_a_solution_is_refused() -> None:
    cost, rows, columns = problem()
    with pytest.raises(ValueError, match="no optimal transport was found .* costs must be finite and masses positive"):
        exact_transport(cost, rows.index_fill(0, torch.tensor(0), -0.5), columns)
