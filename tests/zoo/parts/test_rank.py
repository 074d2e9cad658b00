"""Rank measures against singular values and the loop over frames, and where rank is lacking."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_dastm as plain
from torch import Tensor

from zoo.parts.rank import (
    batch_nuclear_surrogate,
    inverse_root,
    inverse_root_by_eigenvalues,
    normalised_nuclear_norm,
    nuclear_norm,
)


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


def with_singular_values(values: Tensor, joints: int, channels: int) -> Tensor:
    """Six random float64 matrices, joints x channels, with these singular values."""
    generator = torch.Generator().manual_seed(3)
    left, right = (torch.linalg.qr(torch.randn(6, n, n, generator=generator).double()).Q for n in (joints, channels))
    return (left[:, :, : len(values)] * values) @ right[:, : len(values)]


def by_singular_values(given: Tensor) -> tuple[Tensor, Tensor]:
    """The nuclear norm and the polar factor without what is below 1e-6 of the largest, from LAPACK in float64."""
    left, values, right = torch.linalg.svd(given.double(), full_matrices=False)
    kept = (values > 1e-6 * values[..., :1]).double()
    return (values * kept).sum(-1), (left * kept[..., None, :]) @ right


SPECTRA = {
    "equal": torch.ones,
    "spread": lambda count: torch.linspace(0.1, 1, count),
    "one large": lambda count: torch.full((count,), 1e-2).index_fill(0, torch.tensor([0]), 1.0),
    "a thousandth": lambda count: torch.logspace(0, -3, count),
}


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("joints", "channels"), [(8, 8), (25, 32), (25, 8)])
@pytest.mark.parametrize("spectrum", list(SPECTRA))
def test_newton_schulz_against_singular_values(spectrum: str, joints: int, channels: int, scale: float) -> None:
    given = scale * with_singular_values(SPECTRA[spectrum](min(joints, channels)).double(), joints, channels)
    for dtype, rtol, atol in ((torch.float64, 1e-8, 1e-5), (torch.float32, 2e-7, 2e-5)):
        maps = given.to(dtype).requires_grad_()
        value = nuclear_norm(maps, newton_schulz=True)
        (factor,) = torch.autograd.grad(value.sum(), maps)
        expected = by_singular_values(maps.detach())
        torch.testing.assert_close(value.double(), expected[0], rtol=rtol, atol=0)
        torch.testing.assert_close(factor.double(), expected[1], rtol=0, atol=atol)


@pytest.mark.parametrize(("smallest", "off"), [(1e-4, 1e-5), (1e-5, 1e-4), (1e-6, 1e-2)])
def test_newton_schulz_is_damped_where_a_matrix_is_almost_singular(smallest: float, off: float) -> None:
    maps = with_singular_values(torch.tensor([1.0, 0.5, smallest]).double(), 25, 40).requires_grad_()
    value = nuclear_norm(maps, newton_schulz=True)
    (factor,) = torch.autograd.grad(value.sum(), maps)
    left, _, right = torch.linalg.svd(maps.detach(), full_matrices=False)
    torch.testing.assert_close(value, torch.full_like(value, 1.5 + smallest), rtol=1e-8, atol=0)
    assert (factor - left[..., :3] @ right[..., :3, :]).abs().max() < off


@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_newton_schulz_where_rank_is_lacking(rank: int, dtype: torch.dtype) -> None:
    given = with_singular_values(torch.ones(rank).double(), 25, 40).to(dtype).requires_grad_()
    value = nuclear_norm(given, newton_schulz=True)
    (factor,) = torch.autograd.grad(value.sum(), given)
    assert value.tolist() == pytest.approx([rank] * 6, abs=1e-6)
    # Rounding to float32 is a rank of its own, a hundred millionth in size; less than a tenth of its factor is left.
    torch.testing.assert_close(factor, given.detach(), rtol=0, atol=0.1 if dtype == torch.float32 else 1e-6)


def test_newton_schulz_and_eigenvalues_agree_on_maps_after_a_rectifier() -> None:
    given = maps(2, 3, 25, 64).detach().relu().float()
    results = []
    for newton_schulz in (True, False):
        own = given.clone().requires_grad_()
        value = nuclear_norm(own, newton_schulz)
        results.append((value, torch.autograd.grad(value.sum(), own)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-6, atol=1e-6)


def test_newton_schulz_takes_zeros_half_precision_and_a_single_matrix() -> None:
    zeros = torch.zeros(2, 4, 8, requires_grad=True)
    value = nuclear_norm(zeros, newton_schulz=True)
    value.sum().backward()
    assert value.tolist() == [0, 0]
    assert zeros.grad.count_nonzero() == 0
    rough = maps(4, 8).detach().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        value = nuclear_norm(rough, newton_schulz=True)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, nuclear_norm(rough.float()))


def test_inverse_roots_agree_on_one_matrix_and_on_many() -> None:
    given = maps(3, 2, 6, 9).detach()
    gram = given @ given.mT
    for each in (gram, gram[0, 0]):
        torch.testing.assert_close(inverse_root(each, 1e-14), inverse_root_by_eigenvalues(each, 1e-14))


@pytest.mark.gpu
def test_on_a_gpu_nothing_waits_and_the_result_is_that_of_the_cpu() -> None:
    given = maps(40, 25, 256).detach().float()
    own, other = given.clone().requires_grad_(), given.cuda().requires_grad_()
    nuclear_norm(own).sum().backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = nuclear_norm(other)
        value.sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(value.cpu(), nuclear_norm(given))
    torch.testing.assert_close(other.grad.cpu(), own.grad, rtol=1e-4, atol=1e-5)
