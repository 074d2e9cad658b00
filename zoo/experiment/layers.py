"""Tables of TOML files on top of each other: a file on its base, one layer on the layer below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.folder import stems
from manifests.strict import InvalidValue, hint, parse


def with_base(path: Path, folder: Path, shared: bool = True) -> dict[str, Any]:
    """The table of a TOML file on top of the file that its `base` names, in `folder` or beside it.

    Without `shared`, bases whose names begin with `_` are left out: what many files share is no choice of this one.
    Raises InvalidValue for a file that is not TOML, or a base that does not exist.
    """
    table = parse(path.read_text(encoding="utf-8"), str(path))
    base = table.pop("base", None)
    if base is None:
        return table
    beside = [place / f"{base}.toml" for place in (folder, path.parent)]
    below = next((file for file in beside if file.is_file()), None)
    if not isinstance(base, str) or below is None:
        near = hint(str(base), stems(folder, ".toml"))
        raise InvalidValue(f"{path}: base `{base}` is not a file of {folder.name}. {near}")
    return merged({} if below.stem.startswith("_") and not shared else with_base(below, folder, shared), table)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `under`. A method or backbone of another name starts from fresh options.

    >>> merged({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    """
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if not (isinstance(below, Mapping) and isinstance(value, Mapping)):
            result[key] = value
            continue
        renamed = key in ("method", "backbone") and value.get("name", below.get("name")) != below.get("name")
        result[key] = dict(value) if renamed else merged(below, value)
    return result
