"""The boundary search on scorers whose boundary is known in closed form, and on a network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.explain._boundary import SEARCHES, STEP, Adam, Search, boundary_point
from zoo.explain._integral import TOLERANCE, integrated_gradients

WEIGHTS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
POINT = torch.tensor([3.0, 1.0, 0.5])
MEAN_SQUARE = float(POINT.square().mean())


def linear(points: Tensor) -> Tensor:
    return points @ WEIGHTS.T


def curved(points: Tensor) -> Tensor:
    """Another answer outside an ellipse whose long axis is that of the steepest ascent at first."""
    x, y = points[..., 0], points[..., 1]
    return torch.stack([torch.full_like(x, 4.0), (x / 2).square() + (1.9 * y).square() + 0.1 * x], dim=-1)


@pytest.mark.parametrize("search", SEARCHES)
def test_the_boundary_point_is_the_nearest_one_with_another_answer(search: Search) -> None:
    found = boundary_point(linear, POINT, -10.0, 10.0, search)
    assert found is not None
    # The boundary is the plane x = 2 y, whose nearest point is the projection.
    normal = torch.tensor([1.0, -2.0, 0.0])
    nearest = POINT - normal * (normal @ POINT) / normal.square().sum()
    assert int(linear(found.point[None])[0].argmax()) == 1
    torch.testing.assert_close(found.point, nearest, atol=0.04, rtol=0)
    assert found.distance == pytest.approx(float((found.point - POINT).norm()) / MEAN_SQUARE**0.5)


def test_the_search_of_carlini_and_wagner_is_nearer_where_ascent_goes_astray() -> None:
    point = torch.tensor([0.6, 0.001])
    far, near, closest = (boundary_point(curved, point, -5.0, 5.0, search) for search in SEARCHES[1:] + SEARCHES[:1])
    for found in (far, near, closest):
        assert found is not None
        assert int(curved(found.point[None])[0].argmax()) == 1
    # The boundary is nearest on the short axis, at y of about 2 / 1.9.
    assert near.distance < 0.9 * far.distance
    assert (closest.distance, closest.search) == (near.distance, "carlini_wagner")
    assert abs(float(near.point[1])) == pytest.approx(2 / 1.9, abs=0.1)


@pytest.mark.slow
def test_points_of_a_network_are_across_its_boundary_and_complete() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(12, 40), torch.nn.Tanh(), torch.nn.Linear(40, 4))
    point = torch.randn(12)
    given = int(network(point[None])[0].argmax())
    distances = []
    for search in SEARCHES:
        found = boundary_point(network, point, -3.0, 3.0, search)
        assert found is not None
        assert int(network(found.point[None])[0].argmax()) != given
        assert float(found.point.abs().max()) <= 3
        assert integrated_gradients(network, point, found.point, given).error <= TOLERANCE
        distances.append(found.distance)
    assert distances[0] == min(distances)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("search", SEARCHES)
def test_a_saturated_softmax_still_has_a_boundary(search: Search) -> None:
    assert boundary_point(lambda points: 1e4 * linear(points), POINT, -10.0, 10.0, search) is not None


def test_without_another_answer_there_is_no_boundary() -> None:
    def fixed(points: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]) + 0 * points.sum(-1, keepdim=True)

    assert boundary_point(fixed, POINT, -10.0, 10.0) is None


@pytest.mark.slow
def test_adam_is_that_of_torch() -> None:
    weight = torch.zeros(5, requires_grad=True)
    theirs, mine, ours = torch.optim.Adam([weight], lr=STEP), torch.zeros(5), Adam(torch.zeros(5), torch.zeros(5))
    for gradient in torch.randn(20, 5, generator=torch.Generator().manual_seed(0)):
        weight.grad = gradient
        theirs.step()
        mine = mine - ours.step(gradient)
    torch.testing.assert_close(mine, weight.detach())
