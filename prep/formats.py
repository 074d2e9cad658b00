"""Forms: what users hold. A raw form is a module of prep.readers, an intermediate form one of prep.importers.

A form is found by its file's name and has

    FILES                          what it looks for, in words
    PREPARED                       True where clips come prepared, so that no recipe but `imported` and `imported_all`
                                   fits; absent: False
    SLOTS                          True where a body's id is its slot, as `imported` needs it; absent: as PREPARED
    Options                        optional, a frozen dataclass of str, int and bool with defaults: choices that the
                                   files leave open
    find(request) -> Found         every recording, cheaply; none found is no error, unreadable or ambiguous is
    load(source) -> bytes          optional; prep.untrusted.files.load_bytes where absent
    read(source, bytes, dataset) -> Recording    pure; raises BadFile
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from manifests.dataset import Dataset
from manifests.strict import build, hint
from prep.clip import Recording, Source
from prep.errors import PrepError
from prep.untrusted.files import load_bytes

_HERE = Path(__file__).parent
IMPORTED = "imported"
IMPORTED_ALL = "imported_all"  # four bodies instead of two


@dataclass(frozen=True)
class Request:
    """What a form is asked to find: everything of `data` below `raw`, read by its own `options`.

    `scratch` is a folder of the build's own, where a form that cannot be read piece by piece may be unpacked once.
    """

    raw: Path
    data: Dataset
    options: Any = None
    scratch: Path | None = None


@dataclass(frozen=True)
class Found:
    """The recordings there are, in the order of their names, and (name, reason) of what is announced and unusable.

    `notes` are (name, remark) of oddities that the store shall remember though they leave nothing out.
    """

    sources: tuple[Source, ...]
    bad: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Format:
    """One form by name."""

    name: str
    module: ModuleType

    @property
    def files(self) -> str:
        """What it looks for, in words."""
        return str(self.module.FILES)

    @property
    def prepared(self) -> bool:
        """Whether its clips went through a preparation that cannot be repeated or undone."""
        return bool(getattr(self.module, "PREPARED", False))

    @property
    def slots(self) -> bool:
        """Whether a body's id is its slot, 0, 1, ..."""
        return bool(getattr(self.module, "SLOTS", self.prepared))

    @property
    def load(self) -> Callable[[Source], bytes]:
        """The bytes of one source."""
        return getattr(self.module, "load", load_bytes)

    def read(self, source: Source, raw: bytes, data: Dataset) -> Recording:
        """One recording of its bytes. Raises BadFile."""
        recording: Recording = self.module.read(source, raw, data)
        return recording

    def options(self, settings: Mapping[str, str]) -> Any:
        """Its options with these `name = value` settings. Raises PrepError for an unknown name or a wrong value."""
        known = getattr(self.module, "Options", None)
        names = [] if known is None else [field.name for field in fields(known)]
        for name in settings:
            if name not in names:
                rule = hint(name, names) if names else "It has none."
                raise PrepError(f"`{name}` is not an option of the form {self.name}. {rule}")
        if known is None:
            return None
        types = get_type_hints(known)
        return build(known, {name: _typed(value, types[name]) for name, value in settings.items()}, self.name)

    def find(self, request: Request) -> Found:
        """Every recording of this form below the request's folder. Raises PrepError."""
        found: Found = self.module.find(request)
        return found


def readers() -> list[str]:
    """The names of all raw forms, sorted."""
    return _names("readers")


def importers() -> list[str]:
    """The names of all intermediate forms, sorted."""
    return _names("importers")


def format_named(name: str) -> Format:
    """The form of that name. Raises PrepError."""
    for room in ("readers", "importers"):
        if name in _names(room):
            return Format(name, importlib.import_module(f"prep.{room}.{name}"))
    raise PrepError(f"`{name}` is not a form. {hint(name, [*readers(), *importers()])}")


def find(name: str, raw: Path, data: Dataset, settings: Mapping[str, str], scratch: Path) -> tuple[Format, Found]:
    """The form named, or the one raw form of the data set that finds anything below `raw`, and what it finds.

    Raises PrepError when nothing is found, and when two forms of one data set lie in one folder.
    """
    tried = [format_named(each) for each in ([name] if name else data.readers)]
    # Who names a form has the data in it, and need not be told where to register for the raw ones.
    remedy = "Check the path." if name else data.obtain.strip()
    if not raw.exists():
        raise PrepError(f"{raw}: there is no such folder or file. {remedy}")
    found = {}
    for each in tried:
        result = each.find(Request(raw, data, each.options(settings), scratch))
        if result.sources or result.bad:
            found[each] = result
    if not found:
        sought = " or ".join(each.files for each in tried)
        raise PrepError(f"{raw}: holds no {sought}, neither as files nor inside zips. {remedy}")
    if len(found) > 1:
        both = " and ".join(f"{each.files} (--from {each.name})" for each in found)
        raise PrepError(f"{raw}: holds {both}. One store is made of one form: name it, or move the other away.")
    return next(iter(found.items()))


def _names(room: str) -> list[str]:
    return sorted(path.stem for path in (_HERE / room).glob("*.py") if not path.stem.startswith("_"))


def _typed(value: str, kind: Any) -> Any:
    if kind is bool and value in ("true", "false"):
        return value == "true"
    if kind is int and value.removeprefix("-").isdigit():
        return int(value)
    return value
