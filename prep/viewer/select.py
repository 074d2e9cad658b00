"""Which clips of a store a filter keeps, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from manifests.strict import hint
from prep.errors import PrepError
from prep.preprocessing import quality
from prep.store.read import Store
from prep.viewer.motion import Motion

Order = Literal["store", "longest", "shortest", "length-outliers", "stillest", "jerkiest"]
ORDERS: tuple[Order, ...] = get_args(Order)
BY_MOTION = ("stillest", "jerkiest")


@dataclass(frozen=True)
class Filter:
    """The clips that are listed; None and "" keep all.

    label: a class. subject, camera: as in the file name, -1 where it does not say. flag: the name of a quality flag, or
    "any". name: a part of the clip's name, in upper or lower case.
    """

    label: int | None = None
    subject: int | None = None
    camera: int | None = None
    flag: str = ""
    name: str = ""


def select(store: Store, wanted: Filter) -> NDArray[np.bool_]:
    """(clips,): the clips that the filter keeps. Raises PrepError for an unknown flag."""
    kept = np.ones(len(store), np.bool_)
    for column in ("label", "subject", "camera"):
        value = getattr(wanted, column)
        if value is not None:
            kept &= getattr(store, column) == value
    if wanted.flag:
        kept &= (store.quality & _bits(wanted.flag)) != 0
    if wanted.name:
        word = wanted.name.casefold()
        kept &= np.fromiter((word in name.casefold() for name in store.names), np.bool_, len(store))
    return kept


def order(store: Store, kept: NDArray[np.bool_], by: Order, motion: Motion | None = None) -> NDArray[np.int64]:
    """The indices of the kept clips in this order; equal clips stay in the order of the store.

    "length-outliers" begins with the clips whose length differs most, as a ratio, from the median of their class.
    "stillest" and "jerkiest" need `motion`; clips in which it could not be measured come last.
    """
    clips = np.flatnonzero(kept)
    if by == "store":
        return clips
    return clips[np.argsort(_key(store, by, motion)[clips], kind="stable")]


def length_ratio(store: Store) -> NDArray[np.float64]:
    """(clips,): frames of each clip in relation to the median of its class."""
    lengths = np.diff(store.offsets).astype(np.float64)
    medians = np.ones(len(store.info.classes))
    by_label = np.argsort(store.label, kind="stable")
    labels, first = np.unique(store.label[by_label], return_index=True)
    for label, group in zip(labels, np.split(lengths[by_label], first[1:]), strict=True):
        medians[label] = max(float(np.median(group)), 1.0)
    return lengths / medians[store.label]


def check_order(name: str) -> Order:
    """The order of that name. Raises PrepError.

    >>> check_order("longest")
    'longest'
    """
    for known in ORDERS:
        if name == known:
            return known
    raise PrepError(f"`{name}` is not an order of clips. {hint(name, ORDERS)}")


def _key(store: Store, by: Order, motion: Motion | None) -> NDArray[np.float64]:
    lengths = np.diff(store.offsets).astype(np.float64)
    if by == "longest":
        return -lengths
    if by == "shortest":
        return lengths
    if by == "length-outliers":
        return -np.abs(np.log(np.maximum(length_ratio(store), 1e-9)))
    if motion is None:
        raise ValueError(f"the order {by} needs the motion of every clip")
    values = motion.speed if by == "stillest" else -motion.jerk
    return np.where(np.isnan(values), np.inf, values)


def _bits(flag: str) -> int:
    bits = {one.name: one.bit for one in quality.FLAGS}
    if flag == "any":
        return sum(bits.values())
    if flag not in bits:
        raise PrepError(f"`{flag}` is not a quality flag. {hint(flag, bits)}")
    return bits[flag]
