"""Which of the raw files found belong to a data set, and which of those to a subset of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from manifests.facts import Dataset, split
from prep.clip import PrepError, Source

Bad = tuple[tuple[str, str], ...]


def choose(data: Dataset, subset: str, found: Sequence[Source]) -> tuple[list[Source], Bad]:
    """The sources that belong to the data set and subset, and (class, reason) for classes that are too small.

    Left out without complaint: names on the data set's list of missing skeletons, and well-formed names of actions
    that belong to a larger data set. Names that do not fit the pattern stay, for the reader to report.
    """
    missing = data.missing_names()
    kept: list[Source] = []
    by_label: dict[int, list[str]] = {}
    for source in found:
        match = re.fullmatch(data.pattern, source.name)
        if match is None:
            kept.append(source)
        elif int(match["action"]) in data.actions and source.name not in missing:
            kept.append(source)
            by_label.setdefault(data.actions.index(int(match["action"])), []).append(source.name)
    if not kept:
        raise PrepError(f"{data.name}: none of the {len(found)} files found has a name like {data.pattern}.")
    if not subset:
        return kept, ()
    return _subset(data, subset, kept, by_label)


def _subset(data: Dataset, subset: str, kept: list[Source], by_label: dict[int, list[str]]) -> tuple[list[Source], Bad]:
    rule = split(subset)
    classes = sorted({*rule.train, *rule.val, *rule.test})
    chosen = rule.chosen({label: by_label.get(label, []) for label in classes})
    short = tuple(
        (f"class {label} ({data.classes[label]})", f"{count} clips found, {subset} takes {rule.samples_per_class}")
        for label in classes
        if (count := len(by_label.get(label, []))) < rule.samples_per_class
    )
    unreadable = {source.name for source in kept} - {name for names in by_label.values() for name in names}
    return [source for source in kept if source.name in chosen or source.name in unreadable], short
