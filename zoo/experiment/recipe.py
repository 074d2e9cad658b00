"""Recipe: every choice that makes a run what it is. A resolved recipe is saved with its run and is itself runnable.

A shipped recipe (`zoo/recipes/dastm.toml`) holds a method's settings; what a split changes of every recipe stands in
`zoo/recipes/on/<split>.toml`, and what it changes of this one in the recipe's own table `on.<split>`; a split that is a
variation of another (its `base`) takes that one's settings first. A resolved recipe is these in turn, then what the
user set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from episodes.augment import Augment
from episodes.draw import Task
from manifests.facts import dataset, is_custom, names, split
from manifests.split import Split
from manifests.strict import InvalidValue, build, hint, parse
from zoo import registry

FOLDER = Path(__file__).parents[1] / "recipes"


@dataclass(frozen=True)
class Data:
    """Which clips, and how they become tensors of T frames.

    `draw` numbers the class split where a split has several; `preparation` names the store's recipe ("" = the data
    set's own); `streams` are joined along the channels; `train_rule` and `test_rule` are sampling rules of
    episodes.resample. `frozen` samples each clip's frames once for the whole run, `scrambled` mixes the time and
    channel axes as the official DASTM loader does: both only to compare with it.
    """

    split: str = "ntu_t"
    draw: int = 0
    preparation: str = ""
    frames: int = 30
    streams: tuple[str, ...] = ("joint",)
    train_rule: str = "segments"
    test_rule: str = "segments"
    frozen: bool = False
    scrambled: bool = False


@dataclass(frozen=True)
class Choice:
    """A file of a room by name, and what it is told; the options' keys are those of the file's `Options`."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimiser:
    """Learning rate and its schedule, counted in epochs of `budget.epoch` episodes.

    `plateau` halves the rate when the mean training loss of an epoch has not improved for `patience` epochs, down to
    `least`; `cosine` falls from `lr` to `least` over the whole budget.
    """

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    schedule: Literal["constant", "plateau", "cosine"] = "constant"
    patience: int = 10
    least: float = 1e-5
    clip_norm: float = 0.0


