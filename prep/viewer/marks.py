"""Marked clips, kept in a file as the list `exclude` of a split, which leaves them out of training and tests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from manifests.facts import is_custom
from manifests.split import Split
from manifests.split_file import split
from manifests.strict import read_toml
from prep.errors import PrepError
from prep.files import atomic_write, disk_errors

BEGIN = "# Clips marked in `fsprep view`."
HEADER = BEGIN + " Train without them: `fszoo train RECIPE --data {name}`.\n"
ALONE = BEGIN + " Copy this list into a split of the dataset.\n"


def read_marks(path: Path) -> frozenset[str]:
    """The names in the list `exclude` of a file of marks, none if it does not exist yet.

    Raises InvalidValue or PrepError, also for a file that is something else and must not be replaced.
    """
    if not is_custom(path.name):
        raise PrepError(f"--marks {path}: a split is a .toml file. Name one that ends with .toml.")
    if not path.exists():
        return frozenset()
    if not path.is_file() or not path.read_bytes().startswith(BEGIN.encode()):
        raise PrepError(f"--marks {path}: is not a file of marks, and is kept. Name a new file.")
    names = read_toml(path).get("exclude", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PrepError(f"{path}: exclude is not a list of clip names. Correct it, or name another file with --marks.")
    return frozenset(names)


def write_marks(path: Path, marked: Collection[str], varied: str) -> None:
    """Write the names to `path` as a complete split: `varied`, a name or a path, without the marked clips.

    Without a split to vary, the file has the list alone. Raises PrepError if an exemplar of the split is marked, or the
    file cannot be written.
    """
    content = ALONE if not varied else HEADER.format(name=path.name)
    with disk_errors(path):
        atomic_write(path, content + _toml({**_keys(path, varied, marked), "exclude": sorted(marked)}))


def _keys(path: Path, varied: str, marked: Collection[str]) -> dict[str, Any]:
    if not varied:
        return {}
    chosen = split(varied)
    if exemplars := sorted(set(chosen.exemplars) & set(marked)):
        raise PrepError(f"{exemplars[0]} is an exemplar of {chosen.name}, which needs it. Remove the mark.")
    if not is_custom(varied) and not chosen.base:
        return {"base": chosen.name, "title": f"{chosen.title}, without marked clips"}
    defaults = {field.name: field.default for field in fields(Split)}
    return {key: value for key, value in asdict(chosen).items() if key != "name" and value != defaults[key]}


def _toml(content: dict[str, Any]) -> str:
    import tomli_w

    return tomli_w.dumps({key: list(value) if isinstance(value, tuple) else value for key, value in content.items()})
