"""The recipes that ship, by name, without loading what they name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from manifests.folder import stems
from manifests.strict import parse

FOLDER = Path(__file__).parents[1] / "recipes"


def shipped() -> tuple[str, ...]:
    """Names of the recipes that ship, sorted; files that begin with `_` are bases of others.

    >>> "dastm" in shipped()
    True
    """
    return tuple(stems(FOLDER, ".toml"))


@cache
def lineage(name: str) -> tuple[str, ...]:
    """A recipe that ships and those that it builds on by `base`, the nearest first; empty for any other name.

    >>> lineage("dastm"), lineage("mine")
    (('dastm',), ())
    """
    if name not in shipped():
        return ()
    return (name, *lineage(str(_table(name).get("base", ""))))


def families() -> dict[str, tuple[str, ...]]:
    """Every recipe that builds on no other recipe that ships, with those that build on it, sorted.

    >>> "dastm_rank" in families()["dastm"]
    True
    """
    roots: dict[str, list[str]] = {}
    for name in shipped():
        *_, root = lineage(name)
        roots.setdefault(root, []).extend([name] if name != root else [])
    return {root: tuple(variants) for root, variants in sorted(roots.items())}


def recipes() -> dict[str, str]:
    """Name and title of every recipe that ships."""
    return {name: str(_table(name)["title"]) for name in shipped()}


def _table(name: str) -> dict[str, Any]:
    file = FOLDER / f"{name}.toml"
    return parse(file.read_text(encoding="utf-8"), str(file))
