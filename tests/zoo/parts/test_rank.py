"""Rank measures against singular values and the loop over frames, and where rank is lacking."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_dastm as plain
from torch import Tensor

from zoo.parts.rank import batch_nuclear_surrogate, normalised_nuclear_norm, nuclear_norm


def maps(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype).requires_grad_()


@pytest.mark.parametrize("shape", [(3, 2, 5, 8), (3, 2, 8, 5), (2, 2, 6, 6)])
@pytest.mark.parametrize(("fast", "slow"), [(nuclear_norm, plain.nuclear), (batch_nuclear_surrogate, plain.surrogate)])
def test_against_the_loop(fast, slow, shape: tuple[int, ...]) -> None:
    given = maps(*shape)
    values = fast(given).mean(), slow(given)
    torch.testing.assert_close(*values, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(value, given)[0] for value in values]
    # With more joints than channels the Gram matrix has zeros, whose roots are known to half the digits only.
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-7)


def test_float32_is_near_float64_when_joints_are_almost_alike() -> None:
    common = torch.randn(1, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    given = (common + 0.01 * maps(10, 16).detach()).requires_grad_()
    rough = given.detach().float().requires_grad_()
    nuclear_norm(given).backward()
    nuclear_norm(rough).backward()
    torch.testing.assert_close(rough.grad.double(), given.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lacking_rank_gives_the_polar_factor_of_what_is_there(rank: int, dtype: torch.dtype) -> None:
    left, right = (
        torch.linalg.qr(maps(6, 6, dtype=dtype).detach()).Q,
        torch.linalg.qr(maps(9, 9, dtype=dtype).detach()).Q,
    )
    given = (left[:, :rank] @ right[:rank]).requires_grad_()
    value = nuclear_norm(given)
    value.backward()
    assert value.item() == pytest.approx(rank, abs=1e-5)
    torch.testing.assert_close(given.grad, given.detach(), rtol=1e-4, atol=1e-5)


def test_normalised_does_not_grow_with_scale() -> None:
    given = maps(4, 5, 8)
    torch.testing.assert_close(normalised_nuclear_norm(given), normalised_nuclear_norm(100 * given))
    value = normalised_nuclear_norm(given)
    assert ((value >= 1) & (value <= 5**0.5)).all()
    slope = (torch.autograd.grad(value.sum(), given)[0] * given).sum((-2, -1))
    assert slope.abs().max() < 1e-10


@pytest.mark.parametrize("measure", [nuclear_norm, normalised_nuclear_norm, batch_nuclear_surrogate])
def test_zeros_and_half_precision(measure) -> None:
    given = torch.zeros(2, 4, 8, requires_grad=True)
    value = measure(given)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(given.grad).all()
    rough = maps(2, 4, 8).detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = measure(rough)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, measure(rough.float()))
