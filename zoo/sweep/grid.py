"""Grids: the axes of a sweep, and the recipe of every cell of their Cartesian product."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from manifests.layout import Layout
from manifests.split_file import split
from manifests.strict import InvalidValue, hint, parse
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve

# Words about a recipe and not choices, and the format, which has one value.
FIXED = ("name", "title", "source", "table", "format")
CLASS_SPLIT = "data.class_split"
# Their keys depend on the method and the backbone, which may be axes themselves.
OPTIONS = ("method.options.", "backbone.options.")
MOST_CELLS = 10_000
_RANGE = re.compile(r"\s*([+-]?\d+)\s*\.\.\s*([+-]?\d+)\s*")


@dataclass(frozen=True)
class Axis:
    """One key of a recipe and the values that it takes. `texts` are the values as `--set` reads them."""

    key: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One combination of the axes' values: its texts by key, and the resolved recipe."""

    values: Mapping[str, str]
    recipe: Recipe

    @property
    def settings(self) -> tuple[str, ...]:
        """The values as `--set` takes them."""
        return tuple(f"{key}={text}" for key, text in self.values.items())


def axes(overs: Sequence[str], recipe: Recipe, settings: Sequence[str] = ()) -> tuple[Axis, ...]:
    """The axes of `--over KEY=VALUES` texts for a resolved recipe that was made with `settings`.

    VALUES are a range of integers `0..4` with both ends, a list `1,5`, or `all` for data.class_split. Each value is
    TOML or a plain word. Raises InvalidValue for a key that the recipe does not have, a key that is given twice or is
    set as well, and for values that are empty or repeated.
    """
    keys, given = choices(recipe), {setting.partition("=")[0].strip() for setting in settings}
    found: dict[str, Axis] = {}
    for text in overs:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InvalidValue(f"--over {text}: must be key=values, for example --over seed=0..2.")
        _check_key(key, keys)
        if key in found:
            raise InvalidValue(f"--over {key} is given twice. Write all its values in one --over.")
        if key in given:
            raise InvalidValue(f"{key} is given by --over and by --set. Leave out one of them.")
        found[key] = Axis(key, _values(key, values, recipe))
    if CLASS_SPLIT in found and "data.split" in found:
        raise InvalidValue(
            "--over data.split and data.class_split: class splits belong to one split. Sweep one of them."
        )
    return tuple(found.values())


def cells(
    name_or_file: str,
    data: str = "",
    settings: Sequence[str] = (),
    overs: Sequence[str] = (),
    layout: Layout | None = None,
    names: Sequence[str] = (),
) -> tuple[Cell, ...]:
    """Every cell of the product, all of them resolved; the last axis varies fastest.

    `layout` and class `names` are those of the store, where it is open: custom splits' settings fit them. Raises
    InvalidValue for what `axes` refuses, and for a value that a recipe does not take, naming the cell.
    """
    grid = axes(overs, resolve(name_or_file, data, settings), settings)
    size = 1
    for axis in grid:
        size *= len(axis.texts)
    if size > MOST_CELLS:
        raise InvalidValue(f"The axes have {size:,} cells; at most {MOST_CELLS:,} are swept. Use shorter ranges.")
    return tuple(_cells(name_or_file, data, settings, grid, layout, names))


def choices(recipe: Recipe) -> dict[str, Any]:
    """Every choice of a recipe by its dotted key, as --set takes it."""
    flat: dict[str, Any] = {}

    def enter(prefix: str, table: Mapping[str, Any]) -> None:
        for key, value in table.items():
            if isinstance(value, Mapping):
                enter(f"{prefix}{key}.", value)
            elif prefix or key not in FIXED:
                flat[f"{prefix}{key}"] = value

    enter("", asdict(recipe))
    return flat


