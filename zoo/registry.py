"""Room and name to module: the file's name is the thing's name, so a new file is known the moment it exists."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType

from manifests.strict import hint

ROOMS = {"backbones": "backbone", "methods": "method"}


class RegistryError(ValueError):
    """No file of that name in the room."""


@cache
def names(room: str) -> tuple[str, ...]:
    """What a room holds, sorted: every file that does not begin with an underscore.

    >>> "protonet" in names("methods")
    True
    """
    folder = Path(__file__).parent / room
    return tuple(sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")))


def find(room: str, name: str) -> ModuleType:
    """The module zoo/<room>/<name>.py, with its `Options` and `Model`. Raises RegistryError with the nearest name."""
    if name not in names(room):
        raise RegistryError(f"`{name}` is not a {ROOMS[room]}. {hint(name, names(room))}")
    return importlib.import_module(f"zoo.{room}.{name}")
