"""What a recipe takes from the protocol of a split, what it keeps, and what remarks say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from episodes.options import Augment
from manifests.custom import CustomLayout
from zoo.experiment.resolve import initial, resolve, resolve_with_remarks

OWN_FRAMES = """
base = "protonet"
title = "x"
source = "x"
[data]
frames = 24
"""


def test_a_recipe_that_names_its_frames_keeps_them_on_every_split(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(OWN_FRAMES)
    for data in ("demo", "nw_ucla", "ntu120_one_shot"):
        assert resolve("tcn_oneshot", data).data.frames == initial(resolve("tcn_oneshot", data)).data.frames == 32
        assert resolve("tcn_oneshot_training", data).data.frames == 32
        assert resolve("koopman", data).data.frames == 64
        assert resolve(str(file), data).data.frames == 24
    # What the recipes of a kind share is no choice of one of them.
    frames = [resolve("dastm", data).data.frames for data in ("", "demo", "ntu120_one_shot", "kinetics")]
    assert frames == [30, 16, 64, 50]
    assert resolve("tcn_oneshot", "ntu120_one_shot", ["data.frames=48"]).data.frames == 48
    file.write_text(OWN_FRAMES.replace("[data]\nframes = 24", ""))
    assert resolve(str(file), "demo").data.frames == 16


def small_split(folder: Path) -> str:
    file = folder / "small.toml"
    file.write_text(SMALL_SPLIT)
    return str(file)


SMALL_SPLIT = (
    'title = "x"\nsource = "x"\ndataset = "demo"\nprotocol = "episodic"\nseed = 0\n'
    "train = [0, 1, 2, 3, 4, 5]\nval = []\ntest = [6, 7, 8, 9, 10]\n"
)


@pytest.mark.parametrize("name", ["aimclr", "byol_asymmetric"])
@pytest.mark.parametrize("data", ["nw_ucla", "msr_pairs", "kinetics", "custom"])
def test_a_stage_that_augments_its_clips_itself_is_not_augmented_twice(name: str, data: str, tmp_path: Path) -> None:
    data = small_split(tmp_path) if data == "custom" else data
    assert resolve(name, data).augment == Augment()
    assert resolve("byol", data).augment != Augment()
    chain = {"aimclr": "aimclr_meta", "byol_asymmetric": "skeleton_byol_meta"}[name]
    assert initial(resolve(chain, data)).augment == Augment()
    assert resolve(name, data, ["augment.mirror=0.5"]).augment == Augment(mirror=0.5)


@pytest.mark.parametrize("data", ["demo", "nw_ucla", "msr_pairs", "custom"])
@pytest.mark.parametrize(("name", "source"), [("aimclr_meta", "aimclr"), ("skeleton_byol", "byol_asymmetric")])
def test_small_protocols_pretrain_with_adam_and_say_so(name: str, source: str, data: str, tmp_path: Path) -> None:
    """SGD at the rate of the authors' large networks harms small ones."""
    data = small_split(tmp_path) if data == "custom" else data
    alone, chain = resolve_with_remarks(source, data), resolve_with_remarks(name, data)
    above = "custom" if data.endswith("toml") else data
    changes = [
        f"optimiser.name is adam, not sgd: protocols/{above}.toml has small networks and few steps",
        f"optimiser.lr is 0.001, not 0.1: protocols/{above}.toml has small networks and few steps",
    ]
    assert [each for each in alone.remarks if each.startswith("optimiser")] == changes
    assert [each for each in chain.remarks if "optimiser" in each] == [f"{source}: {each}" for each in changes]
    for recipe in (alone.recipe, initial(chain.recipe)):
        assert (recipe.optimiser.name, recipe.optimiser.lr, recipe.optimiser.weight_decay) == ("adam", 0.001, 0.0001)
    theirs = resolve_with_remarks(source, data, ["optimiser.name=sgd", "optimiser.lr=0.1"])
    assert theirs.recipe.optimiser.name == "sgd"
    assert not [each for each in theirs.remarks if each.startswith("optimiser")]


def test_large_protocols_pretrain_as_the_authors_do() -> None:
    for name in ("aimclr", "byol_asymmetric"):
        found = resolve_with_remarks(name, "ntu120_one_shot")
        assert (found.recipe.optimiser.name, found.recipe.optimiser.lr, found.remarks) == ("sgd", 0.1, ())
    # What already is so needs no remark.
    assert resolve_with_remarks("byol", "demo").remarks == ()


def test_a_method_says_what_its_options_make_of_it() -> None:
    words = (
        "subspace has one shot, and method.options.mirror is off: a class is its mean, as in ProtoNet, not a subspace"
    )
    off = ["method.options.mirror=false"]
    assert resolve_with_remarks("subspace", "demo").remarks == ()
    assert resolve_with_remarks("subspace", "demo", off).remarks == (words,)
    assert resolve_with_remarks("subspace", "demo", [*off, "task.shot=5"]).remarks == ()
    assert resolve_with_remarks("smam_lite", "demo").remarks == ()
    transductive = resolve_with_remarks("smam_lite", "demo", ["method.options.query_neighbours=3"]).remarks
    assert transductive == ("smam_lite adds the scores of 3 other queries: every result is marked transductive",)


def test_the_layout_of_the_store_counts_in_the_remarks_on_a_method(tmp_path: Path) -> None:
    data = small_split(tmp_path)
    chain = CustomLayout(("a", "b", "c"), ((1, 0), (2, 1)), 3).layout("snake", "metre")
    remarks = resolve_with_remarks("subspace", data, layout=chain).remarks
    assert any("subspace has one shot, and the layout snake has no mirror pairs" in remark for remark in remarks)
    assert not any("subspace has one shot" in remark for remark in resolve_with_remarks("subspace", data).remarks)


def test_metric_learning_draws_four_clips_of_each_class_on_every_split() -> None:
    for name in ("sl_dml_training", "skeleton_dml_training", "skeleton_dml_training_transfer"):
        for data in ("", "demo", "nw_ucla", "ntu120_one_shot"):
            assert (resolve(name, data).budget.batch, resolve(name, data).budget.per_class) == (32, 4)
    assert resolve("supervised").budget.per_class == 0
