"""Our runs beside the papers' numbers."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from manifests.facts import published
from manifests.tables import Published
from zoo.experiment.run import Result


@dataclass(frozen=True)
class Row:
    """One setting: runs that differ only in seed or class draw, and what papers report for it.

    `accuracy` is the mean over the runs in percent. `interval` is 1.96 standard errors over the runs, or of the single
    run over its episodes. `papers` are the published rows of the same split, method, way and shot, ablations left out;
    `gap` is ours minus the first of them that has the same backbone, else the first.
    """

    split: str
    method: str
    backbone: str
    way: int
    shot: int
    runs: int
    accuracy: float
    interval: float
    papers: tuple[Published, ...]

    @property
    def gap(self) -> float | None:
        """Ours minus the paper's, in points."""
        return self.accuracy - self.papers[0].accuracy if self.papers else None


def compare(results: Iterable[Result]) -> list[Row]:
    """One row per setting, sorted; runs of one setting are averaged."""
    groups: dict[tuple[str, str, str, int, int], list[Result]] = {}
    for result in results:
        key = (result.split, result.recipe, result.backbone, result.way, result.shot)
        groups.setdefault(key, []).append(result)
    return [_row(members) for _, members in sorted(groups.items())]


def _row(members: Sequence[Result]) -> Row:
    first, values = members[0], [member.accuracy for member in members]
    spread = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else first.interval
    same = [
        row
        for row in published()
        if (row.split, row.method, row.way, row.shot) == (first.split, first.method, first.way, first.shot)
        and not row.variant
    ]
    return Row(
        split=first.split,
        method=first.recipe,
        backbone=first.backbone,
        way=first.way,
        shot=first.shot,
        runs=len(members),
        accuracy=statistics.fmean(values),
        interval=spread,
        papers=tuple(sorted(same, key=lambda row: row.backbone != first.backbone)),
    )
