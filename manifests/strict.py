"""Strict conversion of TOML and JSON values to frozen dataclasses: an unknown, missing or wrong key is an error."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


class InvalidValue(ValueError):
    """A file or value breaks a rule. The text names the file and key, the rule and the remedy."""


def hint(word: str, known: Iterable[str]) -> str:
    """The end of an error message: the known word nearest to a misspelt one, or all known words.

    >>> hint("shott", ["shot", "way"])
    'Did you mean `shot`?'
    >>> hint("q", ["shot", "way"])
    'Known: shot, way.'
    """
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}."


def parse(text: str, where: str) -> dict[str, Any]:
    """Parse TOML text to a dictionary. Raises InvalidValue, beginning with `where`."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Beside its own error, tomllib raises ValueError for endless numbers and RecursionError for nested lists.
        raise InvalidValue(f"{where}: not readable as TOML: {str(error)[:200]}") from error


def read_toml(path: Path, where: str = "") -> dict[str, Any]:
    """Read a TOML file as a dictionary. Raises InvalidValue, beginning with `where` (default: the path)."""
    where = where or str(path)
    if path.exists() and not path.is_file():  # to read a named pipe could wait for ever
        raise InvalidValue(f"{where}: cannot be read: it is not a regular file.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{where}: cannot be read: {error}") from error
    return parse(text, where)


def load(cls: type[T], path: Path) -> T:
    """Read one TOML file as a frozen dataclass. Raises InvalidValue."""
    return build(cls, read_toml(path), str(path))


def build(cls: type[T], value: Mapping[str, Any], where: str) -> T:
    """Convert a mapping to a frozen dataclass, nested ones included. Every key must be a field; types must match.

    Raises InvalidValue, beginning with `where`, also in place of a ValueError that the dataclass itself raises.
    """
    _check_keys(cls, value, where)
    result: T = _validate(cls, value, where)
    return result


def _check_keys(cls: Any, value: Any, where: str) -> None:
    if get_origin(cls) is tuple and isinstance(value, list):
        for number, inner in enumerate(value):
            _check_keys(get_args(cls)[0], inner, f"{where}[{number}]")
    types = _types(cls)
    if types is None or not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if key not in types:
            label = getattr(cls, "__name__", str(cls))
            raise InvalidValue(f"{where}: `{key}` is not a key of {label}. {hint(key, types)}")
        _check_keys(types[key], inner, f"{where}: {key}")


@cache
def _types(cls: Any) -> dict[str, Any] | None:
    """The type of every field of a dataclass; None for any other type."""
    if not is_dataclass(cls):
        return None
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _validate(cls: Any, value: Mapping[str, Any], where: str) -> Any:
    from pydantic import ValidationError

    try:
        text = json.dumps(value)
    except TypeError as error:
        raise InvalidValue(f"{where}: dates and times are not used here; write them as text in quotes") from error
    except RecursionError as error:
        raise InvalidValue(f"{where}: lists or tables are nested too deeply") from error
    try:
        # JSON in strict mode accepts arrays for tuples, but not "5" for 5.
        return _adapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidValue(f"{where}: {location + ': ' if location else ''}{reason}") from error


@cache
def _adapter(cls: Any) -> Any:
    """Pydantic's validator of a class. Compiling one takes about ten times as long as a validation."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)
