"""Kind + name -> class. The file's name is the name; a user's own .py file counts as well as a shipped one."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from manifests.folder import stems
from manifests.strict import hint
from manifests.user_code import UserCodeError, is_user_code, load_module
from zoo.source import defined

# Folder of zoo -> (what one of its files is called, module and name of the class that its `Model` derives from).
KINDS = {
    "backbones": ("backbone", "zoo.backbones", "Backbone"),
    "methods": ("method", "zoo.methods", "Method"),
    "pretrain": ("pre-training stage", "zoo.pretrain", "Stage"),
}


class RegistryError(ValueError):
    """No file of that name, or a file that does not keep the contract; the text names the remedy."""


@dataclass(frozen=True)
class NoOptions:
    """The options of a file that defines none. Reading one raises RegistryError, which names the file."""

    file: ClassVar[str] = ""

    def __getattr__(self, name: str) -> Any:
        """Called for names that do not exist; Python asks for some of its own, such as `__deepcopy__`."""
        if name.startswith("__"):
            raise AttributeError(name)
        remedy = f"Write a frozen dataclass `Options` with a field `{name}` that has a default"
        raise RegistryError(f"{self.file}: uses `options.{name}`, but has no class `Options`. {remedy}.")


@dataclass(frozen=True)
class Entry:
    """One backbone, method or stage: its classes, and the sha256 of a user's own file ("" for a shipped one)."""

    kind: str
    name: str
    model: Any
    options: Any
    digest: str = ""


@cache
def names(kind: str) -> tuple[str, ...]:
    """The names of a kind's shipped files, sorted.

    >>> "protonet" in names("methods")
    True
    """
    return tuple(stems(Path(__file__).parent / kind, ".py"))


def find(name: str, *kinds: str) -> Entry:
    """The backbone, method or stage of that name, or in the user's own file `name`, whose code is executed.

    Raises RegistryError with the nearest name, or with what a file lacks.
    """
    if is_user_code(name):
        return _user_entry(Path(name), kinds)
    kind = _shipped_kind(name, kinds)
    return _entry(kind, name, importlib.import_module(f"zoo.{kind}.{name}"), f"zoo/{kind}/{name}.py")


def kind_of(name: str, *kinds: str) -> str:
    """Which of the kinds a name is: "methods", for example. A shipped file is not imported. Raises RegistryError."""
    return _user_entry(Path(name), kinds).kind if is_user_code(name) else _shipped_kind(name, kinds)


def options_of(name: str, *kinds: str) -> Any:
    """The class of the options, to read and check them; a shipped file is not imported. Raises RegistryError.

    What a model is made with is `find(name).options`, a class of the same fields.
    """
    if is_user_code(name):
        return _user_entry(Path(name), kinds).options
    return defined(f"zoo.{_shipped_kind(name, kinds)}.{name}", "Options") or NoOptions


def learner(name: str) -> Entry:
    """The method or pre-training stage of that name or file. Raises RegistryError."""
    return find(name, "methods", "pretrain")


def backbone(name: str) -> Entry:
    """The backbone of that name or file. Raises RegistryError."""
    return find(name, "backbones")


def _shipped_kind(name: str, kinds: tuple[str, ...]) -> str:
    for kind in kinds:
        if name in names(kind):
            return kind
    words = " or ".join(KINDS[kind][0] for kind in kinds)
    known = [name for kind in kinds for name in names(kind)]
    raise RegistryError(f"`{name}` is not a {words}. {hint(name, known)}")


def _user_entry(path: Path, kinds: tuple[str, ...]) -> Entry:
    for kind in kinds:
        if path.stem in names(kind):
            word = KINDS[kind][0]
            raise RegistryError(f"{path}: a {word} is named after its file, and `{path.stem}` ships. Rename the file.")
    try:
        loaded = load_module(path)
    except UserCodeError as error:
        raise RegistryError(str(error)) from error
    model = getattr(loaded.module, "Model", None)
    for kind in kinds:
        if isinstance(model, type) and issubclass(model, _base(kind)):
            return _entry(kind, path.stem, loaded.module, str(path), loaded.digest)
    bases = " or ".join(f"{KINDS[kind][2]} (from {KINDS[kind][1]})" for kind in kinds)
    raise RegistryError(f"{path}: has no class `Model` that derives from {bases}. Write one.")


def _base(kind: str) -> type:
    _, module, name = KINDS[kind]
    base: type = getattr(importlib.import_module(module), name)
    return base


def _entry(kind: str, name: str, module: ModuleType, where: str, digest: str = "") -> Entry:
    model = getattr(module, "Model", None)
    if not (isinstance(model, type) and issubclass(model, _base(kind))):
        raise RegistryError(f"{where}: has no class `Model` that derives from {KINDS[kind][2]}. Write one.")
    options = getattr(module, "Options", None) or type(
        "NoOptions", (NoOptions,), {"file": where, "__doc__": NoOptions.__doc__}
    )
    if not is_dataclass(options):
        raise RegistryError(f"{where}: `Options` must be a frozen dataclass whose fields have defaults.")
    return Entry(kind, name, model, options, digest)
