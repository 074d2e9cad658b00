"""Look-up of facts by name: datasets, splits, layouts, encoders, prompts and published results, one TOML file each.

A record is named after its file, so no file has a key `name`. A name that is a path means a user's own file: a .toml
with a split, or a .py with an encoder whose facts lie beside it. (A custom dataset is read by manifests/custom.py.)
Imports no array library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from manifests.dataset import Dataset
from manifests.encoder import Encoder, Prompts
from manifests.folder import stems
from manifests.layout import Layout
from manifests.pattern import match_name
from manifests.split import Split
from manifests.split_file import custom_class_names, with_labels
from manifests.strict import InvalidValue, build, hint, read_toml
from manifests.tables import Published, read_choices, read_notes, read_tables

KINDS = ("datasets", "encoders", "layouts", "prompts", "published", "splits")
_HERE = Path(__file__).parent


def names(kind: str) -> list[str]:
    """The names of all records of one kind that ship, sorted. Raises InvalidValue.

    >>> names("layouts")
    ['coco17', 'kinect20', 'ntu25', 'openpose18']
    """
    if kind not in KINDS:
        raise InvalidValue(f"`{kind}` is not a kind of manifests. {hint(kind, KINDS)}")
    return stems(_HERE / kind, ".toml")


@cache
def dataset(name: str) -> Dataset:
    """The dataset of that name. Raises InvalidValue.

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


def layout_of(data: Dataset) -> Layout:
    """The layout of a dataset: its custom layout if it has one, else the one that it names. Raises InvalidValue."""
    return data.custom_layout or layout(data.layout)


