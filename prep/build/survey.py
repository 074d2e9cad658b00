"""A survey of one's own data before they are built: every clip is read, counted and measured, nothing is written.

What is certain is told; what is likely a slip (millimetres called metres, a head below the feet, one clip twice) is a
warning that names the remedy.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from manifests.own import read_own
from prep.clip import Recording
from prep.errors import BadFile
from prep.formats import Request
from prep.formats import format_named

FORM = "own"
# How many of a unit a metre has, and how large a body may be in metres: its longest side, crouching child to tall man.
UNITS = {"metre": 1.0, "centimetre": 100.0, "millimetre": 1000.0}
SMALLEST, LARGEST = 0.3, 2.6
AXES = "xyz"


@dataclass(frozen=True)
class Look:
    """One clip: `done` of `total`; why it is bad, or what it measures.

    `low` and `high` are the extreme numbers of each coordinate; `size` is the median longest side of a body; `up` is
    where the head lies, for example "+y"; `still` says that no frame differs from the first; `missing` counts NaN.
    """

    done: int
    total: int
    name: str
    bad: str = ""
    label: int = -1
    frames: int = 0
    bodies: int = 0
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    size: float = 0.0
    up: str = ""
    still: bool = False
    missing: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Survey:
    """All looks together; `frames` are the least, the middle and the most of a clip, `up` counts clips."""

    data: Dataset
    clips: int
    clips_per_class: tuple[tuple[str, int], ...]
    frames: tuple[int, int, int]
    bodies: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    size: float
    up: tuple[tuple[str, int], ...]
    missing: int
    bad: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def look(manifest: Path) -> Iterator[Look]:
    """Read every clip of the manifest's data set. Raises FactError and PrepError as a build does."""
    own, held = read_own(manifest).data, format_named(FORM)
    found = held.find(Request(manifest, own))
    total = len(found.sources) + len(found.bad)
    for done, (name, reason) in enumerate(found.bad, 1):
        yield Look(done, total, name, bad=reason)
    for done, source in enumerate(found.sources, len(found.bad) + 1):
        try:
            raw = held.load(source)
            yield _measured(own, held.read(source, raw, own), hashlib.sha256(raw).hexdigest(), done, total)
        except BadFile as error:
            yield Look(done, total, source.name, bad=str(error))


def survey(manifest: Path, looks: Sequence[Look]) -> Survey:
    """What the looks amount to, with warnings."""
    data, good = read_own(manifest).data, [each for each in looks if not each.bad]
    counts = Counter(each.label for each in good)
    shown = [each for each in good if each.low]
    low, high = zip(*(each.low for each in shown), strict=True), zip(*(each.high for each in shown), strict=True)
    lengths = sorted(each.frames for each in good) or [0]
    found = Survey(
        data=data,
        clips=len(good),
        clips_per_class=tuple((name, counts[label]) for label, name in enumerate(data.classes)),
        frames=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        bodies=max((each.bodies for each in good), default=0),
        low=tuple(map(min, low)),
        high=tuple(map(max, high)),
        size=float(np.median([each.size for each in shown])) if shown else 0.0,
        up=tuple(Counter(each.up for each in shown if each.up).most_common()),
        missing=sum(each.missing > 0 for each in good),
        bad=tuple((each.name, each.bad) for each in looks if each.bad),
        warnings=(),
    )
    warned = (*_of_classes(found), *_of_bodies(found), *_of_numbers(found), *_of_clips(good))
    return replace(found, warnings=warned)


def _measured(data: Dataset, one: Recording, digest: str, done: int, total: int) -> Look:
    # A joint at the origin is one that was not seen. The functions with an f leave NaN out, without a warning.
    seen = np.where(one.joints.any(axis=-1, keepdims=True), one.joints, np.nan)
    low, high = (extreme.reduce(seen, axis=1) for extreme in (np.fmin, np.fmax))
    sides = np.fmax.reduce((high - low)[:, : len(AXES)], axis=1, initial=0)
    return Look(
        done,
        total,
        one.name,
        label=one.label,
        frames=one.frames,
        bodies=int(one.bodies_per_frame.max(initial=0)),
        low=tuple(np.fmin.reduce(low).tolist()) if len(low) else (),
        high=tuple(np.fmax.reduce(high).tolist()) if len(high) else (),
        size=float(np.median(sides)) if len(sides) else 0.0,
        up=_up(data, seen) if len(seen) else "",
        still=_still(one),
        missing=int(np.isnan(one.joints).any(axis=-1).sum()),
        digest=digest,
    )


