"""Setup: how the rows of a published table are run, and the settings of one row in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from manifests.layout import Layout
from manifests.split_file import split
from manifests.tables import Published
from zoo.experiment.library import shipped
from zoo.experiment.recipe import Recipe, is_stage
from zoo.experiment.resolve import initial, resolve
from zoo.sweep.grid import as_toml

# The backbone of a row whose method has a network of its authors.
OWN = "own"
# The small version has at most so much of each budget.
QUICK = {"episodes": 200, "epochs": 2, "validation_episodes": 50, "test_episodes": 100, "exemplar_draws": 2}


@dataclass(frozen=True)
class Setup:
    """How the rows of a table are run.

    `settings` are key=value texts for every run. `quick` is the small version. `data` is a split to run on in place of
    the paper's. `class_splits` and `seeds` are numbers of runs; 0 is all class splits of a split, or three seeds where
    it has one set of classes (in the small version 2, or 1). `layout` and class `names` are those of the store of a
    custom split, whose settings are fitted to them.
    """

    settings: Sequence[str] = ()
    quick: bool = False
    data: str = ""
    class_splits: int = 0
    seeds: int = 0
    layout: Layout | None = None
    names: Sequence[str] = ()


PAPERS = Setup()
"""Every row as its paper has it."""


def backbone_of(row: Published, setup: Setup) -> str:
    """The backbone that the settings name, else the paper's; for `own`, that of the recipe, or of the protocol."""
    named = [setting.partition("=") for setting in setup.settings]
    found = [value.strip().strip("\"'") for key, _, value in named if key.strip() == "backbone.name"]
    if found or row.backbone != OWN or row.recipe not in shipped():
        return found[-1] if found else row.backbone
    return resolve(row.recipe, setup.data or row.split).backbone.name


def row_settings(row: Published, setup: Setup) -> list[str]:
    """The paper's backbone and task, as far as the split has the classes for it, under the user's settings."""
    chosen, on = [f"task.shot={row.shot}"], split(setup.data or row.split)
    novel = min(len(draw) for draw in ([d.test for d in on.draws] or [on.test]))
    base = min(len(draw) for draw in ([d.train for d in on.draws] or [on.train]))
    if on.protocol == "episodic" and (not setup.data or row.way <= min(novel, base)):
        chosen.append(f"task.way={row.way}")
    return [f"backbone.name={backbone_of(row, setup)}", *chosen, *setup.settings]


def quick_settings(recipe: Recipe) -> list[str]:
    """The budget of the small version, for the recipe and for those that it is initialised from, one after another."""
    budget = recipe.budget
    if is_stage(recipe):
        small = {"epochs": min(QUICK["epochs"], budget.epochs)}
    else:
        small = {key: min(most, getattr(budget, key)) for key, most in QUICK.items()}
        small["episodes_per_epoch"] = min(budget.episodes_per_epoch, max(1, small["episodes"]))
    settings = [f"budget.{key}={value}" for key, value in small.items()]
    if recipe.init.source in shipped():
        settings.append(f"init.settings={as_toml(quick_settings(initial(recipe)))}")
    return settings


def whole_budget(row: Published, small: Recipe, setup: Setup) -> Recipe:
    """The recipe of a row with the budget that it has without --quick and without settings."""
    plain, on = [f"backbone.name={backbone_of(row, setup)}"], setup.data or row.split
    whole = resolve(row.recipe, on, plain, None, setup.layout, setup.names)
    return replace(small, budget=whole.budget, init=whole.init)


def smaller(small: Recipe, whole: Recipe) -> list[str]:
    """What a recipe has of the budget of another one, in words such as "2 of 100 epochs of transfer"."""
    unused = "exemplar_draws" if split(small.data.split).protocol == "episodic" else "test_episodes"
    pairs, parts, of = [(small, whole)], list[str](), ""
    while pairs:
        few, many = pairs.pop()
        for key in QUICK:
            least, most = getattr(few.budget, key), getattr(many.budget, key)
            if key != unused and least < most:
                parts.append(f"{least:,} of {most:,} {key.replace('_', ' ')}{of}")
        if few.init.source and few.init.source == many.init.source and few.init.source in shipped():
            pairs.append((initial(few), initial(many)))
            of = f" of {few.init.source}"
    return parts
