"""The truncated inverse against autograd through a decomposition, and where that has no gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.parts.spectral import truncated_inverse

NOTHING = torch.zeros(2, dtype=torch.float64)


def gram(*values: float) -> Tensor:
    """Two matrices with these eigenvalues."""
    torch.manual_seed(0)
    turn = torch.linalg.qr(torch.randn(2, len(values), len(values), dtype=torch.float64))[0]
    return turn @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ turn.mT


def plain(matrix: Tensor, dimensions: int) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    kept = vectors[..., -dimensions:]
    return kept / values[..., None, -dimensions:] @ kept.mT


@pytest.mark.parametrize("dimensions", [1, 2, 4])
def test_value_and_gradient_are_those_of_the_decomposition(dimensions: int) -> None:
    matrix = gram(4.0, 3.0, 1.0, 0.5).requires_grad_()
    weight = torch.randn(2, 4, 4, dtype=torch.float64)
    found, expected = truncated_inverse(matrix, dimensions, NOTHING), plain(matrix, dimensions)
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad((value * weight).sum(), matrix)[0] for value in (found, expected))
    torch.testing.assert_close(ours, (theirs + theirs.mT) / 2)


def test_gradient_where_kept_values_are_equal() -> None:
    def symmetric(matrix: Tensor) -> Tensor:
        return truncated_inverse((matrix + matrix.mT) / 2, 2, NOTHING)

    assert torch.autograd.gradcheck(symmetric, gram(2.0, 2.0, 0.5).requires_grad_(), atol=1e-4)


def test_gradient_where_the_subspace_is_not_defined_is_finite() -> None:
    matrix = gram(2.0, 2.0, 2.0).requires_grad_()
    (gradient,) = torch.autograd.grad(truncated_inverse(matrix, 1, NOTHING).sum(), matrix)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("matrix", [torch.zeros(2, 3, 3).double(), gram(1e-9, 1e-9, 1e-12)])
def test_values_below_the_floor_have_no_inverse(matrix: Tensor) -> None:
    matrix = matrix.requires_grad_()
    found = truncated_inverse(matrix, 2, NOTHING + 1e-8)
    (gradient,) = torch.autograd.grad(found.sum(), matrix)
    assert not found.any()
    assert not gradient.any()


def test_what_is_not_finite_does_not_raise() -> None:
    assert truncated_inverse(torch.full((2, 3, 3), torch.nan).double(), 2, NOTHING).shape == (2, 3, 3)
