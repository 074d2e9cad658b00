"""The recipes that ship, by name, without loading what they name."""

from __future__ import annotations

from pathlib import Path

from manifests.folder import stems
from manifests.strict import parse

FOLDER = Path(__file__).parents[1] / "recipes"


def shipped() -> tuple[str, ...]:
    """Names of the recipes that ship, sorted; files that begin with `_` are bases of others.

    >>> "dastm" in shipped()
    True
    """
    return tuple(stems(FOLDER, ".toml"))


def recipes() -> dict[str, str]:
    """Name and title of every recipe that ships."""
    files = {name: FOLDER / f"{name}.toml" for name in shipped()}
    return {name: str(parse(file.read_text(encoding="utf-8"), str(file))["title"]) for name, file in files.items()}
