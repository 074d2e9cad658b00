"""Our runs beside the papers' numbers."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from manifests.facts import published
from manifests.tables import Published
from zoo.experiment.identity import recipe_digest
from zoo.experiment.recipe import Recipe
from zoo.experiment.result import Result

AVERAGED = ("seed", "data.class_split")


@dataclass(frozen=True)
class Row:
    """Runs that are equal in everything but seed and class split, and what papers report for their setting.

    `accuracy` is the mean over the runs in percent. `interval` is 1.96 standard errors over the runs, or of the single
    run over its episodes. `differs` are the keys, with their values, by which rows of one recipe and split differ.
    `papers` are the published rows of the same split, method, way and shot without ablations, those of the same
    backbone first; `gap` is ours minus the first.
    """

    split: str
    recipe: str
    backbone: str
    way: int
    shot: int
    runs: int
    accuracy: float
    interval: float
    differs: Mapping[str, str]
    papers: tuple[Published, ...]

    @property
    def gap(self) -> float | None:
        """Ours minus the paper's, in points."""
        return self.accuracy - self.papers[0].accuracy if self.papers else None


def compare(runs: Iterable[tuple[Recipe, Result]]) -> list[Row]:
    """One row per setting, sorted by split, recipe, backbone, way and shot. Raises ValueError for a run without an
    accuracy."""
    groups: dict[tuple[object, ...], list[tuple[Recipe, Result]]] = {}
    for recipe, result in runs:
        if result.accuracy is None:
            raise ValueError(f"{result.recipe}: a pre-training run has no test accuracy to compare.")
        place = (result.split, result.recipe, result.backbone, result.way, result.shot)
        key = (*place, recipe_digest(recipe, without=AVERAGED), result.store_digest)
        groups.setdefault(key, []).append((recipe, result))
    ordered = [members for _, members in sorted(groups.items())]
    return [_row(members, _differing(members, ordered)) for members in ordered]


def _row(members: Sequence[tuple[Recipe, Result]], differs: Mapping[str, str]) -> Row:
    first = members[0][1]
    values = [result.accuracy for _, result in members if result.accuracy is not None]
    interval = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else first.interval
    same = [
        row
        for row in published()
        if (row.split, row.method, row.way, row.shot) == (first.split, first.method, first.way, first.shot)
        and not row.variant
    ]
    return Row(
        split=first.split,
        recipe=first.recipe,
        backbone=first.backbone,
        way=first.way,
        shot=first.shot,
        runs=len(members),
        accuracy=statistics.fmean(values),
        interval=interval or 0.0,
        differs=differs,
        papers=tuple(sorted(same, key=lambda row: row.backbone != first.backbone)),
    )


def _differing(
    members: Sequence[tuple[Recipe, Result]], groups: Sequence[Sequence[tuple[Recipe, Result]]]
) -> dict[str, str]:
    """The settings in which these runs differ from other rows of the same recipe and split."""
    first = members[0][1]
    alike = [group[0] for group in groups if (group[0][1].split, group[0][1].recipe) == (first.split, first.recipe)]
    rows = [_flat(*pair) for pair in alike]
    mine = _flat(*members[0])
    return {key: value for key, value in mine.items() if any(row.get(key) != value for row in rows)}


def _flat(recipe: Recipe, result: Result) -> dict[str, str]:
    """Every choice by its dotted key, as --set takes it."""
    flat: dict[str, str] = {"store": result.store_digest[:12]}

    def enter(prefix: str, table: Mapping[str, object]) -> None:
        for key, value in table.items():
            if isinstance(value, Mapping):
                enter(f"{prefix}{key}.", value)
            elif f"{prefix}{key}" not in (*AVERAGED, "title", "source", "table"):
                flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)

    enter("", asdict(recipe))
    return flat
