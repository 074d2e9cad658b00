"""Every row of PAINet's Table 4 against its words, one clip at a time; bi-MHM against loops."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_dastm, plain_tuples
from helpers import plain_metrics as plain
from torch import Tensor

from zoo.parts.set_metric import cross_reference, mean_hausdorff, set_distance, unit_distance
from zoo.parts.transport import exact_transport, sinkhorn

ROWS = [
    ("euclidean", "frame"),
    ("dtw", "frame"),
    ("emd", "frame"),
    ("emd", "pair"),
    ("hungarian", "frame"),
    ("hungarian", "pair"),
    ("dassm", "frame"),
    ("dassm", "pair"),
]


def clips(shots: int = 3, frames: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A query (T, D) and supports (K, T, D)."""
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    return torch.randn(frames, 6, **draw).requires_grad_(), torch.randn(shots, frames, 6, **draw).requires_grad_()


def squared(query: Tensor, support: Tensor) -> Tensor:
    return plain_tuples.squared_distances(query, support)


def literal(metric: str, unit: str, query: Tensor, support: Tensor) -> Tensor:
    """The row's distance to one class, shot by shot."""
    costs = [plain.distances(query, shot, unit) for shot in support]
    if metric == "dassm":
        return torch.cat(costs, dim=1).min(1).values.mean()
    if metric == "euclidean":
        values = [sum(cost[i, i] for i in range(len(cost))) / len(cost) for cost in costs]
    elif metric == "dtw":
        values = [plain_dastm.soft_dtw(cost, 0.01) / len(cost) for cost in costs]
    else:
        # Uniform masses on equal counts: the exact plan is an assignment.
        values = []
        for cost in costs:
            mass = torch.full((len(cost),), 1 / len(cost), dtype=cost.dtype)
            values.append((exact_transport(cost, mass, mass) * cost).sum())
    return torch.stack(values).mean()


@pytest.mark.parametrize(("metric", "unit"), ROWS)
def test_rows_of_table_4_and_their_gradients(metric: str, unit: str) -> None:
    query, support = clips()
    ours, theirs = set_distance(squared(query, support), metric, unit), literal(metric, unit, query, support)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)
    gradients = [torch.autograd.grad(value, (query, support)) for value in (ours, theirs)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("unit", ["frame", "pair"])
def test_transport_of_uniform_masses_is_the_assignment(unit: str) -> None:
    table = squared(*clips(frames=6)).expand(4, 3, 6, 6)
    emd, hungarian = (set_distance(table, metric, unit) for metric in ("emd", "hungarian"))
    torch.testing.assert_close(emd, hungarian, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("exact", [True, False])
def test_transport_with_the_masses_of_deepemd(exact: bool) -> None:
    query, support = clips()
    masses = cross_reference(query[None], support)
    found = set_distance(squared(query, support), "emd", "frame", masses=masses, exact=exact)
    values = []
    for shot in support:
        cost = plain.distances(query, shot, "frame")
        own, other = plain.resemblance(query, shot), plain.resemblance(shot, query)
        plan = exact_transport(cost, own, other) if exact else plain.plan(cost, own, other, 0.05, 50)
        values.append((plan * cost).sum())
    torch.testing.assert_close(found, torch.stack(values).mean())


def test_training_has_a_gradient_through_the_masses_and_evaluation_has_none() -> None:
    query, support = (value.detach() for value in clips())
    masses = [mass.requires_grad_() for mass in cross_reference(query.expand(3, -1, -1), support)]
    table = squared(query, support).requires_grad_()
    soft = set_distance(table, "emd", "frame", masses=tuple(masses), exact=False)
    assert all(part.abs().sum() > 0 for part in torch.autograd.grad(soft, (table, *masses)))
    exact = set_distance(table, "emd", "frame", masses=tuple(masses), exact=True)
    gradients = torch.autograd.grad(exact, (table, *masses), allow_unused=True)
    assert gradients[0].abs().sum() > 0
    assert gradients[1:] == (None, None)
    assert abs(soft - exact) < 0.1 * exact


def test_costs_above_the_threshold_are_cut() -> None:
    table = squared(*clips(shots=1)).detach()
    cost = unit_distance(table, "frame")
    cut = torch.minimum(cost, cost.flatten(-2).quantile(0.3))
    found = set_distance(table, "hungarian", "frame", threshold=0.3)
    torch.testing.assert_close(found, set_distance(cut.square(), "hungarian", "frame"))
    assert found < set_distance(table, "hungarian", "frame")


@pytest.mark.parametrize(("metric", "unit"), ROWS)
def test_leading_axes_are_kept_and_half_precision_becomes_float32(metric: str, unit: str) -> None:
    table = torch.rand(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    found = set_distance(table, metric, unit)
    assert found.shape == (2, 3)
    torch.testing.assert_close(found[1, 2], set_distance(table[1, 2], metric, unit))
    assert set_distance(table.bfloat16(), metric, unit).dtype == torch.float32


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("metric", "unit"), ROWS)
def test_clips_that_are_equal_have_a_finite_gradient(metric: str, unit: str, exact: bool) -> None:
    query = torch.zeros(4, 6, requires_grad=True)
    set_distance(squared(query, torch.zeros(2, 4, 6)), metric, unit, exact=exact).backward()
    assert query.grad.isfinite().all()


def test_masses_of_zeros_are_uniform() -> None:
    own, other = cross_reference(torch.zeros(2, 4, 6), torch.zeros(2, 5, 6))
    assert torch.equal(own, torch.full((2, 4), 0.25))
    torch.testing.assert_close(other, torch.full((2, 5), 0.2))


def test_sinkhorn_is_what_training_uses() -> None:
    table = squared(*clips(shots=1)).detach()
    mass = torch.full((1, 5), 0.2, dtype=torch.float64)
    plan = sinkhorn(unit_distance(table, "frame"), mass, mass)
    torch.testing.assert_close(
        set_distance(table, "emd", "frame", exact=False), (plan * table.sqrt()).sum((-2, -1)).mean(-1)
    )


def test_bidirectional_hausdorff_and_its_consistency() -> None:
    cost = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    means = torch.stack([plain.mean_hausdorff(table) for table in cost])
    rises = torch.stack([plain.consistency(table) for table in cost])
    torch.testing.assert_close(mean_hausdorff(cost, "mean"), means)
    torch.testing.assert_close(mean_hausdorff(cost, "mean", 0.1), means + 0.1 * rises)
    torch.testing.assert_close(mean_hausdorff(cost, "sum"), cost.min(-1).values.sum(-1) + cost.min(-2).values.sum(-1))


@pytest.mark.parametrize(
    ("metric", "unit", "shape", "options", "words"),
    [
        ("euclidean", "pair", (1, 3, 3), {}, "metric is euclidean, .* unit must be frame, not pair"),
        ("dtw", "pair", (1, 3, 3), {}, "metric is dtw, which compares frames in their order"),
        ("euclidean", "frame", (1, 3, 4), {}, "metric is euclidean, but clips have 3 and 4 frames; use dtw"),
        ("hungarian", "pair", (1, 1, 3), {}, "pairs of frames need at least 2"),
        ("dassm", "pair", (1, 1, 3), {}, "pairs of frames need at least 2"),
        ("hungarian", "frame", (1, 3, 3), {"threshold": 0.0}, "threshold is 0.0; it must be a quantile"),
    ],
)
def test_what_a_metric_cannot_take_is_refused(
    metric: str, unit: str, shape: tuple[int, ...], options: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        set_distance(torch.zeros(shape), metric, unit, **options)
