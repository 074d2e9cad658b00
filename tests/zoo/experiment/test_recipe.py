"""Recipes: what ships resolves, what is wrong is named, what is saved runs again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from manifests.facts import names
from manifests.strict import InvalidValue
from zoo.experiment.recipe import FOLDER, classes, resolve, shipped, to_toml


@pytest.mark.parametrize("name", shipped())
def test_a_saved_recipe_reads_back_the_same(name: str, tmp_path: Path) -> None:
    recipe = resolve(name, "demo", ["task.shot=5", "seed=3"])
    saved = tmp_path / "recipe.toml"
    saved.write_text(to_toml(recipe))
    assert resolve(str(saved)) == recipe
    assert resolve(str(tmp_path)) == recipe
    assert recipe.digest == resolve(str(saved)).digest


def test_settings_come_last_and_data_before_them() -> None:
    recipe = resolve("dastm", "demo", ["data.frames=7", "backbone.options.blocks=10"])
    assert (recipe.data.split, recipe.data.frames) == ("demo", 7)
    assert recipe.backbone.options == {"blocks": 10}
    assert recipe.budget.episodes == resolve("protonet", "demo").budget.episodes
    assert resolve("dastm").backbone.options == {}


def test_another_backbone_forgets_the_options_of_the_first() -> None:
    assert resolve("protonet", "demo", ["backbone.name=agcn"]).backbone.options == {}


def test_runs_of_different_choices_have_different_folders() -> None:
    recipes = [
        resolve("protonet", "nw_ucla", [f"data.draw={draw}", f"seed={seed}"]) for draw in (0, 1) for seed in (0, 1)
    ]
    assert len({recipe.run_name for recipe in recipes}) == 4
    assert recipes[2].run_name.startswith("protonet-nw_ucla.1-5w1s-seed0-")


def test_a_split_with_draws_gives_the_classes_of_the_draw() -> None:
    train, val, test = classes(resolve("protonet", "nw_ucla", ["data.draw=3"]))
    assert (len(train), val, len(test)) == (5, (), 5)
    assert sorted(train + test) == list(range(10))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dasm",), "`dasm` is neither a recipe nor a file. Did you mean `dastm`?"),
        (("dastm", "ntu_q"), "`ntu_q` is not a split. Did you mean"),
        (("dastm", "", ["task.shott=5"]), "task: `shott` is not a key of Task. Did you mean `shot`?"),
        (("dastm", "", ["task.shot=five"]), "task.shot"),
        (("dastm", "", ["task.shot"]), "must be key=value, for example --set task.shot=5"),
        (("dastm", "", ["method.name=dastn"]), "`dastn` is not a method. Did you mean `dastm`?"),
        (("dastm", "", ["backbone.options.block=4"]), "`block` is not a key of Options. Did you mean `blocks`?"),
        (("protonet", "nw_ucla", ["data.draw=20"]), "data.draw: 20 is not one of the 20 of nw_ucla"),
        (("protonet", "", ["data.preparation=agcm"]), "data.preparation: Did you mean `agcn`?"),
        (("protonet", "", ["task.way=0"]), "way is 0"),
        (("protonet", "", ["budget.episodes=0"]), "episodes is 0; it must be at least 1"),
        (("protonet", "", ["name=../../elsewhere"]), "it becomes a folder's name"),
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str], words: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        resolve(*arguments)
    assert words in str(raised.value)


def test_a_file_may_build_on_a_shipped_recipe(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('base = "protonet"\ntitle = "mine"\n[task]\nshot = 5\n')
    recipe = resolve(str(own))
    assert (recipe.name, recipe.title, recipe.task.shot, recipe.task.way) == ("mine", "mine", 5, 5)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("[task")
    with pytest.raises(InvalidValue, match=r"mine\.toml: not readable as TOML"):
        resolve(str(own))


@pytest.mark.parametrize(
    ("name", "way"), [("ntu120_one_shot", 20), ("ntu60_one_shot", 10), ("pku_mmd_one_shot", 11), ("msr_pairs", 6)]
)
def test_one_shot_protocols_train_with_as_many_ways_as_they_test(name: str, way: int) -> None:
    for recipe in shipped():
        resolved = resolve(recipe, name)
        assert (resolved.task.way, len(classes(resolved)[2])) == (way, way)
    assert resolve("protonet", name).method.options["pooling"] == "mean"


def test_a_variation_of_a_split_takes_its_settings_first() -> None:
    whole = resolve("protonet", "ntu120_one_shot")
    for size in (20, 40, 60, 80):
        part = resolve("protonet", f"ntu120_one_shot_{size}")
        assert replace(part, data=whole.data) == whole
        assert len(classes(part)[0]) == size
    dev = resolve("protonet", "ntu120_one_shot_dev")
    assert (dev.task, dev.backbone, dev.method) == (whole.task, whole.backbone, whole.method)
    assert (whole.budget.validation, dev.budget.validation) == (0, 100)


def test_every_setting_of_a_data_set_belongs_to_a_split() -> None:
    stems = {file.stem for file in (FOLDER / "on").glob("*.toml")}
    assert stems
    assert stems <= set(names("splits"))
