"""What users set in a recipe: one `key=value` after another, on top of the recipe's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifests.strict import InvalidValue, parse
from zoo.experiment.layers import merged


def parsed_setting(text: str) -> dict[str, Any]:
    """One `key=value` as a nested table; the value is TOML, or a plain word.

    >>> parsed_setting("task.way=5")
    {'task': {'way': 5}}
    >>> parsed_setting("data.split=demo")
    {'data': {'split': 'demo'}}
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InvalidValue(f"--set {text}: must be key=value, for example --set task.shot=5.")
    try:
        inner: Any = parse(f"x = {value}", "")["x"]
    except InvalidValue:
        inner = value
    for part in reversed(key.strip().split(".")):
        inner = {part: inner}
    table: dict[str, Any] = inner
    return table


def with_setting(table: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """A table with one more setting. `init.settings` follow those that are there already; another `init.source` takes
    none of them."""
    init, before = given.get("init", {}), table.get("init", {})
    if isinstance(init, Mapping) and isinstance(before, Mapping):
        if isinstance(init.get("settings"), list):
            given = {"init": {**init, "settings": [*before.get("settings", []), *init["settings"]]}}
        elif init.get("source", before.get("source")) != before.get("source"):
            given = {"init": {**init, "settings": []}}
    return merged(table, given)
