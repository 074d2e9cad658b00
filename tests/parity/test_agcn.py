"""2s-AGCN against its authors' code: float64, weights filled by rule."""

from __future__ import annotations

import pytest
import torch
from helpers.fill import authors, check_backbone, golden
from helpers.golden_layouts import skeleton

from zoo.backbones.agcn import Model, Options, from_authors


def build(name: str, skeleton_name: str) -> Model:
    theirs = {key: value.double() for key, value in authors(golden(name)[1]["keys"]).items()}
    model = Model(skeleton(skeleton_name), channels=3, bodies=2, options=Options()).double()
    model.load_state_dict(from_authors(theirs) | {"adjacency": model.adjacency})
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
