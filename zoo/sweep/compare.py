"""Our runs beside the papers' numbers, and beside what untrained methods reach on the same test tasks."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from manifests.facts import published
from manifests.tables import Published
from zoo.experiment.identity import recipe_digest
from zoo.experiment.recipe import Recipe
from zoo.runs.result import Result
from zoo.sweep.grid import as_toml, choices

# The form of a row that its authors published as code repeats the same row.
OFFICIAL = "_official"
AVERAGED = ("seed", "data.class_split")


@dataclass(frozen=True)
class Untrained:
    """The best untrained method on the same test tasks: its recipe, accuracy and 95 % interval in percent.

    `gain` is the trained accuracy minus this one, in points, with its 95 % interval: over the differences of the runs,
    or for a single run from both intervals over its episodes.
    """

    recipe: str
    accuracy: float
    interval: float
    gain: float
    gain_interval: float

    @property
    def beaten(self) -> bool:
        """Whether training gains more than the interval."""
        return self.gain > self.gain_interval


@dataclass(frozen=True)
class Row:
    """Runs that are equal in everything but seed and class split, and what papers report for their setting.

    All numbers in percent. `accuracy` and `validation` are means over the runs. `interval` is 1.96 standard errors over
    the runs, or of a single run over its episodes; `spread` is the standard deviation over the runs, which papers give
    as ±, and None for a single run. `differs` are the keys, with their values, by which rows differ that are otherwise
    alike. `papers` are the published rows of the same split, recipe, way and shot, those of the same backbone first; a
    recipe `x_official` has the rows of `x`. `gap` is ours minus the first. `novel_names`: the method is given the names
    of the novel classes; `other_queries`: its scores of a query depend on other queries.
    """

    split: str
    recipe: str
    backbone: str
    way: int
    shot: int
    runs: int
    accuracy: float
    interval: float
    spread: float | None
    validation: float | None
    untrained: Untrained | None
    differs: Mapping[str, str]
    papers: tuple[Published, ...]
    novel_names: bool = False
    other_queries: bool = False

    @property
    def gap(self) -> float | None:
        """Ours minus the paper's, in points."""
        return self.accuracy - self.papers[0].accuracy if self.papers else None

    @property
    def outside(self) -> bool | None:
        """Whether the gap is larger than the published spread; None where a paper gives no number or no spread."""
        spread = self.papers[0].spread if self.papers else None
        return None if self.gap is None or spread is None else abs(self.gap) > spread

    def record(self) -> dict[str, Any]:
        """The row as a JSON value."""
        untrained = None if self.untrained is None else {**asdict(self.untrained), "beaten": self.untrained.beaten}
        return {**asdict(self), "untrained": untrained, "gap": self.gap, "outside": self.outside}


def compare(runs: Iterable[tuple[Recipe, Result]]) -> list[Row]:
    """One row per setting, sorted by split, recipe, backbone, way and shot. Raises ValueError for a run without an
    accuracy."""
    groups: dict[tuple[object, ...], list[tuple[Recipe, Result]]] = {}
    for recipe, result in runs:
        if result.accuracy is None:
            raise ValueError(f"{result.recipe}: a pre-training run has no test accuracy to compare.")
        key = (*_place(result), recipe_digest(recipe, without=AVERAGED), result.store_digest)
        groups.setdefault(key, []).append((recipe, result))
    ordered = [members for _, members in sorted(groups.items())]
    return [_row(members, _differing(members, ordered)) for members in ordered]


def _place(result: Result) -> tuple[str, str, str, int, int]:
    return (result.split, result.recipe, result.backbone, result.way, result.shot)


def _row(members: Sequence[tuple[Recipe, Result]], differs: Mapping[str, str]) -> Row:
    first = members[0][1]
    values = [result.accuracy for _, result in members if result.accuracy is not None]
    validated = [result.validation for _, result in members if result.validation is not None]
    return Row(
        split=first.split,
        recipe=first.recipe,
        backbone=first.backbone,
        way=first.way,
        shot=first.shot,
        runs=len(members),
        accuracy=statistics.fmean(values),
        interval=_interval(values, first.interval),
        spread=statistics.stdev(values) if len(values) > 1 else None,
        validation=statistics.fmean(validated) if len(validated) == len(members) else None,
        untrained=_untrained([result for _, result in members]),
        differs=differs,
        papers=_papers(first),
        novel_names=any(result.uses_novel_names for _, result in members),
        other_queries=any(result.uses_other_queries for _, result in members),
    )


def _papers(result: Result) -> tuple[Published, ...]:
    """The published rows that a run repeats: those of its backbone first, rows of a variant later, one seed last."""
    place = (result.split, result.recipe.removesuffix(OFFICIAL), result.way, result.shot)
    same = [row for row in published() if (row.split, row.recipe, row.way, row.shot) == place]
    return tuple(
        sorted(same, key=lambda row: (row.backbone != result.backbone, bool(row.variant), "seed-" in row.variant))
    )


def _untrained(results: Sequence[Result]) -> Untrained | None:
    """The untrained methods of trained runs; None unless every run has one: means over other runs do not compare."""
    pairs = [
        (result.accuracy, result.untrained)
        for result in results
        if (result.trained or result.init_digest) and result.accuracy is not None and result.untrained is not None
    ]
    if len(pairs) < len(results):
        return None
    gains = [trained - untrained for trained, untrained in pairs]
    values, first = [untrained for _, untrained in pairs], results[0]
    return Untrained(
        recipe=" or ".join(sorted({result.untrained_recipe for result in results})),
        accuracy=statistics.fmean(values),
        interval=_interval(values, first.untrained_interval),
        gain=statistics.fmean(gains),
        gain_interval=_interval(gains, first.gain_interval or 0.0),
    )


def _interval(values: Sequence[float], alone: float | None) -> float:
    """1.96 standard errors of the mean over runs; a single run has its own interval."""
    return 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else alone or 0.0


def _differing(
    members: Sequence[tuple[Recipe, Result]], groups: Sequence[Sequence[tuple[Recipe, Result]]]
) -> dict[str, str]:
    """The settings in which these runs differ from rows of the same split, recipe, backbone, way and shot."""
    alike = [group[0] for group in groups if _place(group[0][1]) == _place(members[0][1])]
    rows, mine = [_flat(*pair) for pair in alike], _flat(*members[0])
    return {key: value for key, value in mine.items() if any(row.get(key) != value for row in rows)}


def _flat(recipe: Recipe, result: Result) -> dict[str, str]:
    """Every choice by its dotted key, as --set takes it."""
    flat = {key: value for key, value in choices(recipe).items() if key not in AVERAGED}
    texts = {key: value if isinstance(value, str) else as_toml(value) for key, value in flat.items()}
    return {"store": result.store_digest[:12], **texts}
