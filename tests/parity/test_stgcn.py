"""ST-GCN against the code of DASTM and of its own authors: float64, weights filled by rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import authors, check_backbone, error, golden
from helpers.golden_layouts import skeleton
from helpers.shared import shared

from zoo.backbones.stgcn import Model, Options, from_authors


def build(name: str, skeleton_name: str, options: Options) -> Model:
    model = Model(skeleton(skeleton_name), channels=3, bodies=2, options=options)
    model.load_state_dict(from_authors(authors(golden(name)[1]["keys"])) | {"adjacency": model.adjacency})
    return model


DASTM = Options(dropout=0.0)
ORIGINAL = Options(dropout=0.0, edge_importance=True)


@pytest.mark.parametrize(
    ("name", "skeleton_name", "options", "mode"),
    [
        ("backbone_stgcn_dastm_ntu", "ntu", DASTM, "train"),
        ("backbone_stgcn_orig_ntu", "ntu", ORIGINAL, "eval"),
        ("backbone_stgcn_dastm_ntu", "ntu", DASTM, "eval"),
        ("backbone_stgcn_orig_ntu", "ntu", ORIGINAL, "train"),
        pytest.param("backbone_stgcn_dastm_openpose", "openpose", DASTM, "eval", marks=pytest.mark.slow),
        pytest.param("backbone_stgcn_dastm_openpose", "openpose", DASTM, "train", marks=pytest.mark.slow),
    ],
)
def test_map_gradient_and_running_statistics(name: str, skeleton_name: str, options: Options, mode: str) -> None:
    check_backbone(build(name, skeleton_name, options), skeleton_name, name, mode)


@pytest.mark.parametrize(("name", "parameters"), [("ntu", 3_064_662), ("openpose", 3_064_620)])
def test_adjacency_and_size(name: str, parameters: int) -> None:
    model = Model(skeleton(name), channels=3, bodies=2, options=DASTM)
    assert torch.equal(model.adjacency, torch.from_numpy(golden(f"backbone_stgcn_dastm_{name}")[0]["graph_A"]))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_edge_importance_adds_its_parameters() -> None:
    model = Model(skeleton("ntu"), channels=3, bodies=2, options=ORIGINAL)
    assert sum(parameter.numel() for parameter in model.parameters()) == 3_083_412


def test_float32_is_near_float64() -> None:
    arrays, _ = golden("backbone_stgcn_dastm_ntu")
    with np.load(shared("golden/inputs_backbones.npz")) as inputs:
        clips = torch.from_numpy(inputs["ntu"]).permute(0, 4, 2, 3, 1)
    model = build("backbone_stgcn_dastm_ntu", "ntu", DASTM).eval()
    with torch.no_grad():
        out = model(clips).permute(0, 3, 1, 2).reshape(-1)[::31].double().numpy()
    assert error(out, arrays["eval_out_f64_sub"]) < 2e-5
