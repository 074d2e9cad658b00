"""Look-up of facts by name: datasets, layouts, encoders, prompts and published results, one TOML file each.

A record is named after its file, so no file has a key `name`. A name that is a path means a user's own file: a .py with
an encoder whose facts lie beside it, or a .toml with a split (manifests/split_file.py) or a custom dataset
(manifests/custom.py). Imports no array library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from manifests.dataset import Dataset
from manifests.encoder import Encoder, Prompts
from manifests.folder import stems
from manifests.layout import Layout
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
    value = record("datasets", name)
    if isinstance(value.get("classes"), dict):
        value["classes"] = build(_FirstOf, value["classes"], f"datasets/{name}.toml: classes").names()
    return build(Dataset, value, f"datasets/{name}.toml")


@cache
def layout(name: str) -> Layout:
    """The layout of that name. Raises InvalidValue.

    >>> len(layout("ntu25").joints)
    25
    """
    return build(Layout, record("layouts", name), f"layouts/{name}.toml")


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
    return build(Encoder, record("encoders", name), f"encoders/{name}.toml")


def is_custom_encoder(name: str) -> bool:
    """True if the name of an encoder is the path of a user's own file.

    >>> is_custom_encoder("my_encoder.py"), is_custom_encoder("xclip")
    (True, False)
    """
    return name.endswith(".py")


def custom_encoder(path: Path) -> Encoder:
    """The facts of a custom encoder, from the .toml file beside its .py file. Raises InvalidValue."""
    facts = path.with_suffix(".toml")
    return build(Encoder, with_name(path.stem, read_toml(facts), str(facts)), str(facts))


@cache
def prompts(name: str) -> Prompts:
    """The prompts of that name. Raises InvalidValue.

    >>> prompts("bare").templates
    ('{}',)
    """
    return build(Prompts, record("prompts", name), f"prompts/{name}.toml")


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


def record(kind: str, name: str) -> dict[str, Any]:
    """The keys of a record's file, with its name. Raises InvalidValue for a name that does not ship."""
    if name not in names(kind):
        raise InvalidValue(f"`{name}` is not one of the {kind}. {hint(name, names(kind))}")
    where = f"{kind}/{name}.toml"
    return with_name(name, read_toml(_HERE / kind / f"{name}.toml", where), where)


def with_name(name: str, value: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys of a file with the name of its record. Raises InvalidValue if the file has such a key itself."""
    if "name" in value:
        raise InvalidValue(f"{where}: `name` is the file's name; remove the line")
    return {"name": name, **value}
