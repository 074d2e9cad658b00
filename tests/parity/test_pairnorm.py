"""PairNorm against its authors' code: values and gradients in float64."""

from __future__ import annotations

import pytest
import torch
from helpers.fill import error, golden

from zoo.backbones._pair_norm import Mode, pair_norm


@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize(("mode", "theirs"), [("pn", "PN"), ("pn_si", "PN-SI"), ("pn_scs", "PN-SCS")])
def test_values_and_gradients(mode: Mode, theirs: str, scale: float) -> None:
    arrays, _ = golden("pairnorm")
    joints = torch.from_numpy(arrays["x"]).double().requires_grad_()
    out = pair_norm(joints, mode, scale)
    gradient = torch.autograd.grad(out.pow(3).sum(), joints)[0]
    assert error(out, arrays[f"{theirs}_s{scale:.0f}_out_f64"]) < 1e-10
    assert error(gradient, arrays[f"{theirs}_s{scale:.0f}_grad_sum_cube_f64"]) < 1e-10
    assert error(pair_norm(joints.detach().float(), mode, scale), arrays[f"{theirs}_s{scale:.0f}_out_f32"]) < 1e-6
