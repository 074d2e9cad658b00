"""Resolution: from a recipe's name to a recipe in which every choice is written out.

Precedence, lowest first:

1. the recipe's file, on top of the file that its `base` names;
2. the protocol of the split, `zoo/recipes/protocols/<split>.toml`, on top of its `base`: for a shipped recipe, for a
   .py file, and wherever `--data` names the split; a file of your own says everything itself otherwise. A recipe that
   trains nothing (`budget.episodes = 0` in its file) takes only the test tasks from it. Custom splits share
   `custom.toml`;
3. what the user sets, `--set key=value`.

A recipe's table `[graph]` becomes options of the backbone that these layers choose (zoo.experiment.graph).

What none of them says has the default of its dataclass, and the defaults of the chosen method's and backbone's Options
are written into the recipe, so that a later default does not change an old run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from manifests.facts import dataset, is_custom, layout_of, names
from manifests.layout import Layout
from manifests.split_file import split
from manifests.strict import InvalidValue, build, hint
from manifests.user_code import is_user_code
from zoo import registry
from zoo.engine.imported import is_weights
from zoo.experiment.graph import UnfitBackbone, with_graph_options
from zoo.experiment.layers import merged, with_base
from zoo.experiment.library import FOLDER, shipped
from zoo.experiment.protocol import CUSTOM, protocol, protocol_name
from zoo.experiment.recipe import Choice, Data, Recipe, is_stage
from zoo.experiment.settings import parsed_setting, with_setting
from zoo.fit import declared, reason

# What a recipe passes on to the recipe that it is initialised from: the same clips for the same backbone.
INHERITED = ("split", "class_split", "clip_seed", "clips_per_class", "preprocessing", "frames", "streams")
# Endings of checkpoints that `fszoo import-weights` reads, beside .safetensors.
RELEASED = (".pt", ".pth", ".bin")


@dataclass(frozen=True)
class Resolved:
    """A recipe in which every choice is written out, and remarks on settings that the user may not expect."""

    recipe: Recipe
    remarks: tuple[str, ...] = ()


def resolve(
    name_or_file: str,
    data: str = "",
    settings: Sequence[str] = (),
    inherited: Recipe | None = None,
    layout: Layout | None = None,
    names: Sequence[str] = (),
) -> Recipe:
    """A shipped recipe, a TOML file, a run's folder or a .py file with a method, on split `data` (default: its own).

    `settings` are key=value texts; `init.settings` are added to the recipe's, unless `init.source` changes. `inherited`
    is the recipe that will be initialised from this one: clips, backbone and seed are its own, and so is the embedding
    where it names one. `layout` and class `names` are those of the store, where it is open: the settings for custom
    splits are fitted to them. A split or a .py file may be given by path, which is made absolute, so that a run finds
    it again. Raises InvalidValue for an unknown recipe, split, key or option, or a value of the wrong type.
    """
    return _resolved(name_or_file, data, settings, inherited, layout, names).recipe


def resolve_with_remarks(
    name_or_file: str,
    data: str = "",
    settings: Sequence[str] = (),
    inherited: Recipe | None = None,
    layout: Layout | None = None,
    names: Sequence[str] = (),
) -> Resolved:
    """The recipe of `resolve`; for a custom split or a .py file, the remarks say where its settings come from.

    Further remarks name each option of `[graph]` that the backbone does not have, what the protocol changes in the
    optimiser of a stage, what the method does otherwise than its name says, and changes for the recipes that are
    trained first.
    """
    found = _resolved(name_or_file, data, settings, inherited, layout, names)
    recipe, remarks = found.recipe, [*found.remarks, *method_remarks(found.recipe, layout)]
    while recipe.init.source in shipped():
        name = recipe.init.source
        source = _resolved(name, settings=recipe.init.settings, inherited=recipe)
        new = [f"{name}: {each}" for each in source.remarks if each not in remarks and each.startswith("optimiser.")]
        recipe, remarks = source.recipe, [*remarks, *new]
    return Resolved(found.recipe, tuple(remarks))


def method_remarks(recipe: Recipe, layout: Layout | None = None) -> tuple[str, ...]:
    """What a user may not expect of the recipe's method with its options, on the layout of the store.

    A method says so by a function of its Options, `remarks`, of the number of shots and the layout. Without a layout,
    that of the dataset is taken where it ships.
    """
    say = declared(option_values(recipe.method, "methods", "pretrain"), "remarks", None)
    name = split(recipe.data.split).dataset
    if layout is None and name in names("datasets"):
        layout = layout_of(dataset(name))
    found: tuple[str, ...] = () if say is None or layout is None else say(recipe.task.shot, layout)
    return found


def _resolved(
    name_or_file: str,
    data: str = "",
    settings: Sequence[str] = (),
    inherited: Recipe | None = None,
    layout: Layout | None = None,
    names: Sequence[str] = (),
) -> Resolved:
    table, own, where = _recipe_file(name_or_file)
    if data:
        _check_split(data)
        table = merged(table, {"data": {"split": data}})
    remarks: tuple[str, ...] = ()
    if data or inherited or name_or_file in shipped() or is_user_code(name_or_file):
        chosen = inherited.data.split if inherited else table.get("data", {}).get("split", Data.split)
        kind = _kind(table, where)
        found = protocol(chosen, table, kind, layout, names, own)
        table = merged(table, found.settings)
        given = {setting.partition("=")[0].strip() for setting in settings}
        remarks = tuple(remark for remark in found.remarks if remark.partition(" is ")[0] not in given)
        if is_custom(str(chosen)) or is_user_code(name_or_file):
            remarks = (_origin(name_or_file, kind, found.name), *remarks)
    if inherited is not None:
        table = merged(table, _inheritance(inherited, own))
    # The source first: a recipe's settings are for its own source.
    for setting in sorted(settings, key=lambda text: not text.startswith("init.source")):
        table = with_setting(table, parsed_setting(setting))
    table, left_out = with_graph_options(_absolute(table), where)
    return Resolved(check(build(Recipe, table, where), where), (*remarks, *left_out))


def initial(recipe: Recipe) -> Recipe:
    """The recipe that `recipe.init.source` names, for the same clips, backbone and seed."""
    source, backbone = recipe.init.source, Path(recipe.backbone.name).stem
    if Path(source).suffix in RELEASED:
        remedy = f"Make initial weights of it with `fszoo import-weights {source} {backbone}`"
        raise InvalidValue(f"init.source: `{source}` is a checkpoint of other code. {remedy}.")
    return resolve(recipe.init.source, settings=recipe.init.settings, inherited=recipe)


def check(recipe: Recipe, where: str) -> Recipe:
    """The same recipe with all options written out, once everything that it names is known to exist and to fit."""
    method = option_values(recipe.method, "methods", "pretrain", where=f"{where}: method")
    backbone = option_values(recipe.backbone, "backbones", where=f"{where}: backbone")
    unfit = reason(Path(recipe.method.name).stem, method, Path(recipe.backbone.name).stem, backbone)
    if unfit:
        raise UnfitBackbone(f"{where}: {unfit}")
    recipe = replace(
        recipe,
        method=replace(recipe.method, options=asdict(method)),
        backbone=replace(recipe.backbone, options=asdict(backbone)),
    )
    _check_budget(recipe, where)
    chosen, data = split(recipe.data.split), recipe.data
    if data.class_split and not 0 <= data.class_split < len(chosen.draws):
        rule = f"{data.class_split} is not one of the {len(chosen.draws)} of {chosen.name}"
        raise InvalidValue(f"{where}: data.class_split: {rule}. They are numbered from 0.")
    # Only the store of a custom dataset knows how it was preprocessed.
    known = dataset(chosen.dataset).preprocessings if chosen.dataset in names("datasets") else ()
    if known and data.preprocessing and data.preprocessing not in known:
        raise InvalidValue(f"{where}: data.preprocessing: {hint(data.preprocessing, known)}")
    return recipe


def options(choice: Choice, *kinds: str) -> Any:
    """The `Options` with which a method, stage or backbone is made, as a frozen record."""
    return build(registry.find(choice.name, *kinds).options, choice.options, f"options of {choice.name}")


def option_values(choice: Choice, *kinds: str, where: str = "") -> Any:
    """The same fields and values as `options`, also a frozen record; the file of a shipped one is not imported."""
    try:
        known = registry.options_of(choice.name, *kinds)
    except registry.RegistryError as error:
        raise InvalidValue(f"{where}: {error}") from error
    return build(known, choice.options, f"{where}.options")


def _check_budget(recipe: Recipe, where: str) -> None:
    stage, budget = is_stage(recipe), recipe.budget
    if stage and (budget.episodes or not budget.epochs):
        rule = f"{recipe.method.name} is a pre-training stage, which counts epochs"
        raise InvalidValue(f"{where}: budget: {rule}. Set budget.epochs, and budget.episodes = 0.")
    if not stage and budget.per_class:
        rule = f"{recipe.method.name} is a method, whose episodes have task.shot clips of each class"
        raise InvalidValue(f"{where}: budget: {rule}. Leave out per_class.")
    if not stage and recipe.data.other_camera:
        rule = f"{recipe.method.name} is a method; another camera's recording is a second view in pre-training"
        raise InvalidValue(f"{where}: data.other_camera: {rule}. Leave it out, or see task.across.")
    if not stage and budget.epochs:
        rule = f"{recipe.method.name} is a method, which counts episodes"
        raise InvalidValue(f"{where}: budget: {rule}. Leave out epochs.")


def _check_split(data: str) -> None:
    if not is_custom(data) and data not in names("splits"):
        raise InvalidValue(f"`{data}` is not a split. {hint(data, names('splits'))}")


def _recipe_file(name_or_file: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The first layer: a recipe's table on top of its base, the same without shared bases, and where it stands."""
    if is_user_code(name_or_file):
        return _from_code(Path(name_or_file)), {}, name_or_file
    path = FOLDER / f"{name_or_file}.toml" if name_or_file in shipped() else Path(name_or_file)
    if path.is_dir():
        path = path / "recipe.toml"
    if not path.is_file():
        raise InvalidValue(f"`{name_or_file}` is neither a recipe nor a file. {hint(name_or_file, shipped())}")
    return {"name": path.stem, **with_base(path, FOLDER)}, with_base(path, FOLDER, shared=False), str(path)


