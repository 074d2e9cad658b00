"""Published tables run with this project's recipes: which rows can be, with which settings, and ours beside theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from manifests.facts import names, published, published_notes, split
from manifests.strict import InvalidValue, hint
from manifests.tables import Published
from zoo import registry
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


@dataclass(frozen=True)
class Entry:
    """A published row with the cells that repeat it, or why it is left out."""

    published: Published
    cells: tuple[Cell, ...] = ()
    left_out: str = ""


@dataclass(frozen=True)
class Pair:
    """A published row and ours: `row` is None while no run is finished; `planned` is the number of its runs."""

    published: Published
    row: Row | None = None
    planned: int = 0
    left_out: str = ""

    @property
    def gap(self) -> float | None:
        """Ours minus the published accuracy, in points."""
        return None if self.row is None else self.row.accuracy - self.published.accuracy

    @property
    def outside(self) -> bool | None:
        """Whether the gap is larger than the published spread; None where there is no number or no spread."""
        spread = self.published.spread
        return None if self.gap is None or spread is None else abs(self.gap) > spread

    def record(self) -> dict[str, Any]:
        """Both as a JSON value."""
        ours = None if self.row is None else {k: v for k, v in self.row.record().items() if k != "papers"}
        mine = {"ours": ours, "planned": self.planned, "gap": self.gap, "outside": self.outside}
        return {"published": asdict(self.published), **mine, "left_out": self.left_out}


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


def reason_left_out(row: Published, settings: Sequence[str] = ()) -> str:
    """Why a row cannot be run by the recipes, backbones and splits of this project; "" where it can."""
    own_backbone = any(setting.replace(" ", "").startswith("backbone.name=") for setting in settings)
    if row.variant:
        return f"an ablation or comparison of the paper ({row.variant})"
    if row.method not in shipped():
        return f"no recipe `{row.method}`"
    if row.backbone not in registry.names("backbones") and not own_backbone:
        return f"no backbone `{row.backbone}`"
    if row.split not in names("splits"):
        return f"no split `{row.split}`"
    chosen = split(row.split)
    novel = len(chosen.draws[0].test if chosen.draws else chosen.test)
    if chosen.protocol == "exemplars" and row.way != novel:
        return f"{row.way}-way, and {row.split} has {novel} novel classes"
    return ""


def entries(rows: Sequence[Published], settings: Sequence[str] = (), quick: bool = False) -> list[Entry]:
    """Every row with its cells: three seeds, or all class splits where the split has several.

    `settings` are key=value texts for every run. Raises InvalidValue for a setting that the recipes do not take.
    """
    found = []
    for row in rows:
        reason = reason_left_out(row, settings)
        found.append(Entry(row, left_out=reason) if reason else Entry(row, _cells(row, settings, quick)))
    return found


def left_out_of_quick(found: Sequence[Entry]) -> list[str]:
    """What the small version leaves out of these rows, in words."""
    words = []
    for entry in found:
        if not entry.cells:
            continue
        small, row = entry.cells[0].recipe, entry.published
        whole = _whole(row, small)
        unused = "exemplar_draws" if split(row.split).protocol == "episodic" else "test_episodes"
        parts = [
            f"{getattr(small.budget, key):,} of {getattr(whole.budget, key):,} {key.replace('_', ' ')}"
            for key in QUICK
            if key != unused and getattr(small.budget, key) < getattr(whole.budget, key)
        ]
        draws, runs = len(split(row.split).draws), len(entry.cells)
        parts.append(f"{runs} of {draws} class splits" if draws else f"{runs} of {SEEDS} seeds")
        words.append(f"{small.name} on {row.split}: {', '.join(parts)}")
    return list(dict.fromkeys(words))


def notes(rows: Sequence[Published]) -> list[str]:
    """Known reasons why ours differs from these rows."""
    keys = dict.fromkeys((row.paper, row.split) for row in rows)
    return [f"{key[1]}: {note}" for key in keys for note in published_notes().get(key, ())]


def _cells(row: Published, settings: Sequence[str], quick: bool) -> tuple[Cell, ...]:
    base = _settings(row, settings)
    if quick:
        base += _quick(resolve(row.method, row.split, base))
    draws = len(split(row.split).draws)
    runs = min(draws, QUICK_CLASS_SPLITS if quick else draws) if draws else 1 if quick else SEEDS
    axis = "data.class_split" if draws else "seed"
    return cells(row.method, row.split, base, [f"{axis}=0..{runs - 1}"])


def _settings(row: Published, settings: Sequence[str]) -> list[str]:
    chosen = [f"task.shot={row.shot}"]
    if split(row.split).protocol == "episodic":
        chosen.append(f"task.way={row.way}")
    plain = resolve(row.method, row.split)
    # The protocol's options belong to its own backbone.
    if row.backbone in registry.names("backbones") and row.backbone != plain.backbone.name:
        chosen.insert(0, f"backbone.name={row.backbone}")
    return [*chosen, *settings]


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


def _whole(row: Published, small: Recipe) -> Recipe:
    """The recipe of a row with the budget that it has without --quick."""
    return replace(small, budget=resolve(row.method, row.split, _settings(row, ())).budget)
