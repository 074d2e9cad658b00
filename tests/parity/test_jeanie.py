"""JEANIE's alignment, block distance and rotation against the authors' code, in float64.

Their first code has the monotone path and the divergence; their rotation turns a clip in place, so that its angles add
up, and is compared with the golden's corrected form. The paper's recursion is tested against its literal version.
"""

from __future__ import annotations

import pytest
import torch
from helpers.fill import error, golden
from torch import Tensor

from zoo.parts.soft_dtw import divergence
from zoo.parts.view_alignment import block_distance, monotone_alignment, rotated, rotations


def costs(first: Tensor, second: Tensor) -> Tensor:
    """(X, T, views, D) of both sides to (X, T, L, views of the first, views of the second)."""
    return block_distance(first[:, :, None, :, :, None, None], second[:, None, :, None, None])


@pytest.mark.parametrize(("precision", "limit"), [("f64", 1e-8), ("f32", 3e-6)])
@pytest.mark.parametrize("gamma", ["1", "0.1", "0.01"])
@pytest.mark.parametrize(("case", "first", "second"), [("a", "X", "Y"), ("b", "X2", "Y2")])
def test_distance(case: str, first: str, second: str, gamma: str, precision: str, limit: float) -> None:
    arrays, _ = golden("jeanie")
    x, y = (torch.from_numpy(arrays[name]).double() for name in (first, second))
    between, of_x, of_y = (monotone_alignment(costs(*pair), float(gamma)) for pair in ((x, y), (x, x), (y, y)))
    assert error(between, arrays[f"dist_{case}_g{gamma}_norm0_{precision}"]) < limit
    assert error(divergence(between, of_x, of_y), arrays[f"dist_{case}_g{gamma}_norm1_{precision}"]) < limit


def test_block_distance() -> None:
    """The golden's view axes are in the order x of both sides, then y of both sides."""
    arrays, _ = golden("jeanie")
    x, y = (torch.from_numpy(arrays[name]).double()[:1] for name in ("X", "Y"))
    assert error(costs(x, y).permute(0, 1, 2, 3, 5, 4, 6), arrays["cost_a_f64"]) < 1e-12


def test_rotation() -> None:
    arrays, _ = golden("jeanie")
    clip = torch.from_numpy(arrays["rot_in"]).double().permute(2, 0, 1)[None, None]
    views = rotated(clip, rotations((-1.0, 0.0, 1.0)))[0, :, 0]
    assert error(views.permute(0, 2, 3, 1).unflatten(0, (3, 3)), arrays["rot_out_corrected_own"]) < 1e-12