def _up(data: Dataset, seen: NDArray[np.float32]) -> str:
    """Where the head lies, seen from the middle of the body, on average: "" where nothing tells."""
    known = layout_of(data)
    if "head" not in known.joints or known.coordinates < 3:
        return ""
    middle = np.nansum(seen, axis=1) / np.maximum(1, (~np.isnan(seen)).sum(axis=1))
    towards = np.nan_to_num(seen[:, known.joints.index("head")] - middle)[:, : len(AXES)].mean(axis=0)
    axis = int(np.abs(towards).argmax())
    return ("+" if towards[axis] > 0 else "-") + AXES[axis] if towards.any() else ""


def _still(one: Recording) -> bool:
    """Whether there are several frames, all with the same bodies in the same places."""
    if one.frames < 2 or not len(one.joints) or len(set(one.bodies_per_frame.tolist())) > 1:
        return False
    frames = one.joints.reshape(one.frames, -1)
    return bool(np.array_equal(frames, np.broadcast_to(frames[0], frames.shape), equal_nan=True))


def _of_classes(found: Survey) -> Iterator[str]:
    for name, count in found.clips_per_class:
        if count == 0:
            yield f"class `{name}` has no clip. Add some, or take it out of `classes`."
        elif count == 1:
            yield f"class `{name}` has one clip; a few-shot task needs a shot and a query. Add some."


def _of_bodies(found: Survey) -> Iterator[str]:
    declared = found.data.bodies
    if found.bodies > declared:
        yield f"clips show up to {found.bodies} bodies, but bodies = {declared}, and more are left out. Raise `bodies`."
    elif found.clips and found.bodies < declared:
        yield f"bodies = {declared}, but no clip shows more than {found.bodies}. Lower `bodies`: empty ones cost room."


def _of_numbers(found: Survey) -> Iterator[str]:
    unit, metre = found.data.unit, UNITS.get(found.data.unit, 0.0)
    if found.size and metre and not SMALLEST <= found.size / metre <= LARGEST:
        fitting = [name for name, many in UNITS.items() if SMALLEST <= found.size / many <= LARGEST]
        looks = f"The numbers look like {fitting[0]}s. Convert them" if fitting else "Look at the numbers"
        rule = f"a body is {found.size:.4g} large (longest side, median), no size of a person in {unit}s"
        yield f"{rule}. {looks}."
    if unit == "image" and found.high and max(found.high[:2]) > 2:
        rule = f"coordinates reach {max(found.high[:2]):.4g}, but `image` counts in parts of the image, 0 to 1"
        yield f"{rule}. Divide x by the width and y by the height."
    clips = sum(count for _, count in found.up)
    if found.data.own_layout is None and found.up and found.up[0][0] != "+y" and found.up[0][1] > clips / 2:
        where, count = found.up[0]
        rule = f"the head lies towards {where} in {count} of {clips} clips, and {found.data.layout} has y up"
        yield f"{rule}. Exchange or negate the axes, or give a layout of your own."


def _of_clips(good: Sequence[Look]) -> Iterator[str]:
    first: dict[str, str] = {}
    twice = [(each.name, there) for each in good if (there := first.setdefault(each.digest, each.name)) != each.name]
    if twice:
        copy, original = twice[0]
        yield f"{len(twice)} clips are copies of others, `{copy}` of `{original}`. Take them out."
    for what, names in (
        ("show nobody", [each.name for each in good if not each.bodies]),
        ("show no motion: every frame is the first", [each.name for each in good if each.still]),
        ("have one frame", [each.name for each in good if each.frames == 1]),
    ):
        if names:
            yield f"{len(names)} clips {what}, for example `{names[0]}`. Look at them, or take them out."