def _from_code(path: Path) -> dict[str, Any]:
    """A recipe for a user's own method or stage: its title is the first line of the file's docstring."""
    try:
        entry = registry.learner(str(path))
    except registry.RegistryError as error:
        raise InvalidValue(str(error)) from error
    title = (entry.model.__doc__ or path.stem).strip().splitlines()[0]
    base = with_base(FOLDER / ("_stage.toml" if entry.kind == "pretrain" else "_method.toml"), FOLDER)
    return base | {"name": path.stem, "title": title, "source": path.name, "method": {"name": str(path)}}


def _kind(table: Mapping[str, Any], where: str) -> str:
    try:
        return registry.kind_of(str(table.get("method", {}).get("name", "")), "methods", "pretrain")
    except registry.RegistryError as error:
        raise InvalidValue(f"{where}: method: {error}") from error


def _origin(name_or_file: str, kind: str, above: str) -> str:
    """Which files the settings of a recipe come from, and how to see them."""
    base = "_stage.toml" if kind == "pretrain" else "_method.toml"
    below = (
        f"{name_or_file}.toml" if name_or_file in shipped() else base if is_user_code(name_or_file) else name_or_file
    )
    files = f"protocols/{above}.toml on top of {below}" if above else below
    return f"settings from {files} (zoo/recipes); `fszoo show` prints them, --set changes them"


