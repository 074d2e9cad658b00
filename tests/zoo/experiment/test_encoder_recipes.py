"""Recipes that answer with the nearest exemplar in features of a classifier: nothing of the test reaches training."""

from __future__ import annotations

import pytest

from zoo.experiment.recipe import is_stage
from zoo.experiment.resolve import initial, resolve

# The recipe, its method, its own backbone, and the stage that trains it.
RECIPES = [
    ("attention", "protonet", "attention_lstm", "supervised"),
    ("fully_connected", "protonet", "attention_lstm", "supervised"),
    ("average_pooling", "protonet", "attention_lstm", "supervised"),
    ("tcn_oneshot", "protonet", "tcn_oneshot", "tcn_oneshot_training"),
    ("koopman", "koopman", "ctrgcn", "koopman_pooling"),
]


@pytest.mark.parametrize(("name", "method", "backbone", "stage"), RECIPES)
def test_the_stage_trains_and_the_method_only_measures(name: str, method: str, backbone: str, stage: str) -> None:
    recipe = resolve(name)
    assert (recipe.method.name, recipe.backbone.name, recipe.init.source) == (method, backbone, stage)
    assert (recipe.budget.episodes, recipe.budget.validation_episodes) == (0, 0)
    below = initial(recipe)
    assert is_stage(below)
    assert below.backbone == recipe.backbone
    assert below.data == recipe.data
    assert not recipe.budget.select_on_test
    assert not below.budget.select_on_test


@pytest.mark.parametrize(("name", "pooling"), [(name, name.split("_")[0]) for name, *_ in RECIPES[:3]])
def test_the_three_baselines_differ_in_pooling_alone(name: str, pooling: str) -> None:
    recipe, other = resolve(name), resolve("attention")
    assert recipe.backbone.options["pooling"].startswith(pooling)
    assert recipe.backbone.options | {"pooling": "attention"} == other.backbone.options
    assert (recipe.method, recipe.init, recipe.data) == (other.method, other.init, other.data)
    assert recipe.method.options["metric"] == "cosine"


def test_the_first_code_of_jeanie_is_a_variant() -> None:
    recipe, official = resolve("jeanie"), resolve("jeanie_official")
    changed = {"paths": "monotone", "divergence": True, "loss": "similarity"}
    assert official.method.options == recipe.method.options | changed
    assert (official.backbone, official.optimiser) == (recipe.backbone, recipe.optimiser)
