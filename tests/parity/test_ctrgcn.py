"""CTR-GCN against its authors' code: float64, weights filled by rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import authors, check_backbone, error, golden
from helpers.shared import shared

from manifests.facts import layout
from zoo.backbones.ctrgcn import Model, Options, from_authors

LAYOUTS = {"ntu": ("ntu25", 2), "ucla": ("kinect20", 1)}


def made(skeleton_name: str) -> Model:
    name, bodies = LAYOUTS[skeleton_name]
    return Model(layout(name), channels=3, bodies=bodies, options=Options())


def build(skeleton_name: str) -> Model:
    model = made(skeleton_name)
    model.load_state_dict(from_authors(authors(golden(f"backbone_ctrgcn_{skeleton_name}")[1]["keys"])))
    return model


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("skeleton_name", ["ntu", pytest.param("ucla", marks=pytest.mark.slow)])
def test_map_and_gradient(skeleton_name: str, mode: str) -> None:
    check_backbone(build(skeleton_name), skeleton_name, f"backbone_ctrgcn_{skeleton_name}", mode)


@pytest.mark.parametrize("skeleton_name", LAYOUTS)
def test_adjacency_and_size(skeleton_name: str) -> None:
    arrays, about = golden(f"backbone_ctrgcn_{skeleton_name}")
    model = made(skeleton_name)
    assert torch.equal(model.adjacency.mT, torch.from_numpy(arrays["graph_A"]).float())
    classifier = sum(int(np.prod(shape)) for key, (shape, _) in about["keys"].items() if key.startswith("fc."))
    assert sum(parameter.numel() for parameter in model.parameters()) == about["n_params"] - classifier


def test_float32_is_near_float64() -> None:
    with np.load(shared("golden/inputs_backbones.npz")) as inputs:
        clips = torch.from_numpy(inputs["ntu"]).permute(0, 4, 2, 3, 1)
    with torch.no_grad():
        out = build("ntu").eval()(clips).permute(0, 3, 1, 2).reshape(-1)[::31].double().numpy()
    assert error(out, golden("backbone_ctrgcn_ntu")[0]["eval_out_f64_sub"]) < 2e-5
