"""The recordings that belong to a dataset, and to a subset of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from manifests.dataset import Dataset
from manifests.facts import missing_names
from manifests.split import Split
from prep.clip import Source
from prep.errors import PrepError
from prep.preprocessing.label import label_of

Bad = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Choice:
    """The chosen `sources`; (class, reason) for classes with too few clips; and lines about clips that are left out."""

    sources: tuple[Source, ...]
    too_small: Bad = ()
    remarks: tuple[str, ...] = ()


def choose(data: Dataset, subset: Split | None, sources: Sequence[Source]) -> Choice:
    """The sources of the dataset and subset.

    Left out: the dataset's lists of missing skeletons and known bad clips, and well-formed names of actions that only a
    larger dataset has. Sources whose label only the file itself holds are kept. Raises PrepError if there are sources
    and all are left out.
    """
    missing, known_bad = missing_names(data.missing), dict(data.known_bad)
    kept: list[Source] = []
    names: dict[int, list[str]] = {}
    left_out: dict[str, list[str]] = {}
    for source in sources:
        label = label_of(data, source)
        if label is None:
            left_out.setdefault(f"of actions that {data.name} does not have", []).append(source.name)
        elif source.name in missing:
            left_out.setdefault("in the dataset's list of missing skeletons", []).append(source.name)
        elif source.name in known_bad:
            left_out.setdefault("in the dataset's list of bad clips", []).append(source.name)
        else:
            kept.append(source)
            if label >= 0:
                names.setdefault(label, []).append(source.name)
    remarks = tuple(f"{len(group)} clips left out: {rule}, {group[0]} for example" for rule, group in left_out.items())
    if sources and not kept:
        rule = f"none of the {len(sources)} clips found can be used"
        raise PrepError("\n  ".join([f"{data.name}: {rule}. Its clips have names like {data.pattern}.", *remarks]))
    if subset is None:
        return Choice(tuple(kept), (), remarks)
    chosen, too_small = _of_subset(data, subset, kept, names)
    return Choice(tuple(chosen), too_small, remarks)


def _of_subset(
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