@cache
def missing_names(name: str) -> frozenset[str]:
    """The clips in the list manifests/missing/<name>.txt; none for "". Raises InvalidValue.

    >>> len(missing_names("ntu60"))
    302
    """
    if not name:
        return frozenset()
    lists = stems(_HERE / "missing", ".txt")
    if name not in lists:
        raise InvalidValue(f"`{name}` is not one of the lists in manifests/missing. {hint(name, lists)}")
    lines = (_HERE / "missing" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@cache
def published() -> tuple[Published, ...]:
    """Every published number, paper by paper in the order of the file names. Raises InvalidValue.

    Tables are kept whole, so a row may name a dataset or split that has no file here yet.
    """
    return tuple(row for name in names("published") for row in read_tables(_HERE / "published" / f"{name}.toml"))


@cache
def published_notes() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Known reasons why results on a split differ from a paper's, by (paper, split). Raises InvalidValue."""
    files = [read_notes(_HERE / "published" / f"{name}.toml") for name in names("published")]
    return {key: notes for file in files for key, notes in file.items()}


@cache
def published_choices() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """What this project does where a paper is silent or contradicts itself, by (paper, table). Raises InvalidValue."""
    files = [read_choices(_HERE / "published" / f"{name}.toml") for name in names("published")]
    return {key: choices for file in files for key, choices in file.items()}


@cache
def encoder(name: str) -> Encoder:
    """The video and text encoder of that name. Raises InvalidValue.

    >>> encoder("xclip").frames
    8
    """
    return build(Encoder, _read("encoders", name), f"encoders/{name}.toml")


def is_custom_encoder(name: str) -> bool:
    """True if the name of an encoder is the path of a user's own file.

    >>> is_custom_encoder("my_encoder.py"), is_custom_encoder("xclip")
    (True, False)
    """
    return name.endswith(".py")


def custom_encoder(path: Path) -> Encoder:
    """The facts of a custom encoder, from the .toml file beside its .py file. Raises InvalidValue."""
    facts = path.with_suffix(".toml")
    return build(Encoder, _with_name(path.stem, read_toml(facts), str(facts)), str(facts))


@cache
def prompts(name: str) -> Prompts:
    """The prompts of that name. Raises InvalidValue.

    >>> prompts("bare").templates
    ('{}',)
    """
    return build(Prompts, _read("prompts", name), f"prompts/{name}.toml")


def custom_prompts(sentences: tuple[str, ...]) -> Prompts:
    """Prompts from a user's own sentences, each with `{}` for the class name. Raises InvalidValue.

    >>> custom_prompts(("someone who does {}",)).templates
    ('someone who does {}',)
    """
    # The name and source are stored with every embedding.
    return build(Prompts, {"name": "own", "templates": list(sentences), "source": "the user"}, "custom prompts")


def is_custom(name: str) -> bool:
    """True if the name of a split or dataset is the path of a user's own file.

    >>> is_custom("my_split.toml"), is_custom("ntu_t")
    (True, False)
    """
    return name.endswith(".toml")


def split(name: str) -> Split:
    """The split of that name, or in the user's own file at that path. Raises InvalidValue.

    >>> split("ntu_t").samples_per_class
    30
    """
    return _custom_split(Path(name)) if is_custom(name) else _split(name)


@cache
def _split(name: str) -> Split:
    return _build_split(_read("splits", name), f"splits/{name}.toml")


def _custom_split(path: Path) -> Split:
    if path.stem in names("splits"):
        rule = f"a split is named after its file, and `{path.stem}` ships already"
        raise InvalidValue(f"{path}: {rule}. Rename the file.")
    return _build_split(_with_name(path.stem, read_toml(path), str(path)), str(path), path.parent)


def classes_of(chosen: Split) -> tuple[str, ...]:
    """The names of all classes of a split's dataset; () for a custom dataset whose classes the split does not name.

    >>> classes_of(split("ntu_t"))[0]
    'drink water'
    """
    return dataset(chosen.dataset).classes if chosen.dataset in names("datasets") else chosen.class_names


def _build_split(value: Mapping[str, Any], where: str, folder: Path = _HERE) -> Split:
    """The keys of a split's file, completed by those of its base. Exemplars must show the classes they stand for."""
    base = _read("splits", value["base"]) if isinstance(value.get("base"), str) else {}
    if "base" in base:
        raise InvalidValue(f"{where}: base `{value['base']}` has a base itself. Name `{base['base']}` instead")
    complete = {**base, **value}
    labelled = with_labels(complete, where, lambda: _class_names(str(complete.get("dataset", "")), folder, where))
    result = build(Split, labelled, where)
    if result.dataset in names("datasets"):
        for label, name in zip(result.test, result.exemplars, strict=False):
            _check_exemplar(dataset(result.dataset), label, name, where)
    return result


def _class_names(name: str, folder: Path, where: str) -> Sequence[str]:
    return dataset(name).classes if name in names("datasets") else custom_class_names(name, folder, where)


def _check_exemplar(data: Dataset, label: int, name: str, where: str) -> None:
    match = match_name(data.pattern, name)
    if match is None:
        raise InvalidValue(f"{where}: exemplar `{name}` is not a name of {data.name}, {data.pattern}")
    action = match.groupdict().get("action")
    if action is not None and data.actions[label : label + 1] != (int(action),):
        rule = f"exemplar `{name}` does not show class {label}, whose place in `exemplars` it takes"
        raise InvalidValue(f"{where}: {rule}")


@dataclass(frozen=True)
class _FirstOf:
    """`classes = { first = 60, of = "ntu120" }`: the first classes of another dataset."""

    first: int
    of: str

    def names(self) -> tuple[str, ...]:
        classes = dataset(self.of).classes
        if not 1 <= self.first <= len(classes):
            raise InvalidValue(f"first is {self.first}; `{self.of}` has 1 to {len(classes)} classes to give")
        return classes[: self.first]


def _read(kind: str, name: str) -> dict[str, Any]:
    """The TOML file of a record that ships, as a dictionary."""
    if name not in names(kind):
        raise InvalidValue(f"`{name}` is not one of the {kind}. {hint(name, names(kind))}")
    where = f"{kind}/{name}.toml"
    return _with_name(name, read_toml(_HERE / kind / f"{name}.toml", where), where)


def _with_name(name: str, value: Mapping[str, Any], where: str) -> dict[str, Any]:
    if "name" in value:
        raise InvalidValue(f"{where}: `name` is the file's name; remove the line")
    return {"name": name, **value}
