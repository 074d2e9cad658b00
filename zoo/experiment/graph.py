"""The table `[graph]` of a recipe: options for whichever graph backbone is chosen, such as `early_fusion`.

A recipe does not know which backbone the protocol of a split or the user chooses, so these options stand apart from
`backbone.options`. They are applied once the backbone is known, under options that are set for it by name. With
`required = true` a backbone without them is refused; otherwise they are left out, with a remark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from manifests.strict import InvalidValue, hint
from zoo import registry
from zoo.experiment.layers import merged

TABLE = "graph"
# The backbone of a recipe that names none (zoo.experiment.recipe).
DEFAULT = "stgcn"


class UnfitBackbone(InvalidValue):
    """A recipe needs an option or an axis of maps that the chosen backbone lacks; the text names those that have it."""


def with_graph_options(table: Mapping[str, Any], where: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A recipe's table in which the backbone's options take the place of `[graph]`, and remarks on what is left out.

    Raises UnfitBackbone where the backbone lacks a required option, and InvalidValue for an option of no backbone.
    """
    rest = {key: value for key, value in table.items() if key != TABLE}
    graph = table.get(TABLE, {})
    if not isinstance(graph, Mapping):
        raise InvalidValue(f"{where}: graph: must be a table of options of the backbone.")
    wanted = {key: value for key, value in graph.items() if key != "required"}
    if not isinstance(graph.get("required", False), bool):
        raise InvalidValue(f"{where}: graph.required: {graph['required']!r} is neither true nor false.")
    chosen = rest.get("backbone", {})
    backbone = str(chosen.get("name", DEFAULT)) if isinstance(chosen, Mapping) else DEFAULT
    has = _options(backbone, where) if wanted else set()
    # An option that is off is off without it too.
    missing = [key for key in wanted if key not in has and wanted[key] is not False]
    if missing:
        fit = _backbones_with(missing, where)
        if graph.get("required"):
            noun = "option" if len(missing) == 1 else "options"
            needed = f"{table.get('name', where)} needs a backbone with the {noun} {_named(missing)}"
            raise UnfitBackbone(f"{needed}: {', '.join(fit)}. Set backbone.name.")
    if wanted:
        given = {key: value for key, value in wanted.items() if key in has}
        rest = merged({"backbone": {"name": backbone, "options": given}}, rest)
    return rest, tuple(f"{_named([key])} is left out: the backbone {backbone} has no such option" for key in missing)


def _options(backbone: str, where: str) -> set[str]:
    try:
        return {field.name for field in fields(registry.options_of(backbone, "backbones"))}
    except registry.RegistryError as error:
        raise InvalidValue(f"{where}: backbone: {error}") from error


def _backbones_with(keys: list[str], where: str) -> list[str]:
    """The shipped backbones that have all of these options. Raises InvalidValue where none has one of them."""
    has = {name: _options(name, where) for name in registry.names("backbones")}
    known = set().union(*has.values())
    for key in keys:
        if key not in known:
            raise InvalidValue(f"{where}: graph.{key}: no backbone has this option. {hint(key, sorted(known))}")
    return [name for name, options in has.items() if set(keys) <= options]


def _named(keys: list[str]) -> str:
    return " and ".join(f"`{key}`" for key in keys)
