"""A survey of your own dataset before it is built: every clip is read, counted and measured; nothing is written.

Facts are counted. Likely mistakes (millimetres declared as metres, a head below the feet, one clip twice) become
warnings that name the remedy.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from manifests.custom import read_custom
from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.building.choose import Bad
from prep.clip import Recording
from prep.errors import BadFile
from prep.formats import FindRequest, format_named
from prep.progress import Step, Work

FILE_FORMAT = "own"
# Units per metre, and the longest side of a body in metres, from a crouching child to a tall adult.
UNITS = {"metre": 1.0, "centimetre": 100.0, "millimetre": 1000.0}
SMALLEST, LARGEST = 0.3, 2.6
AXES = "xyz"


@dataclass(frozen=True)
class ClipMeasures:
    """Measurements of one clip.

    `low` and `high` are the minimum and maximum of each coordinate, `size` is the median longest side of a body, `up`
    the direction of the head, for example "+y", `still` is True if every frame equals the first, and `missing` counts
    joints with NaN.
    """

    name: str
    label: int
    frames: int
    bodies: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    size: float
    up: str
    still: bool
    missing: int
    digest: str


@dataclass(frozen=True)
class Survey:
    """Measurements of all clips. `frames` are the minimum, median and maximum per clip; `up` counts clips."""

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


def survey(dataset_file: Path) -> Work[Survey]:
    """Read and measure every clip of a custom dataset. Raises InvalidValue and PrepError as a build does."""
    data, file_format = read_custom(dataset_file).data, format_named(FILE_FORMAT)
    search = file_format.find(FindRequest(dataset_file, data))
    total = len(search.sources) + len(search.bad)
    clips: list[ClipMeasures] = []
    bad = list(search.bad)
    for done, source in enumerate(search.sources, len(search.bad) + 1):
        try:
            raw = file_format.load(source)
            clips.append(measure(data, file_format.read(source, raw, data), hashlib.sha256(raw).hexdigest()))
        except BadFile as error:
            bad.append((source.name, str(error)))
        yield Step(done, total, "reading", f"{len(bad)} bad" if bad else "")
    return summarise(data, clips, tuple(bad))


def summarise(data: Dataset, clips: Sequence[ClipMeasures], bad: Bad) -> Survey:
    """The survey of these clips, with warnings."""
    counts = Counter(clip.label for clip in clips)
    visible = [clip for clip in clips if clip.low]
    low, high = zip(*(clip.low for clip in visible), strict=True), zip(*(clip.high for clip in visible), strict=True)
    lengths = sorted(clip.frames for clip in clips) or [0]
    counted = Survey(
        data=data,
        clips=len(clips),
        clips_per_class=tuple((name, counts[label]) for label, name in enumerate(data.classes)),
        frames=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        bodies=max((clip.bodies for clip in clips), default=0),
        low=tuple(map(min, low)),
        high=tuple(map(max, high)),
        size=float(np.median([clip.size for clip in visible])) if visible else 0.0,
        up=tuple(Counter(clip.up for clip in visible if clip.up).most_common()),
        missing=sum(clip.missing > 0 for clip in clips),
        bad=bad,
        warnings=(),
    )
    warnings = (
        *_class_warnings(counted),
        *_body_warnings(counted),
        *_coordinate_warnings(counted),
        *_clip_warnings(clips),
    )
    return replace(counted, warnings=warnings)


def measure(data: Dataset, recording: Recording, digest: str) -> ClipMeasures:
    """Measure one recording; `digest` identifies its raw bytes."""
    # A joint at the origin is missing. fmin and fmax skip NaN without a warning.
    visible = np.where(recording.joints.any(axis=-1, keepdims=True), recording.joints, np.nan)
    low, high = (extreme.reduce(visible, axis=1) for extreme in (np.fmin, np.fmax))
    sides = np.fmax.reduce((high - low)[:, : len(AXES)], axis=1, initial=0)
    return ClipMeasures(
        name=recording.name,
        label=recording.label,
        frames=recording.frames,
        bodies=int(recording.bodies_per_frame.max(initial=0)),
        low=tuple(np.fmin.reduce(low).tolist()) if len(low) else (),
        high=tuple(np.fmax.reduce(high).tolist()) if len(high) else (),
        size=float(np.median(sides)) if len(sides) else 0.0,
        up=_up(data, visible) if len(visible) else "",
        still=_still(recording),
        missing=int(np.isnan(recording.joints).any(axis=-1).sum()),
        digest=digest,
    )


def _up(data: Dataset, visible: NDArray[np.float32]) -> str:
    """Mean direction from the centre of the body to the head; "" if the layout has no head or the head is missing."""
    layout = layout_of(data)
    if "head" not in layout.joints or layout.coordinates < 3:
        return ""
    centre = np.nansum(visible, axis=1) / np.maximum(1, (~np.isnan(visible)).sum(axis=1))
    direction = np.nan_to_num(visible[:, layout.joints.index("head")] - centre)[:, : len(AXES)].mean(axis=0)
    axis = int(np.abs(direction).argmax())
    return ("+" if direction[axis] > 0 else "-") + AXES[axis] if direction.any() else ""


def _still(recording: Recording) -> bool:
    """True for several frames with identical bodies."""
    if recording.frames < 2 or not len(recording.joints) or len(set(recording.bodies_per_frame.tolist())) > 1:
        return False
    frames = recording.joints.reshape(recording.frames, -1)
    return bool(np.array_equal(frames, np.broadcast_to(frames[0], frames.shape), equal_nan=True))


def _class_warnings(counted: Survey) -> Iterator[str]:
    for name, count in counted.clips_per_class:
        if count == 0:
            yield f"class `{name}` has no clip. Add some, or take it out of `classes`."
        elif count == 1:
            yield f"class `{name}` has one clip; a few-shot task needs a shot and a query. Add some."


def _body_warnings(counted: Survey) -> Iterator[str]:
    declared = counted.data.bodies
    if counted.bodies > declared:
        rule = f"clips show up to {counted.bodies} bodies, but bodies = {declared}, and the others are left out"
        yield f"{rule}. Raise `bodies`."
    elif counted.clips and counted.bodies < declared:
        rule = f"bodies = {declared}, but no clip shows more than {counted.bodies}"
        yield f"{rule}. Lower `bodies`: empty bodies cost space."


def _coordinate_warnings(counted: Survey) -> Iterator[str]:
    unit, metre = counted.data.unit, UNITS.get(counted.data.unit, 0.0)
    if counted.size and metre and not SMALLEST <= counted.size / metre <= LARGEST:
        fitting = [name for name, per_metre in UNITS.items() if SMALLEST <= counted.size / per_metre <= LARGEST]
        remedy = f"The numbers look like {fitting[0]}s. Convert them" if fitting else "Check the numbers"
        rule = f"a body is {counted.size:.4g} large (longest side, median), which is no size of a person in {unit}s"
        yield f"{rule}. {remedy}."
    if unit == "image" and counted.high and max(counted.high[:2]) > 2:
        rule = (
            f"coordinates reach {max(counted.high[:2]):.4g}, but the unit `image` means fractions of the image, 0 to 1"
        )
        yield f"{rule}. Divide x by the width and y by the height."
    clips = sum(count for _, count in counted.up)
    if counted.data.custom_layout is None and counted.up and counted.up[0][0] != "+y" and counted.up[0][1] > clips / 2:
        direction, count = counted.up[0]
        rule = f"the head lies towards {direction} in {count} of {clips} clips, and {counted.data.layout} has y up"
        yield f"{rule}. Exchange or negate the axes, or write a custom layout."


def _clip_warnings(clips: Sequence[ClipMeasures]) -> Iterator[str]:
    first: dict[str, str] = {}
    originals = [(clip.name, first.setdefault(clip.digest, clip.name)) for clip in clips]
    copies = [(name, original) for name, original in originals if name != original]
    if copies:
        copy, original = copies[0]
        yield f"{len(copies)} clips are copies of others, `{copy}` of `{original}`. Take them out."
    for problem, names in (
        ("show nobody", [clip.name for clip in clips if not clip.bodies]),
        ("show no motion: every frame is the first", [clip.name for clip in clips if clip.still]),
        ("have one frame", [clip.name for clip in clips if clip.frames == 1]),
    ):
        if names:
            yield f"{len(names)} clips {problem}, for example `{names[0]}`. Check them, or take them out."
