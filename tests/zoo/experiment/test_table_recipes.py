"""Recipes of the rows of papers' tables: every row has one, and each changes what its row names and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from manifests.facts import published
from zoo.experiment.graph import UnfitBackbone
from zoo.experiment.library import lineage, shipped
from zoo.experiment.resolve import resolve
from zoo.sweep.grid import choices

# The recipe of a row, the recipe that it varies, and the choices in which they differ.
DASTM = [
    ("pairnorm", "dtw", {"backbone.options.pair_norm": "pn"}),
    ("dropedge", "dtw", {"backbone.options.drop_edges": 4}),
    ("dastm_rank", "dastm", {"method.options.activation": "none"}),
    ("dastm_activation", "dastm", {"method.options.regulariser": "none"}),
    (
        "dastm_rank_official",
        "dastm_official",
        {"method.options.activation": "none", "method.options.block": "plain", "method.options.divergence": True},
    ),
    ("dastm_activation_official", "dastm_official", {"method.options.regulariser": "none"}),
    ("protonet_blocks_4", "protonet", {"backbone.options.blocks": 4}),
    ("protonet_blocks_7", "protonet", {"backbone.options.blocks": 7}),
]


def changes(name: str, base: str) -> dict[str, Any]:
    mine, below = choices(resolve(name)), choices(resolve(base))
    assert mine.keys() == below.keys()
    return {key: value for key, value in mine.items() if value != below[key]}


@pytest.mark.parametrize(("name", "base", "expected"), DASTM)
def test_a_row_changes_what_it_names_and_nothing_else(name: str, base: str, expected: dict[str, Any]) -> None:
    assert changes(name, base) == expected
    assert lineage(name) == (name, base)


def test_every_row_of_dastms_tables_has_a_recipe() -> None:
    wanted = {row.recipe for row in published() if row.paper.startswith("DASTM")}
    assert wanted <= set(shipped())


OFF = {f"method.options.{name}": False for name in ("sca", "tsm", "ssa", "tca", "joint_part", "joint_semantic")}
MIXER, AGGREGATION = "method.options.tcm", "method.options.aggregation"
JOINT_ONLY = {"data.streams": ("joint",), "backbone.options.early_fusion": False}


def off(*names: str) -> dict[str, Any]:
    return {key: OFF[key] for key in (f"method.options.{name}" for name in names)}


def metric(**options: str) -> dict[str, Any]:
    return {f"method.options.{key}": value for key, value in options.items()}


PAINET = {
    "tsm": off("sca", "ssa", "tca") | {MIXER: "none"} | JOINT_ONLY,
    "sca_tsm": off("ssa", "tca") | {MIXER: "none"} | JOINT_ONLY,
    "ef_sca_tsm": off("ssa", "tca") | {MIXER: "none"},
    "ef_sca_tsm_tcm": off("ssa", "tca") | {MIXER: "spatial"},
    "tca": off("sca", "tsm", "ssa") | {MIXER: "none"} | JOINT_ONLY,
    "ef_tca": off("sca", "tsm", "ssa") | {MIXER: "none"},
    "ef_tcm_tca": off("sca", "tsm", "ssa"),
    "ef_ssa_tcm_tca": off("sca", "tsm"),
    "self_attention": off("joint_part", "joint_semantic"),
    "mask_self_attention": off("joint_part", "joint_semantic") | {AGGREGATION: "mask"},
    "mask_st_self_attention": off("joint_part", "joint_semantic") | {AGGREGATION: "mask_st"},
    "channel_specific_attention": off("joint_part", "joint_semantic") | {AGGREGATION: "channel_specific"},
    "self_attention_jp": off("joint_semantic"),
    "frame_euclidean": metric(metric="euclidean", unit="frame"),
    "frame_dtw": metric(metric="dtw", unit="frame"),
    "frame_emd": metric(metric="emd", unit="frame"),
    "frame_hungarian": metric(metric="hungarian", unit="frame"),
    "frame_dassm": metric(unit="frame"),
    "pair_hungarian": metric(metric="hungarian"),
}


@pytest.mark.parametrize(("variant", "expected"), PAINET.items())
def test_a_row_of_painet_changes_what_it_names_and_nothing_else(variant: str, expected: dict[str, Any]) -> None:
    assert changes(f"painet_{variant}", "painet") == expected
    assert lineage(f"painet_{variant}") == (f"painet_{variant}", "painet")


def test_every_row_of_painets_tables_has_a_recipe() -> None:
    wanted = {row.recipe for row in published() if row.paper.startswith("PAINet") and row.table != "Table 5"}
    assert wanted <= set(shipped())
    assert {name for name in shipped() if name.startswith("painet_")} == {f"painet_{variant}" for variant in PAINET}


def test_rows_with_early_fusion_need_a_graph_backbone_and_painet_itself_does_not() -> None:
    for name in shipped():
        if name.startswith("painet_ef_"):
            with pytest.raises(UnfitBackbone, match=f"{name} needs a backbone with the option `early_fusion`: agcn"):
                resolve(name, settings=["backbone.name=tcn"])
    assert resolve("painet", settings=["backbone.name=tcn"]).data.streams == ("joint", "bone", "velocity")
