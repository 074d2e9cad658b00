"""Published results: a paper's table, typed as it is printed, becomes one record per cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manifests.strict import InvalidValue, build, hint, load

REPEATED = "repeated"
_CELL = re.compile(r"(?P<accuracy>\d{1,3}\.\d+)(±(?P<spread>\d+\.\d+))?")


@dataclass(frozen=True)
class Published:
    """One number in one paper.

    paper, table, source: where the number is printed.
    method, backbone: the names in this project where it has them, else a plain word; the backbone `own` is the network
        of a method's authors.
    accuracy, spread: percent, and the printed ± in percent (None if none is printed).
    variant: how the method was changed in the paper's ablations and comparisons; "" for the method as its authors run
        it, and `repeated` for a number that an earlier table has.
    novel_names: the method is given the names of the novel classes when it is tested; tables mark it.
    recipe: the recipe of this project that repeats the row, where there is one of that name. Results are compared with
        the rows of their recipe. By default the method, with the variant if there is one: `painet_ef_tca`.
    left_out: why nobody can run the row here, such as weights that are not public; "" where that is not known.
    """

    paper: str
    table: str
    dataset: str
    split: str
    method: str
    backbone: str
    way: int
    shot: int
    accuracy: float
    spread: float | None
    source: str
    variant: str = ""
    novel_names: bool = False
    recipe: str = ""
    left_out: str = ""

    def __post_init__(self) -> None:
        if not self.recipe:
            words = [self.method, *([self.variant] if self.variant not in ("", REPEATED) else [])]
            # The one way to fill a field of a frozen record.
            object.__setattr__(self, "recipe", re.sub(r"\W", "_", "_".join(words)))
        if self.way < 2 or self.shot < 1:
            raise ValueError(f"way is {self.way} and shot {self.shot}; they must be at least 2 and 1")
        if not 0 <= self.accuracy <= 100:
            raise ValueError(f"accuracy is {self.accuracy}; a percentage lies between 0 and 100")


def read_tables(path: Path) -> tuple[Published, ...]:
    """Read every cell of every table in one paper's file. Raises InvalidValue.

    A line of `grid` has a word for each of `rows`, then a cell for each of `columns`: "71.2±1.5", "71.2" if no
    deviation is known, or "-" if nothing is printed. `common`, the column and the words of the line together must give
    every key of Published once, except for `variant`, whose parts are joined. Three keys speak of lines by their
    first word: `recipes` has the recipe of a line where it is not the default, `left_out` the reason why a line cannot
    be run, and `novel_names` lists those whose method uses the names of the novel classes. `notes` are read by
    `read_notes`, `choices` by `read_choices`.
    """
    paper = load(_Paper, path)
    facts = {"paper": paper.paper, "source": paper.source}
    return tuple(
        build(Published, row, f"{path.name}: {table.table}")
        for table in paper.tables
        for row in table.cells(facts | {"table": table.table}, f"{path.name}: {table.table}")
    )


def read_notes(path: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """Known reasons why results on a split differ from those of one paper's file, by (paper, split)."""
    paper = load(_Paper, path)
    return {(paper.paper, split): notes for split, notes in paper.notes.items()}


def read_choices(path: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """Where one paper is silent or contradicts itself, and what this project does, by (paper, table).

    Raises InvalidValue for a table that the file does not have.
    """
    paper = load(_Paper, path)
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    known = list(dict.fromkeys(table.table for table in paper.tables))
    for choice in paper.choices:
        for table in choice.tables:
            if table not in known:
                raise InvalidValue(f"{path.name}: choices: `{table}` is not a table. {hint(table, known)}")
            key = (paper.paper, table)
            found[key] = (*found.get(key, ()), choice.text)
    return found


@dataclass(frozen=True)
class _Choice:
    tables: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class _Table:
    table: str
    common: Mapping[str, str | int | bool]
    rows: tuple[str, ...]
    columns: tuple[Mapping[str, str | int | bool], ...]
    grid: str
    recipes: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    novel_names: tuple[str, ...] = ()

    def cells(self, facts: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
        lines = self.grid.strip().splitlines()
        self._check_rows([line.split()[0] for line in lines], where)
        for line in lines:
            words = line.split()
            row_words, cells = words[: len(self.rows)], words[len(self.rows) :]
            if len(cells) != len(self.columns):
                raise InvalidValue(f"{where}: `{line}` has {len(cells)} cells; there are {len(self.columns)} columns")
            row: dict[str, Any] = dict(zip(self.rows, row_words, strict=True))
            row |= self._facts_of(words[0])
            for column, cell in zip(self.columns, cells, strict=True):
                if cell != "-":
                    yield _merge(where, facts, self.common, row, column, _numbers(cell, where))

    def _check_rows(self, first: list[str], where: str) -> None:
        """Raise InvalidValue for a word of `recipes`, `left_out` or `novel_names` with which no line begins."""
        for key in ("recipes", "left_out", "novel_names"):
            for name in getattr(self, key):
                if name not in first:
                    raise InvalidValue(f"{where}: {key}: `{name}` is not a row. {hint(name, first)}")

    def _facts_of(self, first: str) -> dict[str, Any]:
        """What `recipes`, `left_out` and `novel_names` say of the lines that begin with a word."""
        named = {"recipe": self.recipes, "left_out": self.left_out}
        found: dict[str, Any] = {key: values[first] for key, values in named.items() if first in values}
        return found | ({"novel_names": True} if first in self.novel_names else {})


@dataclass(frozen=True)
class _Paper:
    paper: str
    source: str
    tables: tuple[_Table, ...]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    choices: tuple[_Choice, ...] = ()


def _numbers(cell: str, where: str) -> dict[str, float | None]:
    match = _CELL.fullmatch(cell)
    if match is None:
        raise InvalidValue(
            f"{where}: `{cell}` is not a cell; write 71.2±1.5, or 71.2 where no deviation is known, or -"
        )
    spread = match["spread"]
    return {"accuracy": float(match["accuracy"]), "spread": None if spread is None else float(spread)}


def _merge(where: str, *parts: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        for key in (part.keys() & merged.keys()) - {"variant"}:
            raise InvalidValue(f"{where}: `{key}` is given twice; leave it in one of common, rows and columns")
        merged |= part
    variants = [str(part["variant"]) for part in parts if "variant" in part]
    return merged | ({"variant": " ".join(variants)} if variants else {})
