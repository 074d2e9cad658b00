"""PairNorm: the formulas written out, joint by joint, and its place before the batch normalisation of every block."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from manifests.facts import layout
from zoo import registry
from zoo.backbones._pair_norm import Mode, PairNorm, pair_norm

MODES: tuple[Mode, ...] = ("pn", "pn_si", "pn_scs")


def literal(joints: Tensor, mode: Mode, scale: float) -> Tensor:
    """PairNorm of one graph (V, C)."""
    count = len(joints)
    mean = sum(joints) / count
    centred = [joint - mean for joint in joints]
    norms = [sum(number**2 for number in joint) for joint in centred]
    if mode == "pn":
        return torch.stack([scale * joint / (1e-6 + sum(norms) / count) ** 0.5 for joint in centred])
    if mode == "pn_si":
        return torch.stack([scale * joint / (1e-6 + norm) ** 0.5 for joint, norm in zip(centred, norms, strict=True)])
    return torch.stack([scale * joint / (1e-6 + joint.square().sum()) ** 0.5 - mean for joint in joints])


@pytest.mark.parametrize("mode", MODES)
def test_statistics_are_those_of_one_clip_and_frame(mode: Mode) -> None:
    maps = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    out = pair_norm(maps, mode, 2.0)
    for clip in range(2):
        for frame in range(3):
            torch.testing.assert_close(out[clip, frame], literal(maps[clip, frame], mode, 2.0))


def test_none_returns_the_maps() -> None:
    maps = torch.randn(1, 2, 3, 4)
    assert pair_norm(maps, "none", 5.0) is maps


@pytest.mark.parametrize("mode", MODES)
def test_joints_without_differences_are_finite(mode: Mode) -> None:
    maps = torch.zeros(1, 1, 5, 4, requires_grad=True)
    out = pair_norm(maps, mode, 1.0)
    out.sum().backward()
    assert out.eq(0).all()
    assert torch.isfinite(maps.grad).all()


def test_half_precision_is_computed_in_float32() -> None:
    maps = torch.randn(2, 3, 25, 64) * 100
    out = pair_norm(maps.bfloat16(), "pn", 1.0)
    assert out.dtype == torch.bfloat16
    assert (out.float() - pair_norm(maps.bfloat16().float(), "pn", 1.0)).abs().max() < 0.01


@pytest.mark.parametrize("name", ["agcn", "stgcn"])
def test_every_block_has_one_right_before_a_batch_normalisation(name: str) -> None:
    """The layers are recorded in the order in which they run."""
    entry = registry.backbone(name)
    model = entry.model(layout("ntu25"), 3, 1, entry.options(pair_norm="pn", pair_norm_scale=7.0)).eval()
    order: list[nn.Module] = []
    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(lambda module, given, out: order.append(module))
    with torch.no_grad():
        model(torch.randn(1, 1, 8, 25, 3))
    places = [index for index, module in enumerate(order) if isinstance(module, PairNorm)]
    assert len(places) == len(model.blocks)
    assert all(isinstance(order[place + 1], nn.BatchNorm2d) for place in places)
    assert {order[place].scale for place in places} == {7.0}