@dataclass(frozen=True)
class Budget:
    """How long, in episodes. `epoch` episodes, then validation on `validation` episodes (0 = none) and the schedule.

    `stop_after` epochs without a new best validation end the run (0 = never). `test` episodes, or for exemplar
    protocols `test_choices` choices of exemplars, make the reported number; `test_seed` fixes them for every run.
    """

    episodes: int = 100_000
    epoch: int = 1_000
    batch: int = 1
    validation: int = 500
    stop_after: int = 0
    checkpoint: int = 100
    test: int = 500
    test_choices: int = 1
    test_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("episodes", "epoch", "batch", "checkpoint", "test", "test_choices"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


@dataclass(frozen=True)
class Recipe:
    """One experiment."""

    name: str
    title: str
    source: str
    method: Choice
    backbone: Choice = Choice("stgcn")
    data: Data = Data()
    augment: Augment = field(default_factory=Augment)
    task: Task = field(default_factory=Task)
    optimiser: Optimiser = Optimiser()
    budget: Budget = Budget()
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(f"name is {self.name!r}; it becomes a folder's name, so letters, digits, . _ - only")

    @property
    def digest(self) -> str:
        """sha256 of every choice: equal recipes are the same run. A split of one's own counts by what it says."""
        choices = asdict(self)
        if is_custom(self.data.split):
            choices["data"]["split"] = asdict(split(self.data.split))
        return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()

    @property
    def run_name(self) -> str:
        """Folder name of the run: what a person looks for, then eight letters that make it unique."""
        chosen = split(self.data.split)
        draw = f".{self.data.draw}" if chosen.draws else ""
        return f"{self.name}-{chosen.name}{draw}-{self.task.way}w{self.task.shot}s-seed{self.seed}-{self.digest[:8]}"


def shipped() -> tuple[str, ...]:
    """Names of the recipes that come with the zoo."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


def resolve(name_or_file: str, data: str = "", settings: Sequence[str] = ()) -> Recipe:
    """A shipped recipe or a TOML file, on split `data` (default: its own), with `key=value` settings on top.

    A split may be the path of one's own file, which is made absolute, so that a run finds it again.
    Raises InvalidValue for an unknown recipe, split, key or option, or a value of the wrong type, with the nearest name.
    """
    table, where = _read(name_or_file)
    if "base" in table:
        base = table.pop("base")
        table = _merged(_read(base)[0], table)
    if data:
        if not is_custom(data) and data not in names("splits"):
            raise InvalidValue(f"`{data}` is not a split. {hint(data, names('splits'))}")
        table = _merged(table, {"data": {"split": data}})
    # A saved run is complete as it stands; only a shipped recipe takes on the data set's settings.
    own, family = table.pop("on", {}), _family(table.get("data", {}).get("split", Data.split))
    for shared in (FOLDER / "on" / f"{name}.toml" for name in family):
        if shared.exists() and (data or name_or_file in shipped()):
            table = _merged(table, parse(shared.read_text(encoding="utf-8"), str(shared)))
    for name in family:
        table = _merged(table, own.get(name, {}))
    for setting in settings:
        table = _merged(table, _setting(setting))
    chosen = table.get("data", {}).get("split", "")
    if isinstance(chosen, str) and is_custom(chosen):
        table = _merged(table, {"data": {"split": str(Path(chosen).absolute())}})
    return check(build(Recipe, table, where), where)


def check(recipe: Recipe, where: str) -> Recipe:
    """The same recipe, once everything it names is known to exist and to fit."""
    for room, choice in (("methods", recipe.method), ("backbones", recipe.backbone)):
        try:
            module = registry.find(room, choice.name)
        except registry.RegistryError as error:
            raise InvalidValue(f"{where}: {error}") from error
        build(module.Options, choice.options, f"{where}: {registry.ROOMS[room]}.options")
    chosen = split(recipe.data.split)
    if recipe.data.draw and not 0 <= recipe.data.draw < len(chosen.draws):
        raise InvalidValue(
            f"{where}: data.draw: {recipe.data.draw} is not one of the {len(chosen.draws)} of {chosen.name}."
        )
    # What one's own data were prepared by, only their store knows.
    known = dataset(chosen.dataset).preprocessings if chosen.dataset in names("datasets") else ()
    if known and recipe.data.preparation and recipe.data.preparation not in known:
        raise InvalidValue(f"{where}: data.preparation: {hint(recipe.data.preparation, known)}")
    return recipe


def options(recipe: Recipe, room: str) -> Any:
    """The `Options` of the recipe's method or backbone, as a frozen record."""
    choice = recipe.method if room == "methods" else recipe.backbone
    return build(registry.find(room, choice.name).Options, choice.options, f"{recipe.name}: {choice.name}")


def classes(recipe: Recipe) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(train, validation, test) class ids of the recipe's split, of the chosen draw where there are several."""
    chosen: Split = split(recipe.data.split)
    if chosen.draws:
        draw = chosen.draws[recipe.data.draw]
        return draw.train, (), draw.test
    return chosen.train, chosen.val, chosen.test


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML that `resolve` reads back to the same recipe."""
    import tomli_w

    return tomli_w.dumps(json.loads(json.dumps(asdict(recipe))))


def _family(chosen: object) -> tuple[str, ...]:
    """The split whose settings a split takes on, and the split. What is no split is left to `check`."""
    if not isinstance(chosen, str):
        return ()
    base = split(chosen).base
    return (base, chosen) if base else (chosen,)


def _read(name_or_file: str) -> tuple[dict[str, Any], str]:
    path = FOLDER / f"{name_or_file}.toml" if name_or_file in shipped() else Path(name_or_file)
    if path.is_dir():
        path = path / "recipe.toml"
    if not path.is_file():
        raise InvalidValue(f"`{name_or_file}` is neither a recipe nor a file. {hint(name_or_file, shipped())}")
    return {"name": path.stem, **parse(path.read_text(encoding="utf-8"), str(path))}, str(path)


def _setting(text: str) -> dict[str, Any]:
    """One `key=value` as a nested table; the value is TOML, or a plain word.

    >>> _setting("task.way=5")
    {'task': {'way': 5}}
    >>> _setting("data.split=demo")
    {'data': {'split': 'demo'}}
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidValue(f"--set {text}: must be key=value, for example --set task.shot=5.")
    try:
        inner: Any = parse(f"x = {value}", "")["x"]
    except InvalidValue:
        inner = value
    for part in reversed(key.strip().split(".")):
        inner = {part: inner}
    table: dict[str, Any] = inner
    return table


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `under`. A choice of another name starts from fresh options.

    >>> _merged({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    """
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        other = (
            isinstance(below, Mapping)
            and isinstance(value, Mapping)
            and value.get("name", below.get("name")) != below.get("name")
        )
        if isinstance(below, Mapping) and isinstance(value, Mapping) and not (other and key in ("method", "backbone")):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result