def as_toml(value: Any) -> str:
    """A value as TOML, which `--set` reads back to the same value.

    >>> as_toml((1, 2.5)), as_toml("a"), as_toml(True)
    ('[1, 2.5]', '"a"', 'true')
    """
    return json.dumps(value, ensure_ascii=False)


def _cells(
    name_or_file: str,
    data: str,
    settings: Sequence[str],
    grid: Sequence[Axis],
    layout: Layout | None,
    names: Sequence[str],
) -> Iterator[Cell]:
    # The method's and the backbone's name come first: a new name starts from fresh options.
    order = sorted(grid, key=lambda axis: not axis.key.endswith(".name"))
    for texts in product(*(axis.texts for axis in grid)):
        values = dict(zip((axis.key for axis in grid), texts, strict=True))
        chosen = [f"{axis.key}={values[axis.key]}" for axis in order]
        try:
            yield Cell(values, resolve(name_or_file, data, [*settings, *chosen], layout=layout, names=names))
        except ValueError as error:
            raise InvalidValue(f"--over {' '.join(chosen)}: {error}") from error


def _check_key(key: str, keys: Mapping[str, Any]) -> None:
    if key in keys or key.startswith(OPTIONS):
        return
    below = sorted(name for name in keys if name.startswith(f"{key}."))
    if below:
        raise InvalidValue(f"--over {key}: is a table. Name one of its keys: {', '.join(below)}.")
    if key in FIXED:
        raise InvalidValue(f"--over {key}: is not a choice of an experiment. Sweep a choice such as seed.")
    raise InvalidValue(f"--over {key}: is not a key of a recipe. {_nearest(key, keys)}")


def _nearest(key: str, keys: Mapping[str, Any]) -> str:
    """The nearest dotted key, before all one whose last part is the word itself."""
    same = [name for name in keys if name.rpartition(".")[2] == key]
    near = f"Did you mean `{same[0]}`?" if same else hint(key, keys)
    return near if near.startswith("Did") else "`fszoo show RECIPE` prints all keys."


def _values(key: str, text: str, recipe: Recipe) -> tuple[str, ...]:
    if text.strip() == "all" and key == CLASS_SPLIT:
        return _class_splits(recipe)
    span = _RANGE.fullmatch(text)
    if span:
        first, last = int(span[1]), int(span[2])
        if last < first:
            raise InvalidValue(f"--over {key}={text}: an empty range. Write the smaller number first.")
        if last - first >= MOST_CELLS:
            raise InvalidValue(f"--over {key}={text}: {last - first + 1:,} values; at most {MOST_CELLS:,} are swept.")
        return tuple(str(number) for number in range(first, last + 1))
    texts = _listed(text)
    if not all(texts):
        raise InvalidValue(f"--over {key}={text}: an empty value. Write values with commas between them, as in 1,5.")
    twice = next((one for place, one in enumerate(texts) if one in texts[:place]), None)
    if twice is not None:
        raise InvalidValue(f"--over {key}={text}: {twice} is given twice. Name each value once.")
    return texts


def _listed(text: str) -> tuple[str, ...]:
    """The values of a comma list: TOML where all of it is TOML, plain words otherwise.

    >>> _listed("1,5"), _listed("stgcn, agcn"), _listed('["joint"],["joint","bone"]')
    (('1', '5'), ('stgcn', 'agcn'), ('["joint"]', '["joint", "bone"]'))
    """
    words = tuple(word.strip() for word in text.split(","))
    try:
        values = parse(f"x = [{text}]", "")["x"]
    except InvalidValue:
        return words
    # A comma at the end is TOML; here it is a value that was forgotten.
    return (*map(as_toml, values), *([""] if not words[-1] else []))


def _class_splits(recipe: Recipe) -> tuple[str, ...]:
    chosen = split(recipe.data.split)
    if not chosen.draws:
        raise InvalidValue(f"--over {CLASS_SPLIT}=all: {chosen.name} has one set of classes. Leave this --over out.")
    return tuple(str(number) for number in range(len(chosen.draws)))
