"""Published tables run with this project's recipes: which rows can be, with which settings, and ours beside theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from manifests.facts import names, published, published_choices, published_notes, split
from manifests.layout import Layout
from manifests.strict import InvalidValue, hint
from manifests.tables import Published
from manifests.user_code import is_user_code
from zoo import registry
from zoo.experiment.graph import UnfitBackbone
from zoo.experiment.library import shipped
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.sweep.grid import Cell, cells

if TYPE_CHECKING:
    from zoo.sweep.compare import Row

# Papers report means over three runs.
SEEDS = 3
FILTERS = ("method", "backbone", "dataset", "split", "way", "shot")
# The small version: at most so much of each budget, one seed, and this many class splits.
QUICK = {"episodes": 200, "epochs": 2, "validation_episodes": 50, "test_episodes": 100, "exemplar_draws": 2}
QUICK_CLASS_SPLITS = 2
# Parts of a row that compare it with papers by its own split; a pair has them by its published row.
FOREIGN = ("papers", "gap", "outside")


@dataclass(frozen=True)
class Setup:
    """How the rows of a table are run.

    `settings` are key=value texts for every run. `quick` is the small version. `data` is a split to run on in place of
    the paper's. `class_splits` and `seeds` are numbers of runs; 0 is all class splits of a split, or three seeds where
    it has one set of classes (in the small version 2, or 1). `layout` and class `names` are those of the store of a
    custom split, whose settings are fitted to them.
    """

    settings: Sequence[str] = ()
    quick: bool = False
    data: str = ""
    class_splits: int = 0
    seeds: int = 0
    layout: Layout | None = None
    names: Sequence[str] = ()


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
        """Ours minus the published accuracy, in points; None on other data than the paper's."""
        return None if self.row is None or not self.same_data else self.row.accuracy - self.published.accuracy

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


def reason_left_out(row: Published, setup: Setup = Setup()) -> str:
    """Why a row cannot be run by the recipes, backbones and splits of this project; "" where it can."""
    backbone = _backbone(row, setup)
    if row.recipe not in shipped():
        return f"no recipe `{row.recipe}`"
    if backbone not in registry.names("backbones") and not is_user_code(backbone):
        return f"no backbone `{backbone}`"
    if not setup.data and row.split not in names("splits"):
        return f"no split `{row.split}`"
    chosen = split(row.split) if not setup.data else None
    novel = 0 if chosen is None else len(chosen.draws[0].test if chosen.draws else chosen.test)
    if chosen is not None and chosen.protocol == "exemplars" and row.way != novel:
        return f"{row.way}-way, and {row.split} has {novel} novel classes"
    return _unfit(row.recipe, backbone)


def entries(rows: Sequence[Published], setup: Setup = Setup()) -> list[Entry]:
    """Every row with its cells; on `setup.data`, one for all rows that differ in nothing but the paper's data.

    Raises InvalidValue for a setting that the recipes do not take.
    """
    groups: dict[object, list[Published]] = {}
    for number, row in enumerate(rows):
        same = (row.recipe, _backbone(row, setup), row.way, row.shot)
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
        whole = _whole(row, small, setup)
        unused = "exemplar_draws" if split(small.data.split).protocol == "episodic" else "test_episodes"
        parts = [
            f"{getattr(small.budget, key):,} of {getattr(whole.budget, key):,} {key.replace('_', ' ')}"
            for key in QUICK
            if key != unused and getattr(small.budget, key) < getattr(whole.budget, key)
        ]
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
    return row.split != setup.data, row.backbone != _backbone(row, setup), "seed-" in row.variant


@cache
def _unfit(recipe: str, backbone: str) -> str:
    """Why a recipe cannot be run on a backbone; "" where it can."""
    try:
        resolve(recipe, settings=[f"backbone.name={backbone}"])
    except UnfitBackbone as error:
        return str(error)
    return ""


def _backbone(row: Published, setup: Setup) -> str:
    """The backbone that the settings name, else the paper's."""
    named = [setting.partition("=") for setting in setup.settings]
    found = [value.strip().strip("\"'") for key, _, value in named if key.strip() == "backbone.name"]
    return found[-1] if found else row.backbone


def _cells(row: Published, setup: Setup) -> tuple[Cell, ...]:
    on = setup.data or row.split
    base = _settings(row, setup)
    if setup.quick:
        base += _quick(resolve(row.recipe, on, base, None, setup.layout, setup.names))
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


def _settings(row: Published, setup: Setup) -> list[str]:
    """The paper's backbone and task, as far as the split has the classes for it, under the user's settings."""
    chosen, on = [f"task.shot={row.shot}"], split(setup.data or row.split)
    novel = min(len(draw) for draw in ([d.test for d in on.draws] or [on.test]))
    base = min(len(draw) for draw in ([d.train for d in on.draws] or [on.train]))
    if on.protocol == "episodic" and (not setup.data or row.way <= min(novel, base)):
        chosen.append(f"task.way={row.way}")
    return [f"backbone.name={_backbone(row, setup)}", *chosen, *setup.settings]


def _quick(recipe: Recipe) -> list[str]:
    budget = recipe.budget
    small = {key: min(most, getattr(budget, key)) for key, most in QUICK.items()}
    small["episodes_per_epoch"] = min(budget.episodes_per_epoch, max(1, small["episodes"]))
    settings = [f"budget.{key}={value}" for key, value in small.items()]
    if recipe.init.source:
        source = [*recipe.init.settings, f"budget.epochs={QUICK['epochs']}"]
        settings.append(f"init.settings={_toml_list(source)}")
    return settings


def _toml_list(texts: Sequence[str]) -> str:
    return "[" + ", ".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "]"


def _whole(row: Published, small: Recipe, setup: Setup) -> Recipe:
    """The recipe of a row with the budget that it has without --quick and without settings."""
    plain = [f"backbone.name={_backbone(row, setup)}"]
    return replace(
        small, budget=resolve(row.recipe, setup.data or row.split, plain, None, setup.layout, setup.names).budget
    )
