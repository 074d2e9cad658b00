"""The recordings that belong to a dataset, and to a subset of it."""

from __future__ import annotations

from collections.abc import Sequence

from manifests.dataset import Dataset
from manifests.facts import missing_names
from manifests.split import Split
from prep.clip import Source
from prep.errors import PrepError
from prep.preprocessing.label import label_of

Bad = tuple[tuple[str, str], ...]


def choose(data: Dataset, subset: Split | None, sources: Sequence[Source]) -> tuple[list[Source], Bad]:
    """The sources of the dataset and subset, and (class, reason) for classes with too few clips.

    Skipped without a message: the dataset's lists of missing skeletons and known bad clips, and well-formed names of
    actions that only a larger dataset has. Sources whose label only the file itself holds are kept. Raises PrepError
    if nothing is left.
    """
    unusable = missing_names(data.missing) | dict(data.known_bad).keys()
    kept: list[Source] = []
    names: dict[int, list[str]] = {}
    for source in sources:
        label = label_of(data, source)
        if source.name in unusable or label is None:
            continue
        kept.append(source)
        if label >= 0:
            names.setdefault(label, []).append(source.name)
    if not kept:
        raise PrepError(f"{data.name}: none of the {len(sources)} clips found has a name like {data.pattern}.")
    if subset is None:
        return kept, ()
    return _choose_subset(data, subset, kept, names)


def _choose_subset(
    data: Dataset, subset: Split, kept: list[Source], names: dict[int, list[str]]
) -> tuple[list[Source], Bad]:
    classes = sorted(subset.classes)
    chosen = subset.chosen({label: names.get(label, []) for label in classes})
    too_small = tuple(
        (f"class {label} ({data.classes[label]})", f"{count} clips found, {subset.name} takes {wanted}")
        for label in classes
        if (count := len(names.get(label, []))) < (wanted := subset.samples_per_class)
    )
    unlabelled = {source.name for source in kept} - {name for group in names.values() for name in group}
    return [source for source in kept if source.name in chosen or source.name in unlabelled], too_small
