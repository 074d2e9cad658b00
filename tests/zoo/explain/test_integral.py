"""Integrated gradients on scorers whose answers are known in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.explain import _support
from zoo.explain._integral import TOLERANCE, integrated_gradients

WEIGHTS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])


def linear(points: Tensor) -> Tensor:
    return points @ WEIGHTS.T


def cubic(points: Tensor) -> Tensor:
    return torch.stack([points.pow(3).sum(-1), points.prod(-1)], dim=-1)


def test_a_linear_score_is_shared_out_by_its_weights() -> None:
    point, baseline = torch.tensor([3.0, 1.0, 5.0]), torch.tensor([1.0, 1.0, 0.0])
    found = integrated_gradients(linear, point, baseline, 0)
    torch.testing.assert_close(found.values, torch.tensor([2.0, 0.0, 0.0]))
    assert (found.total, found.difference) == (pytest.approx(2), pytest.approx(2))


def test_the_sum_is_the_difference_of_the_logits() -> None:
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(3, 40), torch.nn.ReLU(), torch.nn.Linear(40, 4))
    for scorer in (cubic, network):
        point, baseline = torch.randn(2, 3, generator=generator)
        found = integrated_gradients(scorer, point, baseline, 1)
        assert found.error <= TOLERANCE
        with torch.no_grad():
            ends = scorer(torch.stack([point, baseline]))[:, 1]
        assert found.difference == pytest.approx(float(ends[0] - ends[1]), rel=1e-5, abs=1e-6)
        assert found.total == pytest.approx(found.difference, rel=TOLERANCE)


def test_a_missing_library_names_the_extra() -> None:
    with pytest.raises(_support.MissingLibrary, match=r"no_such is not installed .*pip install 'fewshot-skeleton\[fig"):
        _support.library("no_such.thing")
