"""Identity of a run: its recipe, its store and its initial weights.

A recipe's digest covers every choice but title, source and table. It carries the format's version and does not change
when a field is added: a field that is added after format 1 is declared with `added(default, before)` of the recipe's
module, and is left out of the digest while it has the value `before`, which stands for what runs did without the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from manifests.digest import digest_of, short
from manifests.facts import is_custom
from manifests.split_file import split
from manifests.user_code import is_user_code
from zoo import registry
from zoo.engine.header import Identity
from zoo.engine.imported import is_weights, read_imported
from zoo.experiment.library import shipped
from zoo.experiment.recipe import Recipe, is_stage
from zoo.experiment.resolve import initial, option_values, resolve

ADDED = ("exclude", "exclude_flags", "class_names")  # keys of splits that came after format 1
NOT_CHOICES = ("title", "source", "table")


def recipe_digest(recipe: Recipe, without: tuple[str, ...] = ()) -> str:
    """sha256 of every choice: equal digests are the same experiment. `without` leaves out dotted keys.

    Your own split, method or backbone counts by its content; a source of initial weights counts by its own digest.
    """
    choices = {key: value for key, value in _plain(recipe).items() if key not in NOT_CHOICES}
    for key, choice, kinds in (
        ("method", recipe.method, ("methods", "pretrain")),
        ("backbone", recipe.backbone, ("backbones",)),
    ):
        choices[key] = {"name": Path(choice.name).stem, "options": _plain(option_values(choice, *kinds))}
        if is_user_code(choice.name):
            choices[key]["code"] = registry.find(choice.name, *kinds).digest
    if is_custom(recipe.data.split):
        content = asdict(replace(split(recipe.data.split), class_names=()))
        # A split counts as before it had a key that it leaves empty, so that finished runs keep their digest.
        choices["data"]["split"] = {key: value for key, value in content.items() if key not in ADDED or value}
    if recipe.init.source:
        choices["init"] = {"part": _listed(recipe.init.part), **_source(recipe, without)}
    for key in without:
        table, _, last = key.rpartition(".")
        (choices[table] if table else choices).pop(last)
    return digest_of(choices)


def _source(recipe: Recipe, without: tuple[str, ...]) -> dict[str, str]:
    if is_weights(recipe.init.source):
        return {"weights": read_imported(Path(recipe.init.source)).weights_digest}
    return {"recipe": recipe_digest(initial_recipe(recipe), without)}


def initial_recipe(recipe: Recipe) -> Recipe:
    """The recipe of the initial weights' source, which is a run's folder or a recipe, not imported weights."""
    return resolve(recipe.init.source) if is_run(recipe.init.source) else initial(recipe)


def is_run(source: str) -> bool:
    """Whether a source of initial weights is a run's folder; the name of a shipped recipe never is."""
    return source not in shipped() and (Path(source) / "recipe.toml").is_file()


def is_ready(source: str) -> bool:
    """Whether nothing is trained for a source of initial weights: it is a run's folder, or imported weights."""
    return is_run(source) or is_weights(source)


def import_warnings(recipe: Recipe) -> tuple[str, ...]:
    """What a result says where weights were imported, those of the recipe or of a run or recipe that it starts from."""
    source = recipe.init.source
    if is_weights(source):
        rule = "which classes they were trained on is not known, so the test classes may be among them"
        return (f"the initial weights are imported ({Path(source).name}): {rule}",)
    # A run has weights of its own, so the run that it started from need not exist any more.
    exists = source in shipped() or Path(source).exists()
    return import_warnings(initial_recipe(recipe)) if source and exists else ()


def run_name(recipe: Recipe, identity: Identity) -> str:
    """Folder name of a run: what a person looks for, then eight digits that make it unique."""
    chosen, data = split(recipe.data.split), recipe.data
    numbers = [chosen.name, *([str(data.class_split)] if chosen.draws else [])]
    task = Path(recipe.backbone.name).stem if is_stage(recipe) else f"{recipe.task.way}w{recipe.task.shot}s"
    unique = short(digest_of(asdict(identity)))[:8]
    return f"{recipe.name}-{'.'.join(numbers)}-{task}-seed{recipe.seed}-{unique}"


def _plain(record: Any) -> dict[str, Any]:
    """A record as nested tables, without the fields that are left out of digests."""
    table: dict[str, Any] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if "before" in each.metadata and value == each.metadata["before"]:
            continue
        table[each.name] = _plain(value) if is_dataclass(value) and not isinstance(value, type) else _listed(value)
    return table


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, (tuple, list)) else value
