"""Recipes of the rows of papers' tables: every row has one, and each changes what its row names and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from manifests.facts import published
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