def _inheritance(recipe: Recipe, own: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe passes on to its source, whose own table is `own`."""
    named = (*INHERITED, "embedding") if recipe.data.embedding else INHERITED
    data = {key: value for key, value in asdict(recipe.data).items() if key in named}
    fitted = protocol_name(recipe.data.split) == CUSTOM and "augment" not in own
    augment = {"augment": asdict(recipe.augment)} if fitted else {}
    rest = {"backbone": asdict(recipe.backbone), "seed": recipe.seed, "precision": recipe.precision}
    return augment | {"data": data} | rest


def _absolute(table: dict[str, Any]) -> dict[str, Any]:
    """The table with paths of the user's own files and runs made absolute, so that they hold in any folder."""
    for key, name in (("data", "split"), ("method", "name"), ("backbone", "name"), ("init", "source")):
        value = table.get(key, {}).get(name) if isinstance(table.get(key), Mapping) else None
        if isinstance(value, str) and (is_user_code(value) or is_custom(value) or _is_initial(value)):
            table = merged(table, {key: {**table[key], name: str(Path(value).absolute())}})
    return table


def _is_initial(name: str) -> bool:
    """Whether a source of initial weights is a path: imported weights, or a run's folder."""
    if is_weights(name):
        return True
    return bool(name) and name not in shipped() and (Path(name) / "recipe.toml").is_file()
