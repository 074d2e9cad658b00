"""Facts about the world as frozen records, one TOML file each: data sets, splits, layouts, encoders, prompts, published
results.

The file's name is the record's name, so `name` stands in no file. Knows no array library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from manifests.dataset import Dataset
from manifests.encoder import Encoder, Prompts
from manifests.layout import Layout
from manifests.split import Split
from manifests.strict import InvalidValue, build, hint, parse, read_toml
from manifests.tables import Published, read_tables

ROOMS = ("datasets", "encoders", "layouts", "prompts", "published", "splits")
_HERE = Path(__file__).parent


def names(room: str) -> list[str]:
    """The names that a room holds, sorted. Raises InvalidValue.

    >>> names("layouts")
    ['coco17', 'kinect20', 'ntu25', 'openpose18']
    """
    if room not in ROOMS:
        raise InvalidValue(f"`{room}` is not a room of manifests. {hint(room, ROOMS)}")
    return sorted(path.stem for path in (_HERE / room).glob("*.toml"))


@cache
def dataset(name: str) -> Dataset:
    """The data set of that name. Raises InvalidValue.

    >>> dataset("ntu60").classes[0]
    'drink water'
    """
    value = _read("datasets", name)
    if isinstance(value.get("classes"), dict):
        value["classes"] = build(_FirstOf, value["classes"], f"datasets/{name}.toml: classes").names()
    return build(Dataset, value, f"datasets/{name}.toml")


@cache
def layout(name: str) -> Layout:
    """The layout of that name. Raises InvalidValue.

    >>> len(layout("ntu25").joints)
    25
    """
    return build(Layout, _read("layouts", name), f"layouts/{name}.toml")


@cache
def encoder(name: str) -> Encoder:
    """The video and text encoder of that name. Raises InvalidValue.

    >>> encoder("xclip").frames
    8
    """
    return build(Encoder, _read("encoders", name), f"encoders/{name}.toml")


def is_custom_encoder(name: str) -> bool:
    """Whether an encoder's name is the path of a user's own file.

    >>> is_custom_encoder("my_encoder.py"), is_custom_encoder("xclip")
    (True, False)
    """
    return name.endswith(".py")


def custom_encoder(path: Path) -> Encoder:
    """The facts beside a user's own encoder: the .toml of the same name. Raises InvalidValue."""
    facts = path.with_suffix(".toml")
    return build(Encoder, _named(path.stem, read_toml(facts), str(facts)), str(facts))


@cache
def prompts(name: str) -> Prompts:
    """The set of prompts of that name. Raises InvalidValue.

    >>> prompts("bare").templates
    ('{}',)
    """
    return build(Prompts, _read("prompts", name), f"prompts/{name}.toml")


def custom_prompts(sentences: tuple[str, ...]) -> Prompts:
    """A user's own sentences about a class, each with `{}` for its name. Raises InvalidValue.

    >>> custom_prompts(("someone who does {}",)).templates
    ('someone who does {}',)
    """
    return build(Prompts, {"name": "own", "templates": list(sentences), "source": "the user"}, "own prompts")


def layout_of(data: Dataset) -> Layout:
    """The layout of a data set: its own where it brings one, else the one of that name. Raises InvalidValue."""
    return data.custom_layout or layout(data.layout)


def is_custom(name: str) -> bool:
    """Whether a name is the path of a user's own file rather than of one that ships.

    >>> is_custom("my_split.toml"), is_custom("ntu_t")
    (True, False)
    """
    return name.endswith(".toml")


def split(name: str) -> Split:
    """The split of that name, or in the user's own file of that path. Raises InvalidValue.

    >>> split("ntu_t").samples_per_class
    30
    """
    return _own_split(Path(name)) if is_custom(name) else _split(name)


@cache
def _split(name: str) -> Split:
    return _made_split(_read("splits", name), f"splits/{name}.toml")


def _own_split(path: Path) -> Split:
    if path.stem in names("splits"):
        raise InvalidValue(f"{path}: a split is named after its file, and `{path.stem}` ships already. Rename the file.")
    return _made_split(_named(path.stem, read_toml(path), str(path)), str(path))


def _made_split(value: Mapping[str, Any], where: str) -> Split:
    """What a split's file says on top of what its base says. Its exemplars must be of the classes they stand for."""
    base = _read("splits", value["base"]) if isinstance(value.get("base"), str) else {}
    if "base" in base:
        raise InvalidValue(f"{where}: base `{value['base']}` has a base itself. Name `{base['base']}` instead")
    made = build(Split, {**base, **value}, where)
    if made.dataset in names("datasets"):
        for label, name in zip(made.test, made.exemplars, strict=False):
            _check_exemplar(dataset(made.dataset), label, name, where)
    return made


def _check_exemplar(data: Dataset, label: int, name: str, where: str) -> None:
    match = re.fullmatch(data.pattern, name)
    if match is None:
        raise InvalidValue(f"{where}: exemplar `{name}` is not a name of {data.name}, {data.pattern}")
    action = match.groupdict().get("action")
    if action is not None and data.actions[label : label + 1] != (int(action),):
        raise InvalidValue(f"{where}: exemplar `{name}` does not show class {label}, whose place in `exemplars` it takes")


@cache
def published() -> tuple[Published, ...]:
    """Every published number, paper by paper in the order of the file names. Raises InvalidValue.

    A row may name a data set or split that has no file here yet: a paper's table is kept whole.
    """
    return tuple(row for name in names("published") for row in read_tables(_HERE / "published" / f"{name}.toml"))


@dataclass(frozen=True)
class _FirstOf:
    """`classes = { first = 60, of = "ntu120" }`: a class list is written once."""

    first: int
    of: str

    def names(self) -> tuple[str, ...]:
        whole = dataset(self.of).classes
        if not 1 <= self.first <= len(whole):
            raise InvalidValue(f"first is {self.first}; `{self.of}` has 1 to {len(whole)} classes to give")
        return whole[: self.first]


def _read(room: str, name: str) -> dict[str, Any]:
    if name not in names(room):
        raise InvalidValue(f"`{name}` is not one of the {room}. {hint(name, names(room))}")
    path = _HERE / room / f"{name}.toml"
    return _named(name, parse(path.read_text(encoding="utf-8"), f"{room}/{name}.toml"), f"{room}/{name}.toml")


def _named(name: str, value: Mapping[str, Any], where: str) -> dict[str, Any]:
    if "name" in value:
        raise InvalidValue(f"{where}: `name` is the file's name; remove the line")
    return {"name": name, **value}


@cache
def missing_names(name: str) -> frozenset[str]:
    """File stems on the list `name` of manifests/missing; "" is the empty list. Raises InvalidValue.

    >>> len(missing_names("ntu60"))
    302
    """
    if not name:
        return frozenset()
    known = [path.stem for path in (_HERE / "missing").glob("*.txt")]
    if name not in known:
        raise InvalidValue(f"`{name}` is not one of the lists in manifests/missing. {hint(name, known)}")
    lines = (_HERE / "missing" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
