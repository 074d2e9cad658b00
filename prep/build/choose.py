"""Which of the recordings found belong to a data set, and which of those to a subset of it."""

from __future__ import annotations

from collections.abc import Sequence

from manifests.dataset import Dataset
from manifests.facts import missing_names
from manifests.split import Split
from prep.clip import Source
from prep.errors import PrepError
from prep.preprocessing.label import label_of

Bad = tuple[tuple[str, str], ...]


def choose(data: Dataset, subset: Split | None, found: Sequence[Source]) -> tuple[list[Source], Bad]:
    """The sources that belong to the data set and subset, and (class, reason) for classes that are too small.

    Left out without complaint: names on the data set's lists of missing skeletons and of clips known to be bad,
    and well-formed names of actions that belong to a larger data set. What nothing but the file itself can tell
    the label of stays, for the reader.
    """
    unusable = missing_names(data.missing) | dict(data.known_bad).keys()
    kept: list[Source] = []
    by_label: dict[int, list[str]] = {}
    for source in found:
        label = label_of(data, source)
        if source.name in unusable or label is None:
            continue
        kept.append(source)
        if label >= 0:
            by_label.setdefault(label, []).append(source.name)
    if not kept:
        raise PrepError(f"{data.name}: none of the {len(found)} clips found has a name like {data.pattern}.")
    if subset is None:
        return kept, ()
    return _subset(data, subset, kept, by_label)


def _subset(data: Dataset, rule: Split, kept: list[Source], by_label: dict[int, list[str]]) -> tuple[list[Source], Bad]:
    classes = sorted(rule.classes)
    chosen = rule.chosen({label: by_label.get(label, []) for label in classes})
    short = tuple(
        (f"class {label} ({data.classes[label]})", f"{count} clips found, {rule.name} takes {rule.samples_per_class}")
        for label in classes
        if (count := len(by_label.get(label, []))) < rule.samples_per_class
    )
    unreadable = {source.name for source in kept} - {name for names in by_label.values() for name in names}
    return [source for source in kept if source.name in chosen or source.name in unreadable], short
