"""Axes of sweeps: what is accepted, and every refusal before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from manifests.strict import InvalidValue
from zoo.experiment.identity import recipe_digest
from zoo.experiment.resolve import resolve
from zoo.sweep.grid import cells, choices


def values(*overs: str, data: str = "demo") -> list[tuple[str, ...]]:
    return [tuple(cell.values.values()) for cell in cells("protonet", data, (), overs)]


def test_the_product_of_a_range_and_a_list_with_the_last_axis_fastest() -> None:
    found = values("seed=0..2", "task.shot=1, 5")
    assert found == [("0", "1"), ("0", "5"), ("1", "1"), ("1", "5"), ("2", "1"), ("2", "5")]


def test_both_ends_of_a_range_count_and_it_may_be_negative() -> None:
    assert values("data.clip_seed=-1..1") == [("-1",), ("0",), ("1",)]


def test_all_class_splits() -> None:
    assert len(values("data.class_split=all", data="nw_ucla")) == 20


def test_a_cell_is_the_recipe_that_the_same_settings_make() -> None:
    (cell,) = cells("protonet", "demo", ["seed=3"], ["task.shot=5"])
    assert recipe_digest(cell.recipe) == recipe_digest(resolve("protonet", "demo", ["seed=3", *cell.settings]))
    assert (cell.recipe.seed, cell.recipe.task.shot) == (3, 5)


def test_lists_and_words_are_values() -> None:
    streams = cells("protonet", "demo", (), ['data.streams=["joint"],["joint","bone"]'])
    assert [cell.recipe.data.streams for cell in streams] == [("joint",), ("joint", "bone")]
    named = cells("protonet", "demo", (), ["backbone.name=stgcn,agcn"])
    assert [cell.recipe.backbone.name for cell in named] == ["stgcn", "agcn"]


def test_a_backbones_name_comes_before_its_options_whatever_the_order() -> None:
    (cell,) = cells("protonet", "demo", (), ["backbone.options.adaptive=false", "backbone.name=agcn"])
    assert (cell.recipe.backbone.name, cell.recipe.backbone.options["adaptive"]) == ("agcn", False)


def test_every_choice_is_a_key_and_the_words_about_a_recipe_are_not() -> None:
    found = choices(resolve("protonet", "demo"))
    assert {"seed", "task.shot", "data.class_split", "backbone.options.kernel", "method.options.pooling"} <= set(found)
    assert not {"name", "title", "source", "table", "format"} & set(found)


@pytest.mark.parametrize(
    ("overs", "words"),
    [
        (["task.shott=1,5"], "--over task.shott: is not a key of a recipe. Did you mean `task.shot`?"),
        (["shot=1,5"], "--over shot: is not a key of a recipe. Did you mean `task.shot`?"),
        (["zzzzz=1"], "--over zzzzz: is not a key of a recipe. `fszoo show RECIPE` prints all keys."),
        (
            ["task=1"],
            "--over task: is a table. Name one of its keys: task.across, task.queries_per_class, task.shot, task.way.",
        ),
        (["name=a,b"], "--over name: is not a choice of an experiment. Sweep a choice such as seed."),
        (["seed"], "--over seed: must be key=values, for example --over seed=0..2."),
        (["seed=2..1"], "--over seed=2..1: an empty range. Write the smaller number first."),
        (["seed="], "--over seed=: an empty value. Write values with commas between them, as in 1,5."),
        (["seed=1,"], "--over seed=1,: an empty value."),
        (["seed=0,0"], "--over seed=0,0: 0 is given twice. Name each value once."),
        (["seed=0", "seed=1"], "--over seed is given twice. Write all its values in one --over."),
        (["seed=0..20000"], "--over seed=0..20000: 20,001 values; at most 10,000 are swept."),
        (["seed=0..999", "task.shot=1..99"], "The axes have 99,000 cells; at most 10,000 are swept."),
        (["seed=a"], "seed: Input should be a valid integer"),
        (["task.shot=1,1.5"], "--over task.shot=1.5: "),
        (["task.shot=0,1"], "task: shot is 0: an episode needs at least 1."),
        (["backbone.name=stgcn,agcnn"], "`agcnn` is not a backbone. Did you mean `agcn`?"),
        (["method.options.poling=mean"], "`poling` is not a key of Options. Did you mean `pooling`?"),
        (["data.class_split=all"], "--over data.class_split=all: demo has one set of classes. Leave this --over out."),
        (["data.split=demo,nw_ucla", "data.class_split=0,1"], "class splits belong to one split. Sweep one of them."),
    ],
)
def test_refusals(overs: Sequence[str], words: str) -> None:
    with pytest.raises(InvalidValue) as error:
        cells("protonet", "demo", (), overs)
    assert words in str(error.value)


def test_a_class_split_that_does_not_exist() -> None:
    with pytest.raises(InvalidValue, match=r"--over data.class_split=20: .*20 is not one of the 20 of nw_ucla"):
        cells("protonet", "nw_ucla", (), ["data.class_split=0..20"])


def test_a_key_that_is_set_and_swept() -> None:
    with pytest.raises(InvalidValue, match="seed is given by --over and by --set. Leave out one of them."):
        cells("protonet", "demo", ["seed=1"], ["seed=0..2"])
