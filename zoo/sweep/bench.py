"""Published tables run with this project's recipes: which rows can be, with which settings, and ours beside theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from manifests.facts import names, published, published_choices, published_notes
from manifests.split_file import split
from manifests.strict import InvalidValue, hint
from manifests.tables import Published
from manifests.user_code import is_user_code
from zoo import registry
from zoo.experiment.graph import UnfitBackbone
from zoo.experiment.library import shipped
from zoo.experiment.resolve import resolve
from zoo.sweep.grid import Cell, cells
from zoo.sweep.setup import PAPERS, Setup, backbone_of, quick_settings, row_settings, smaller, whole_budget

if TYPE_CHECKING:
    from zoo.sweep.compare import Row

# Papers report means over three runs.
SEEDS = 3
FILTERS = ("method", "variant", "recipe", "backbone", "dataset", "split", "way", "shot")
# Class splits of the small version.
QUICK_CLASS_SPLITS = 2
# Parts of a row that compare it with papers by its own split; a pair has them by its published row.
FOREIGN = ("papers", "gap", "outside")


@dataclass(frozen=True)
class Entry:
    """A published row with the cells that repeat it on `split`, or why it is left out.

    `also` are further rows that the same cells repeat: on other data than the paper's, rows that differ in data alone.
    """

    published: Published
    split: str
    cells: tuple[Cell, ...] = ()
    left_out: str = ""
    also: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Pair:
    """A published row and ours: `row` is None while no run is finished; `planned` is the number of its runs.

    `split` is that of our runs ("" for the paper's), and `also` has the further published rows that ours stands beside.
    """

    published: Published
    row: Row | None = None
    planned: int = 0
    left_out: str = ""
    split: str = ""
    also: tuple[Published, ...] = ()

    @property
    def same_data(self) -> bool:
        """Whether ours is measured on the paper's split."""
        return self.split in ("", self.published.split)

    @property
    def gap(self) -> float | None:
        """Ours minus the published accuracy, in points; None on other data or with other shots than the paper's."""
        if self.row is None or not self.same_data or self.row.shot != self.published.shot:
            return None
        return self.row.accuracy - self.published.accuracy

    @property
    def outside(self) -> bool | None:
        """Whether the gap is larger than the published spread; None where there is no gap or no spread."""
        spread = self.published.spread
        return None if self.gap is None or spread is None else abs(self.gap) > spread

    def record(self) -> dict[str, Any]:
        """Both as a JSON value."""
        ours = None if self.row is None else {k: v for k, v in self.row.record().items() if k not in FOREIGN}
        mine = {"ours": ours, "planned": self.planned, "gap": self.gap, "outside": self.outside}
        where = {"split": self.split or self.published.split, "also": [asdict(row) for row in self.also]}
        return {"published": asdict(self.published), **where, **mine, "left_out": self.left_out}


def tables() -> dict[str, tuple[Published, ...]]:
    """The rows of every published table by its name, such as "DASTM Table 1"."""
    found: dict[str, list[Published]] = {}
    for row in published():
        found.setdefault(f"{row.paper.partition(' (')[0]} {row.table}", []).append(row)
    return {name: tuple(rows) for name, rows in found.items()}


def select(name: str, only: Mapping[str, str]) -> tuple[str, tuple[Published, ...]]:
    """A table's exact name and those of its rows that agree with `only`. Raises InvalidValue for an unknown table, key
    or value."""
    known = {title.casefold(): title for title in tables()}
    title = known.get(" ".join(name.split()).casefold())
    if title is None:
        raise InvalidValue(f"`{name}` is not a published table. {hint(name, known.values())}")
    rows = tables()[title]
    for key, value in only.items():
        if key not in FILTERS:
            raise InvalidValue(f"--only {key}={value}: `{key}` is not a key of a row. {hint(key, FILTERS)}")
        values = {str(getattr(row, key)) for row in rows}
        rows = tuple(row for row in rows if str(getattr(row, key)) == value)
        if not rows:
            raise InvalidValue(f"--only {key}={value}: no such row in {title}. {hint(value, values)}")
    return title, rows


def reason_left_out(row: Published, setup: Setup = PAPERS) -> str:
    """Why a row cannot be run by the recipes, backbones and splits of this project; "" where it can."""
    if row.left_out:
        return row.left_out
    if row.recipe not in shipped():
        return f"no recipe `{row.recipe}`"
    backbone = backbone_of(row, setup)
    if backbone not in registry.names("backbones") and not is_user_code(backbone):
        return f"no backbone `{backbone}`"
    if not setup.data and row.split not in names("splits"):
        return f"no split `{row.split}`"
    chosen = split(row.split) if not setup.data else None
    novel = 0 if chosen is None else len(chosen.draws[0].test if chosen.draws else chosen.test)
    if chosen is not None and chosen.protocol == "exemplars" and row.way != novel:
        return f"{row.way}-way, and {row.split} has {novel} novel classes"
    return _unfit(row.recipe, backbone)


def entries(rows: Sequence[Published], setup: Setup = PAPERS) -> list[Entry]:
    """Every row with its cells; on `setup.data`, one for all rows that are run alike there: the paper's differ in data.

    Raises InvalidValue for a setting that the recipes do not take.
    """
    groups: dict[object, list[Published]] = {}
    for number, row in enumerate(rows):
        same = (row.recipe, *row_settings(row, setup))
        groups.setdefault(same if setup.data else number, []).append(row)
    found = []
    for group in groups.values():
        first, *others = sorted(group, key=lambda row: _distance(row, setup))
        reason, on = reason_left_out(first, setup), split(setup.data).name if setup.data else first.split
        found.append(Entry(first, on, () if reason else _cells(first, setup), reason, tuple(others)))
    return found


def reductions(found: Sequence[Entry], setup: Setup) -> list[str]:
    """What the small version, or a smaller number of runs, leaves out of these rows, in words."""
    words = []
    for entry in found:
        if not entry.cells:
            continue
        small, row = entry.cells[0].recipe, entry.published
        parts = smaller(small, whole_budget(row, small, setup))
        draws, runs = len(split(small.data.split).draws), len(entry.cells)
        if runs < (draws or SEEDS):
            parts.append(f"{runs} of {draws} class splits" if draws else f"{runs} of {SEEDS} seeds")
        if parts:
            words.append(f"{small.name} on {entry.split}: {', '.join(parts)}")
    return list(dict.fromkeys(words))


def notes(rows: Sequence[Published]) -> list[str]:
    """Known reasons why ours differs from these rows."""
    keys = dict.fromkeys((row.paper, row.split) for row in rows)
    return [f"{key[1]}: {note}" for key in keys for note in published_notes().get(key, ())]


def choices(rows: Sequence[Published]) -> list[str]:
    """Where the papers of these rows are silent or contradict themselves, and what this project does."""
    keys = dict.fromkeys((row.paper, row.table) for row in rows)
    return [choice for key in keys for choice in published_choices().get(key, ())]


def _distance(row: Published, setup: Setup) -> tuple[bool, bool, bool]:
    """How far a row is from our runs: other data, another backbone, a single seed."""
    return row.split != setup.data, row.backbone != backbone_of(row, setup), "seed-" in row.variant


@cache
def _unfit(recipe: str, backbone: str) -> str:
    """Why a recipe cannot be run on a backbone; "" where it can."""
    try:
        resolve(recipe, settings=[f"backbone.name={backbone}"])
    except UnfitBackbone as error:
        return str(error)
    return ""


def _cells(row: Published, setup: Setup) -> tuple[Cell, ...]:
    on = setup.data or row.split
    base = row_settings(row, setup)
    if setup.quick:
        base += quick_settings(resolve(row.recipe, on, base, None, setup.layout, setup.names))
    return cells(row.recipe, on, base, _runs(on, setup), setup.layout, setup.names)


def _runs(on: str, setup: Setup) -> list[str]:
    """The axes of class splits and seeds."""
    draws = len(split(on).draws)
    if setup.class_splits > max(draws, 1):
        many = f"has {draws} class splits" if draws else "has one set of classes"
        raise InvalidValue(f"--class-splits {setup.class_splits}: {on} {many}. Take a smaller number, or leave it out.")
    splits = setup.class_splits or (min(draws, QUICK_CLASS_SPLITS) if setup.quick else draws)
    seeds = setup.seeds or (0 if draws else 1 if setup.quick else SEEDS)
    numbers = {"data.class_split": splits if draws else 0, "seed": seeds}
    return [f"{key}=0..{number - 1}" for key, number in numbers.items() if number]
