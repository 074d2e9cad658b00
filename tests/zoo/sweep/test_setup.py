"""The settings of a published row: its backbone, its task, and the small version of a chain."""

from __future__ import annotations

from dataclasses import replace

from manifests.tables import Published
from zoo.experiment.resolve import initial, resolve
from zoo.sweep.setup import PAPERS, Setup, backbone_of, quick_settings, row_settings, smaller, whole_budget

ROW = Published("P", "T", "ntu120", "ntu120_one_shot", "jeanie", "own", 20, 1, 57.0, None, "s")
PLAIN = Published("P", "T", "ntu120", "ntu120_one_shot", "protonet", "own", 20, 1, 57.0, None, "s")


def test_own_is_the_backbone_of_the_recipe_else_that_of_the_protocol() -> None:
    assert backbone_of(ROW, PAPERS) == "jeanie"
    assert backbone_of(PLAIN, PAPERS) == "agcn"
    assert backbone_of(PLAIN, Setup(data="nw_ucla")) == "tcn"
    assert backbone_of(ROW, Setup(["backbone.name=tcn"])) == "tcn"
    (recipe,) = {resolve(ROW.recipe, ROW.split, row_settings(ROW, PAPERS)).backbone.name}
    assert recipe == "jeanie"


def test_a_recipes_own_backbone_keeps_its_options() -> None:
    row = replace(ROW, method="attention", recipe="fully_connected")
    for data in ("", "demo", "nw_ucla"):
        recipe = resolve(row.recipe, data or row.split, row_settings(row, Setup(data=data)))
        assert (recipe.backbone.name, recipe.backbone.options["pooling"]) == ("attention_lstm", "fully_connected")
        assert initial(recipe).backbone == recipe.backbone
    assert row_settings(row, Setup(["backbone.name=agcn"])) == [
        "backbone.name=agcn",
        "task.shot=1",
        "backbone.name=agcn",
    ]


def test_the_small_version_reaches_what_a_recipe_starts_from_and_keeps_its_settings() -> None:
    row = Published("P", "T", "ntu120", "ntu120_one_shot", "crossmodal_text", "agcn", 20, 1, 62.3, None, "s")
    base = row_settings(row, PAPERS)
    small = resolve(row.recipe, row.split, [*base, *quick_settings(resolve(row.recipe, row.split, base))])
    source = initial(small)
    assert (small.budget.episodes, source.budget.epochs, source.method.options["teacher"]) == (200, 2, "text")
    words = smaller(small, whole_budget(row, small, PAPERS))
    assert words == ["200 of 10,000 episodes", "2 of 100 epochs of transfer"]


def test_the_small_version_of_a_stage_has_fewer_epochs_and_never_more() -> None:
    assert quick_settings(resolve("byol", "nw_ucla")) == ["budget.epochs=2"]
    assert quick_settings(resolve("byol", "nw_ucla", ["budget.epochs=1"])) == ["budget.epochs=1"]
