"""Class names in the file of a split, where records have 0-based labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from manifests.strict import InvalidValue, hint

PARTS = ("train", "val", "test")
Names = Callable[[], Sequence[str]]


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


def custom_class_names(dataset: str, folder: Path, where: str) -> Sequence[str]:
    """The classes of a custom dataset, from the dataset file beside a split. Raises InvalidValue if it is not there."""
    from manifests.custom import read_custom  # which reads facts, as the callers of this file do

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
