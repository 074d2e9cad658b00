"""soft-DTW against the kernels of DASTM and Maghoumi, and hard DTW against a plain loop, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import error, golden

from zoo.parts.frame_distance import frame_distance
from zoo.parts.soft_dtw import divergence, soft_dtw

GAMMAS = ("1", "0.1", "0.01")
SIZES = ("8x8", "13x13", "15x11", "30x30")


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("size", SIZES)
def test_value_and_gradient(size: str, gamma: str) -> None:
    arrays, _ = golden("soft_dtw")
    cost = torch.from_numpy(arrays[f"D_{size}"]).double().requires_grad_()
    value = soft_dtw(cost, float(gamma))
    assert error(value, arrays[f"val64_{size}_g{gamma}"]) < 1e-11
    assert error(torch.autograd.grad(value.sum(), cost)[0], arrays[f"E64_{size}_g{gamma}"]) < 1e-11


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("size", SIZES)
def test_a_band_of_three(size: str, gamma: str) -> None:
    """Maghoumi's `bandwidth`; 15 frames and 11 have no path in it, and its code gives infinity."""
    arrays, _ = golden("soft_dtw")
    cost = torch.from_numpy(arrays[f"D_{size}"]).double()
    if size == "15x11":
        assert f"val64_bw3_{size}_g{gamma}" not in arrays
        with pytest.raises(ValueError, match="bandwidth is 3, but an alignment of 15 frames with 11"):
            soft_dtw(cost, float(gamma), bandwidth=3)
    else:
        assert error(soft_dtw(cost, float(gamma), bandwidth=3), arrays[f"val64_bw3_{size}_g{gamma}"]) < 1e-11


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("size", SIZES)
def test_float32(size: str, gamma: str) -> None:
    arrays, _ = golden("soft_dtw")
    cost = torch.from_numpy(arrays[f"D_{size}"]).requires_grad_()
    value = soft_dtw(cost, float(gamma))
    share = torch.autograd.grad(value.sum(), cost)[0].numpy()
    for name in ("val64", "val32_dastm", "val32_maghoumi"):
        assert error(value, arrays[f"{name}_{size}_g{gamma}"]) < 1e-6
    assert np.abs(share - arrays[f"E64_{size}_g{gamma}"]).max() < 2e-6 / float(gamma)


@pytest.mark.parametrize("size", SIZES)
def test_hard_value_and_path(size: str) -> None:
    arrays, _ = golden("soft_dtw")
    cost = torch.from_numpy(arrays[f"D_{size}"]).double().requires_grad_()
    value = soft_dtw(cost, gamma=0.0)
    assert error(value, arrays[f"hard_{size}"]) < 1e-11
    assert np.array_equal(torch.autograd.grad(value.sum(), cost)[0], arrays[f"hardpath_{size}"])


@pytest.mark.parametrize("form", ["raw", "div"])
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("frames", [8, 13, 30])
@pytest.mark.parametrize(("theirs", "ours"), [("dastm_cos", "cosine"), ("maghoumi_sqeuc", "squared_frobenius")])
def test_of_sequences(theirs: str, ours: str, frames: int, gamma: str, form: str) -> None:
    arrays, _ = golden("soft_dtw")

    def of_two(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        def between(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return soft_dtw(frame_distance(one, other, ours), float(gamma))

        return divergence(between(x, y), between(x, x), between(y, y)) if form == "div" else between(x, y)

    x, y = (torch.from_numpy(arrays[f"{name}_{frames}"]) for name in "XY")
    assert error(of_two(x, y), arrays[f"{theirs}_T{frames}_g{gamma}_{form}_f32"]) < 1e-5
    x = x.double().requires_grad_()
    value = of_two(x, y.double())
    assert error(value, arrays[f"{theirs}_T{frames}_g{gamma}_{form}_f64"]) < 1e-8
    gradient = torch.autograd.grad(value.sum(), x)[0][:1]
    assert error(gradient, arrays[f"{theirs}_gradX_T{frames}_g{gamma}_{form}_f64"]) < 1e-8
