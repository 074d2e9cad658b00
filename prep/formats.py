"""Raw and intermediate file formats: the record that every format's module exports, and the look-up by name.

A raw format is a module of prep.readers, an intermediate one a module of prep.importers. The file's name is the
format's name. The module exports one record, `FORMAT = Format(...)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from manifests.dataset import Dataset
from manifests.folder import stems
from manifests.strict import build, hint
from prep.clip import Recording, Source
from prep.errors import PrepError
from prep.untrusted.files import load_bytes, location
from prep.untrusted.unread import Unread, unread

# The two preprocessing pipelines for clips that are already preprocessed; the second keeps four bodies, not two.
IMPORTED, IMPORTED_ALL = "imported", "imported_all"

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class FindRequest:
    """A search for recordings of the dataset `data` below `raw`, with the format's `options`.

    `scratch` is a folder of the build. A format that cannot be read piece by piece may be unpacked there once.
    """

    raw: Path
    data: Dataset
    options: Any = None
    scratch: Path | None = None


@dataclass(frozen=True)
class FindResult:
    """Result of a search: usable recordings sorted by name, and (name, reason) of those that are listed but unusable.

    `notes` are (name, remark) of irregularities that leave no recording out. The store keeps them, and their words are
    part of its digest: a changed word is another store.
    `seen` are the locations of files that were read, or are named in `bad` or `notes`, beyond those of the sources.
    `folder` is the folder that was searched, where it is not that of the request.
    `remarks` are lines about everything else in the folder; `complete` fills them in.
    """

    sources: tuple[Source, ...]
    bad: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    seen: frozenset[str] = frozenset()
    folder: Path | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A file format. Raises TypeError for a field of another type.

    files: the names of its files, for users.
    find: every recording, without reading them all. Finding none is no error. Raises PrepError for files that are
        unreadable or ambiguous as a whole.
    read: (source, bytes, dataset) to a Recording; a pure function. Raises BadFile.
    load: the bytes of one source. Raises BadFile.
    options: a frozen dataclass of str, int and bool with defaults: choices that the files leave open.
    prepared: the clips are already preprocessed, so only `imported` and `imported_all` apply.
    slots: body ids are slots 0, 1, ..., as `imported` needs them; by default the same as `prepared`.
    name: the file's name; set by `format_named`.
    """

    files: str
    find: Callable[[FindRequest], FindResult]
    read: Callable[[Source, bytes, Dataset], Recording]
    load: Callable[[Source], bytes] = load_bytes
    options: type[Any] | None = None
    prepared: bool = False
    slots: bool | None = None
    name: str = ""

    def __post_init__(self) -> None:
        valid = {
            "files": isinstance(self.files, str) and self.files != "",
            "find": callable(self.find),
            "read": callable(self.read),
            "load": callable(self.load),
            "options": self.options is None or is_dataclass(self.options),
            "prepared": isinstance(self.prepared, bool),
            "slots": self.slots is None or isinstance(self.slots, bool),
        }
        for field in fields(self):
            if not valid.get(field.name, True):
                raise TypeError(f"Format.{field.name} is {getattr(self, field.name)!r}; it must be {field.type}")
        if self.slots is None:
            object.__setattr__(self, "slots", self.prepared)

    def parse_options(self, settings: Mapping[str, str]) -> Any:
        """An instance of `options` from `name = value` settings, None where the format has no options.

        Raises PrepError for an unknown name, InvalidValue for a wrong value.
        """
        names = [] if self.options is None else [field.name for field in fields(self.options)]
        for name in settings:
            if name not in names:
                rule = hint(name, names) if names else "It has none."
                raise PrepError(f"`{name}` is not an option of the file format {self.name}. {rule}")
        if self.options is None:
            return None
        types = get_type_hints(self.options)
        return build(self.options, {name: _typed(value, types[name]) for name, value in settings.items()}, self.name)


def readers() -> list[str]:
    """The names of all raw formats, sorted."""
    return stems(_HERE / "readers", ".py")


