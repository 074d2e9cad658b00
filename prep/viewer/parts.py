"""The parts of a split that the clips of a store belong to: train, val and test, for each class split of the split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from manifests.facts import names
from manifests.split import Split
from manifests.split_file import split
from manifests.strict import InvalidValue
from prep.errors import PrepError
from prep.store.read import Store

UNUSED = "unused"


def splits_for(store: Store, own: str = "") -> tuple[str, ...]:
    """The splits that ship for the store's dataset, and before them `own`, a name or the path of a custom split.

    Raises PrepError if `own` is not a split of that dataset.
    """
    shipped = tuple(name for name in names("splits") if split(name).dataset == store.info.dataset)
    if not own:
        return shipped
    try:
        dataset = split(own).dataset
    except InvalidValue as error:
        raise PrepError(f"--split: {error}") from error
    if dataset != store.info.dataset:
        rule = f"is a split of `{dataset}`, and {store.path} has clips of `{store.info.dataset}`"
        raise PrepError(f"--split {own}: {rule}. Name a split of that dataset.")
    return (own, *(name for name in shipped if name != own))


def labels_of(chosen: Split) -> dict[str, frozenset[int]]:
    """The labels of each part that has some, by its name.

    >>> {part: len(labels) for part, labels in labels_of(split("ntu_t")).items()}
    {'train': 80, 'val': 20, 'test': 20}
    """
    parts = {part: getattr(chosen, part) for part in ("train", "val", "test")}
    for number, draw in enumerate(chosen.draws):
        parts |= {f"class split {number} train": draw.train, f"class split {number} test": draw.test}
    return {part: frozenset(labels) for part, labels in parts.items() if labels}


def parts_of(store: Store, chosen: Split) -> Mapping[str, NDArray[np.bool_]]:
    """(clips,) for each part: its clips, by the split's own sampling rule. `unused` are the clips of no part."""
    sampled = _sampled(store, chosen)
    parts = {part: sampled & np.isin(store.label, list(group)) for part, group in labels_of(chosen).items()}
    used = np.logical_or.reduce([np.zeros(len(store), np.bool_), *parts.values()])
    return {**parts, UNUSED: ~used}


def _sampled(store: Store, chosen: Split) -> NDArray[np.bool_]:
    """(clips,): the clips that the split's rule samples from its classes."""
    if not chosen.samples_per_class:
        # All but the excluded ones: no rank of 100,000 names is needed.
        excluded = set(chosen.exclude)
        return np.fromiter((name not in excluded for name in store.names), np.bool_, len(store))
    by_label: dict[int, list[str]] = {label: [] for label in chosen.classes}
    for name, label in zip(store.names, store.label.tolist(), strict=True):
        if label in by_label:
            by_label[label].append(name)
    kept = chosen.chosen(by_label)
    return np.fromiter((name in kept for name in store.names), np.bool_, len(store))
