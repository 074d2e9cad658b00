"""Splits by name, or from a user's own file, with class names in place of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from manifests.custom import read_custom
from manifests.dataset import Dataset
from manifests.facts import dataset, is_custom, names, record, with_name
from manifests.pattern import match_name
from manifests.split import Split
from manifests.strict import InvalidValue, build, hint, read_toml

FOLDER = Path(__file__).parent
PARTS = ("train", "val", "test")
Names = Callable[[], Sequence[str]]


def split(name: str) -> Split:
    """The split of that name, or in the user's own file at that path. Raises InvalidValue.

    >>> split("ntu_t").samples_per_class
    30
    """
    return _custom_split(Path(name)) if is_custom(name) else _split(name)


@cache
def _split(name: str) -> Split:
    return _build(record("splits", name), f"splits/{name}.toml")


def _custom_split(path: Path) -> Split:
    if path.stem in names("splits"):
        rule = f"a split is named after its file, and `{path.stem}` ships already"
        raise InvalidValue(f"{path}: {rule}. Rename the file.")
    return _build(with_name(path.stem, read_toml(path), str(path)), str(path), path.parent)


def classes_of(chosen: Split) -> tuple[str, ...]:
    """The names of all classes of a split's dataset; () for a custom dataset whose classes the split does not name.

    >>> classes_of(split("ntu_t"))[0]
    'drink water'
    """
    return dataset(chosen.dataset).classes if chosen.dataset in names("datasets") else chosen.class_names


def _build(value: Mapping[str, Any], where: str, folder: Path = FOLDER) -> Split:
    """The keys of a split's file, completed by those of its base. Exemplars must show the classes they stand for."""
    base = record("splits", value["base"]) if isinstance(value.get("base"), str) else {}
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
    return dataset(name).classes if name in names("datasets") else _custom_class_names(name, folder, where)


def _check_exemplar(data: Dataset, label: int, name: str, where: str) -> None:
    match = match_name(data.pattern, name)
    if match is None:
        raise InvalidValue(f"{where}: exemplar `{name}` is not a name of {data.name}, {data.pattern}")
    action = match.groupdict().get("action")
    if action is not None and data.actions[label : label + 1] != (int(action),):
        rule = f"exemplar `{name}` does not show class {label}, whose place in `exemplars` it takes"
        raise InvalidValue(f"{where}: {rule}")


def with_labels(value: Mapping[str, Any], where: str, class_names: Names) -> dict[str, Any]:
    """The keys of a split with a label for each class that is given by its name, and then also with `class_names`.

    `class_names` is called if there are names. Raises InvalidValue for an entry that is no number and no class.

    >>> with_labels({"train": ["wave", 2], "test": [1]}, "x.toml", lambda: ["wave", "bow", "nod"])["train"]
    [0, 2]
    """
    tables = [("", value), *((f"draws[{number}].", draw) for number, draw in enumerate(_draws(value)))]
    named = any(isinstance(entry, str) for _, table in tables for part in PARTS for entry in _entries(table, part))
    classes = list(class_names()) if named else []

    def labels(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        resolved = {part: _labels(table[part], classes, f"{where}: {prefix}{part}") for part in PARTS if part in table}
        return {**table, **resolved}

    result = labels(value, "")
    if "draws" in value and len(tables) > 1:
        result["draws"] = [labels(draw, prefix) for prefix, draw in tables[1:]]
    return result | ({"class_names": classes} if named else {})


def _custom_class_names(dataset: str, folder: Path, where: str) -> Sequence[str]:
    """The classes of a custom dataset, from the dataset file beside a split. Raises InvalidValue if it is not there."""
    file = folder / f"{dataset}.toml"
    if not file.is_file():
        remedy = f"Copy {file.name} there, or give numbers: `fsprep info STORE --classes` lists them"
        raise InvalidValue(f"{where}: names classes, and the dataset file {file.name} is not in its folder. {remedy}.")
    return read_custom(file).data.classes


def _draws(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    draws = value.get("draws")
    return draws if isinstance(draws, list) and all(isinstance(draw, Mapping) for draw in draws) else []


def _entries(table: Mapping[str, Any], part: str) -> list[Any]:
    entries = table.get(part)
    return entries if isinstance(entries, list) else []


def _labels(entries: Any, classes: Sequence[str], where: str) -> list[int]:
    remedy = 'Write a list of classes, each by its number from 0 on or by its name: [0, 1] or ["wave", "sit down"]'
    if not isinstance(entries, list):
        raise InvalidValue(f"{where}: `{str(entries)[:60]}` is not a list. {remedy}.")
    for entry in entries:
        if type(entry) not in (int, str):
            raise InvalidValue(f"{where}: `{str(entry)[:60]}` is neither the number nor the name of a class. {remedy}.")
        if isinstance(entry, str) and entry not in classes:
            raise InvalidValue(f"{where}: `{entry[:60]}` is not a class. {hint(entry, classes)}")
    return [classes.index(entry) if isinstance(entry, str) else entry for entry in entries]