def importers() -> list[str]:
    """The names of all intermediate formats, sorted."""
    return stems(_HERE / "importers", ".py")


def format_named(name: str) -> Format:
    """The file format of that name. Raises PrepError for an unknown name, and for a module without a valid FORMAT."""
    for package, names in (("readers", readers()), ("importers", importers())):
        if name in names:
            return _exported(package, name)
    raise PrepError(f"`{name}` is not a file format. {hint(name, [*readers(), *importers()])}")


def detect_format(
    name: str, raw: Path, data: Dataset, settings: Mapping[str, str], scratch: Path
) -> tuple[Format, FindResult]:
    """The named format, or else the only raw format of the dataset with files below `raw`; and what it finds.

    Raises PrepError when nothing is found, and when the folder holds two formats of the dataset.
    """
    candidates = [format_named(candidate) for candidate in ([name] if name else data.readers)]
    # Users who name a format have the files already, so they need no advice on how to obtain the raw ones.
    remedy = "Check the path." if name else data.obtain.strip()
    if not raw.exists():
        raise PrepError(f"{raw}: there is no such folder or file. {remedy}")
    results = {}
    for candidate in candidates:
        result = candidate.find(FindRequest(raw, data, candidate.parse_options(settings), scratch))
        if result.sources or result.bad:
            results[candidate] = result
    if not results:
        raise _nothing_found(raw, candidates, remedy)
    if len(results) > 1:
        both = " and ".join(f"{candidate.files} (--from {candidate.name})" for candidate in results)
        raise PrepError(
            f"{raw}: holds {both}. A store is built from one file format: name it with --from, or move the other files."
        )
    file_format, result = next(iter(results.items()))
    return file_format, complete(raw, result)


def complete(raw: Path, result: FindResult) -> FindResult:
    """The result of a search with everything else in its folder: files that are not read, and what cannot be opened."""
    folder = result.folder or raw
    if not folder.is_dir() and folder.suffix.lower() != ".zip":
        return result
    locations = {location(source) for source in result.sources} | {source.path for source in result.sources}
    rest = unread(folder, locations | result.seen)
    return replace(result, bad=result.bad + rest.refused, remarks=rest.remarks)


def _nothing_found(raw: Path, candidates: Sequence[Format], remedy: str) -> PrepError:
    """The error for raw files without a recording: what cannot be opened, or else what lies there."""
    rest = unread(raw, frozenset()) if raw.is_dir() or raw.suffix.lower() == ".zip" else Unread()
    if rest.refused:
        return PrepError("\n".join(reason for _, reason in rest.refused))
    expected = " or ".join(candidate.files for candidate in candidates)
    content = "".join(f"\n  {remark}" for remark in rest.remarks)
    return PrepError(f"{raw}: holds no {expected}, neither as files nor inside zips. {remedy}{content}")


def _exported(package: str, name: str) -> Format:
    """The FORMAT of a module. Raises PrepError where it has none, or one with a wrong field."""
    record = getattr(_imported(package, name), "FORMAT", None)
    if not isinstance(record, Format):
        rule = "the module of a file format exports `FORMAT = Format(...)`, see prep/formats.py"
        raise PrepError(f"prep/{package}/{name}.py: has no FORMAT; {rule}. Add it, or begin the file's name with `_`.")
    return replace(record, name=name)


def _imported(package: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(f"prep.{package}.{name}")
    except TypeError as error:
        # Only a wrong Format(...) is explained here; any other mistake in the module keeps its own traceback.
        if "Format." not in str(error):
            raise
        names = ", ".join(field.name for field in fields(Format))
        raise PrepError(f"prep/{package}/{name}.py: {error}. The fields of Format are {names}.") from error


def _typed(value: str, kind: Any) -> Any:
    if kind is bool and value in ("true", "false"):
        return value == "true"
    if kind is int and value.removeprefix("-").isdigit():
        return int(value)
    return value
