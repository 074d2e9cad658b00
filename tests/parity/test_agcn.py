"""2s-AGCN against its authors' code: float64, weights filled by rule."""

from __future__ import annotations

import pytest
import torch
from helpers.fill import authors, check_backbone, golden, prefixed
from helpers.golden_layouts import skeleton
from torch import Tensor

from zoo.backbones.agcn import Model, Options


def joined(theirs: dict[str, Tensor], unit: str) -> dict[str, Tensor]:
    """Three 1x1 convolutions per role at the authors' are one linear map here."""
    pairs = [f"{unit}.{role}.{index}" for role in ("conv_a", "conv_b") for index in range(3)]
    outs = [f"{unit}.conv_d.{index}" for index in range(3)]
    return {
        "pair.weight": torch.cat([theirs[f"{key}.weight"][:, :, 0, 0] for key in pairs]),
        "pair.bias": torch.cat([theirs[f"{key}.bias"] for key in pairs]),
        "maps.weight": torch.cat([theirs[f"{key}.weight"][:, :, 0, 0] for key in outs], dim=1),
        "maps.bias": torch.stack([theirs[f"{key}.bias"] for key in outs]).double().sum(0).float(),
        "learnt": theirs[f"{unit}.PA"],
    }


def build(name: str, skeleton_name: str) -> Model:
    theirs = authors(golden(name)[1]["keys"])
    ours = prefixed(theirs, "data_bn", "norm")
    biases = {}
    for index in range(10):
        layer, block = f"l{index + 1}", f"blocks.{index}"
        for their, our in (
            ("gcn1.bn", "joints.norm"),
            ("gcn1.down.0", "joints.shortcut.0"),
            ("gcn1.down.1", "joints.shortcut.1"),
            ("tcn1.conv", "frames.0"),
            ("tcn1.bn", "frames.1"),
            ("residual.conv", "shortcut.0"),
            ("residual.bn", "shortcut.1"),
        ):
            ours |= prefixed(theirs, f"{layer}.{their}", f"{block}.{our}")
        ours |= {f"{block}.joints.{key}": value for key, value in joined(theirs, f"{layer}.gcn1").items()}
        biases[f"{block}.joints.maps.bias"] = sum(
            theirs[f"{layer}.gcn1.conv_d.{part}.bias"].double() for part in range(3)
        )
    model = Model(skeleton(skeleton_name), channels=3, bodies=2, options=Options()).double()
    model.load_state_dict(ours | biases | {"adjacency": model.adjacency})
    return model


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("skeleton_name", ["ntu", pytest.param("openpose", marks=pytest.mark.slow)])
def test_map_gradient_and_running_statistics(skeleton_name: str, mode: str) -> None:
    name = f"backbone_agcn_{skeleton_name}"
    check_backbone(build(name, skeleton_name), skeleton_name, name, mode)


@pytest.mark.parametrize(("name", "parameters"), [("ntu", 3_454_090), ("openpose", 3_444_976)])
def test_adjacency_and_size(name: str, parameters: int) -> None:
    model = Model(skeleton(name), channels=3, bodies=2, options=Options())
    assert torch.equal(model.adjacency, torch.from_numpy(golden(f"backbone_agcn_{name}")[0]["graph_A"]))
    # The authors keep three output biases where their sum is what counts: 2 * width fewer here, in every block.
    merged = 2 * sum((64,) * 4 + (128,) * 3 + (256,) * 3)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters - merged
