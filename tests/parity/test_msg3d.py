"""MS-G3D against its authors' code and DASTM's copy of it: float64, weights filled by rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import authors, check_backbone, error, golden
from helpers.golden_layouts import skeleton
from helpers.shared import shared

from zoo.backbones.msg3d import Model, Options, from_authors

DASTM, FULL = Options(), Options(form="full")


def build(name: str, skeleton_name: str, options: Options) -> Model:
    model = Model(skeleton(skeleton_name), channels=3, bodies=2, options=options)
    model.load_state_dict(from_authors(authors(golden(name)[1]["keys"])))
    return model


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize(
    ("name", "skeleton_name", "options"),
    [
        ("backbone_msg3d_dastm_ntu", "ntu", DASTM),
        pytest.param("backbone_msg3d_dastm_openpose", "openpose", DASTM, marks=pytest.mark.slow),
        ("backbone_msg3d_full_ntu", "ntu", FULL),
    ],
)
@pytest.mark.slow
def test_map_and_gradient(name: str, skeleton_name: str, options: Options, mode: str) -> None:
    check_backbone(build(name, skeleton_name, options), skeleton_name, name, mode)


@pytest.mark.parametrize(
    ("name", "skeleton_name", "options"),
    [
        ("backbone_msg3d_dastm_ntu", "ntu", DASTM),
        ("backbone_msg3d_dastm_openpose", "openpose", DASTM),
        ("backbone_msg3d_full_ntu", "ntu", FULL),
    ],
)
def test_size_is_that_of_the_authors_without_their_classifier(name: str, skeleton_name: str, options: Options) -> None:
    about = golden(name)[1]
    classifier = sum(int(np.prod(shape)) for key, (shape, _) in about["keys"].items() if key.startswith("fc."))
    model = Model(skeleton(skeleton_name), channels=3, bodies=2, options=options)
    assert sum(parameter.numel() for parameter in model.parameters()) == about["n_params"] - classifier


@pytest.mark.parametrize(("skeleton_name", "parameters"), [("ntu", 3_171_495), ("openpose", 2_990_328)])
def test_size_of_the_full_network(skeleton_name: str, parameters: int) -> None:
    model = Model(skeleton(skeleton_name), channels=3, bodies=2, options=FULL)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_adjacencies() -> None:
    """The authors' are stacked scale after scale; all are symmetric."""
    model, arrays = Model(skeleton("ntu"), channels=3, bodies=2, options=FULL), golden("backbone_msg3d_full_ntu")[0]
    names = ("graph_gcn_A_powers_sgcn1", "graph_g3d_A_scales_w3", "graph_g3d_A_scales_w5")
    for graphs, name in zip(model.graphs(), names, strict=True):
        assert torch.equal(graphs.flatten(0, 1), torch.from_numpy(arrays[name]))
        assert torch.equal(graphs, graphs.mT)


def test_float32_is_near_float64() -> None:
    arrays, _ = golden("backbone_msg3d_dastm_ntu")
    with np.load(shared("golden/inputs_backbones.npz")) as inputs:
        clips = torch.from_numpy(inputs["ntu"]).permute(0, 4, 2, 3, 1)
    model = build("backbone_msg3d_dastm_ntu", "ntu", DASTM).eval()
    with torch.no_grad():
        out = model(clips).permute(0, 3, 1, 2).reshape(-1)[::31].double().numpy()
    assert error(out, arrays["eval_out_f64_sub"]) < 2e-5
