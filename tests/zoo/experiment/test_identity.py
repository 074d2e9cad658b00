"""What makes two recipes, or two runs, the same."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path

import pytest

from zoo.engine.header import Identity
from zoo.experiment.identity import _plain, recipe_digest, run_name
from zoo.experiment.recipe import Recipe, added
from zoo.experiment.resolve import resolve

# These digests stand in the results of runs. One that changes makes every former run another experiment: declare a new
# field with `added`, and raise the format for anything else.
DIGESTS = {
    "dastm": "616fab85c15fb28a3aec33fb00e7ecf433fdd329b31623b843e20bfb1aae6a99",
    "protonet": "c203df7f23360b3f01931128307653ecc1336b60388b770f8532a7c3faa8c19b",
    "supervised": "1f8342233062c326da7e5337afccea1fffc9473c69b9b690a59b7e48275b04cf",
    "finetuned_cosine": "8367e640d1e841a9eb785e94f044cba7f7abfbc3cd025bcc96c3f8f73a487859",
}


# What the protocol of demo said when the digests were made.
FORMER = (
    "backbone.name=stgcn",
    "backbone.options.blocks=4",
    'data.streams=["joint"]',
    "evaluation.mirror=false",
)
FORMER_OPTIONS = {
    "protonet": ("method.options.normalise_by_dim=false", "method.options.temperature=1.0"),
    "supervised": ("budget.epochs=10",),
    "finetuned_cosine": ('init.settings=["budget.epochs=10"]',),
}


@pytest.mark.parametrize("name", DIGESTS)
def test_digests_of_format_1(name: str) -> None:
    assert recipe_digest(resolve(name, "demo", [*FORMER, *FORMER_OPTIONS.get(name, ())])) == DIGESTS[name]


def test_a_field_added_later_does_not_move_the_digest() -> None:
    """Before, any new field made every existing run belong to another recipe."""
    old = make_dataclass("Old", [("lr", float, 0.1)], frozen=True)
    new = make_dataclass("New", [("lr", float, 0.1), ("warmup", int, added(default=5, before=0))], frozen=True)
    assert _plain(new(warmup=0)) == _plain(old()) == {"lr": 0.1}
    assert _plain(new()) == {"lr": 0.1, "warmup": 5}


def test_a_later_default_does_not_change_an_old_run() -> None:
    """The defaults of options are part of the digest, so runs of two defaults are two experiments."""
    recipe = resolve("protonet", "demo")
    options = dict(recipe.method.options)
    warmer = replace(recipe, method=replace(recipe.method, options=options | {"temperature": 2.0}))
    assert recipe_digest(warmer) != recipe_digest(recipe)
    assert _plain(Defaulted()) == {"temperature": 1.0}


@dataclass(frozen=True)
class Defaulted:
    temperature: float = field(default=1.0)


def test_words_are_not_choices() -> None:
    recipe = resolve("protonet", "demo")
    assert recipe_digest(replace(recipe, title="x", source="y", table="z")) == recipe_digest(recipe)


CHOICES = ["seed=1", "data.class_split=1", "data.clip_seed=3", "task.shot=5", "precision=bfloat16"]


@pytest.mark.parametrize("setting", CHOICES)
def test_every_choice_counts(setting: str) -> None:
    split = "nw_ucla"
    assert recipe_digest(resolve("protonet", split, [setting])) != recipe_digest(resolve("protonet", split))


def test_seeds_and_class_splits_can_be_left_out() -> None:
    without = ("seed", "data.class_split")
    plain = recipe_digest(resolve("finetuned_cosine", "nw_ucla"), without)
    assert recipe_digest(resolve("finetuned_cosine", "nw_ucla", ["seed=3", "data.class_split=2"]), without) == plain
    assert recipe_digest(resolve("finetuned_cosine", "nw_ucla", ["task.shot=5"]), without) != plain


def test_the_source_of_initial_weights_counts_by_what_it_is() -> None:
    chain = resolve("finetuned_cosine", "demo")
    longer = resolve("finetuned_cosine", "demo", ['init.settings=["budget.epochs=99"]'])
    assert recipe_digest(longer) != recipe_digest(chain)


def test_your_own_split_counts_by_its_content(tmp_path: Path) -> None:
    def with_test(classes: str) -> Recipe:
        file = tmp_path / "mine.toml"
        text = 'title = "x"\nsource = "x"\ndataset = "demo"\nprotocol = "episodic"\nseed = 0\ntrain = [1, 2]\n'
        file.write_text(text + f"test = {classes}\n")
        return resolve("protonet", str(file))

    assert recipe_digest(with_test("[3, 4]")) != recipe_digest(with_test("[3, 5]"))


def test_a_run_is_its_recipe_its_store_and_its_initial_weights() -> None:
    recipe = resolve("protonet", "nw_ucla", ["data.class_split=1"])
    one = Identity("a", "b", "", "kinect20", 1, "ctrgcn")
    names = {run_name(recipe, other) for other in (one, replace(one, store_digest="c"), replace(one, init_digest="d"))}
    assert len(names) == 3
    assert all(name.startswith("protonet-nw_ucla.1-5w1s-seed0-") for name in names)
