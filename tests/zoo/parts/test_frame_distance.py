"""Frame distances against their definitions, where differences are small and where frames are zero."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.parts.frame_distance import between_all, frame_distance, products

KINDS = ("cosine", "frobenius", "squared_frobenius")


def literal(first: Tensor, second: Tensor, kind: str) -> Tensor:
    one, other = first[..., :, None, :], second[..., None, :, :]
    if kind == "cosine":
        return 1 - torch.cosine_similarity(one, other, dim=-1)
    squared = (one - other).square().sum(-1)
    return squared if kind == "squared_frobenius" else squared.sqrt()


def frames(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("kind", KINDS)
def test_definition(kind: str) -> None:
    first, second = frames(2, 3, 8), frames(2, 4, 8, seed=1)
    values = frame_distance(first, second, kind), literal(first, second, kind)
    torch.testing.assert_close(*values, rtol=1e-7, atol=1e-7)
    weights = torch.linspace(1, 2, values[0].numel(), dtype=torch.float64).view_as(values[0])
    gradients = [torch.autograd.grad((value * weights).sum(), (first, second)) for value in values]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_query_and_class(kind: str) -> None:
    query, support = frames(2, 3, 4, 8), frames(2, 5, 6, 8, seed=1)
    distance = between_all(query, support, kind)
    assert distance.shape == (2, 3, 5, 4, 6)
    torch.testing.assert_close(distance[1, 2, 4], literal(query[1, 2], support[1, 4], kind), rtol=1e-7, atol=1e-7)


def test_products_by_finite_differences() -> None:
    assert torch.autograd.gradcheck(products, (frames(3, 4), frames(2, 4, seed=1)))


def test_small_differences_of_large_frames_in_float32() -> None:
    first, second = 100 + frames(3, 50).detach(), 100 + frames(3, 50, seed=1).detach()
    rough = frame_distance(first.float(), second.float(), "frobenius")
    torch.testing.assert_close(rough.double(), literal(first, second, "frobenius"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_and_zero_frames_have_finite_gradients(kind: str) -> None:
    for value in (0.0, 1.0):
        given = torch.full((2, 4), value, requires_grad=True)
        frame_distance(given, given, kind).sum().backward()
        assert torch.isfinite(given.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_computed_in_float32(kind: str) -> None:
    first, second = frames(3, 8).detach().bfloat16(), frames(3, 8, seed=1).detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        rough = frame_distance(first, second, kind)
    torch.testing.assert_close(rough, frame_distance(first.float(), second.float(), kind))
