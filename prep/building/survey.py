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

from manifests import text
from manifests.custom import read_custom
from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.building.choose import Bad
from prep.building.reasons import reason_for
from prep.clip import Recording
from prep.formats import FindRequest, complete, format_named
from prep.preprocessing.proportions import AXES, head_direction, mean_bones, unlikely_bones, wrong_direction
from prep.progress import Step, Work

FILE_FORMAT = "own"
# Units per metre, and the longest side of a body in metres, from a crouching child to a tall adult.
UNITS = {"metre": 1.0, "centimetre": 100.0, "millimetre": 1000.0}
SMALLEST, LARGEST = 0.3, 2.6


@dataclass(frozen=True)
class ClipMeasures:
    """Measurements of one clip.

    `low` and `high` are the minimum and maximum of each coordinate, `size` is the median longest side of a body, `up`
    the direction of the head from the hips, for example "+y", `bones` the mean length of each bone, `still` is True if
    every frame equals the first, and `missing` counts joints with NaN.
    """

    name: str
    label: int
    frames: int
    bodies: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    size: float
    up: str
    bones: tuple[float, ...]
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
    search = complete(dataset_file, file_format.find(FindRequest(dataset_file, data)))
    total = len(search.sources) + len(search.bad)
    clips: list[ClipMeasures] = []
    bad = list(search.bad)
    for done, source in enumerate(search.sources, len(search.bad) + 1):
        try:
            raw = file_format.load(source)
            clips.append(measure(data, file_format.read(source, raw, data), hashlib.sha256(raw).hexdigest()))
        except Exception as error:  # as in a build
            bad.append((source.name, reason_for(source, error)))
        yield Step(done, total, "reading", f"{len(bad)} bad" if bad else "")
    counted = summarise(data, clips, tuple(bad))
    return replace(counted, warnings=(*counted.warnings, *search.remarks))


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
        *_order_warnings(counted, clips),
        *_clip_warnings(data, clips),
    )
    return replace(counted, warnings=warnings)


def measure(data: Dataset, recording: Recording, digest: str) -> ClipMeasures:
    """Measure one recording; `digest` identifies its raw bytes."""
    layout = layout_of(data)
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
        up=head_direction(visible[..., : layout.axes], layout),
        bones=tuple(mean_bones(visible[..., : layout.axes], layout).tolist()),
        still=_still(recording),
        missing=int(np.isnan(recording.joints).any(axis=-1).sum()),
        digest=digest,
    )


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


def _order_warnings(counted: Survey, clips: Sequence[ClipMeasures]) -> Iterator[str]:
    """Signs of a wrong order of joints, or of axes."""
    layout, custom = layout_of(counted.data), counted.data.custom_layout is not None
    order = "check the order of the joints (`joint_order`)"
    if line := wrong_direction(layout, counted.up):
        remedy = f"Set `up` in custom_layout, or {order}" if custom else f"Exchange or negate the axes, or {order}"
        yield f"{line}. {remedy}."
    lengths = np.array([clip.bones for clip in clips if clip.low]).reshape(-1, len(layout.bones))
    count = (~np.isnan(lengths)).sum(axis=0)
    mean = np.where(count, np.nansum(lengths, axis=0), np.nan) / np.maximum(count, 1)
    unlikely = unlikely_bones(layout, mean)
    if unlikely:
        more = f", and {text.counted(len(unlikely) - 1, 'more pair')} of bones" if len(unlikely) > 1 else ""
        yield f"{unlikely[0]}{more}. C{order[1:]}."


def _clip_warnings(data: Dataset, clips: Sequence[ClipMeasures]) -> Iterator[str]:
    first: dict[str, ClipMeasures] = {}
    pairs = [(clip, first.setdefault(clip.digest, clip)) for clip in clips]
    copies = [(copy, clip) for copy, clip in pairs if copy is not clip and copy.label == clip.label]
    conflicts = [(copy, clip) for copy, clip in pairs if copy.label != clip.label]
    if copies:
        rule = f"{_clips(len(copies), 'is a copy of another', 'are copies of others')}"
        yield f"{rule}, `{copies[0][0].name}` of `{copies[0][1].name}`. Take them out."
    if conflicts:
        one, other = conflicts[0]
        both = f"`{one.name}` ({data.classes[one.label]}) and `{other.name}` ({data.classes[other.label]})"
        rule = (
            f"label conflict: {_clips(len(conflicts), 'is a copy of a clip', 'are copies of clips')} of another class"
        )
        yield f"{rule}, {both}. Correct the label, or take the copy out."
    for singular, plural, names in (
        ("shows nobody", "show nobody", [clip.name for clip in clips if not clip.bodies]),
        ("shows no motion", "show no motion", [clip.name for clip in clips if clip.still]),
        ("has one frame", "have one frame", [clip.name for clip in clips if clip.frames == 1]),
    ):
        if names:
            yield f"{_clips(len(names), singular, plural)}, for example `{names[0]}`. Check them, or take them out."


def _clips(count: int, singular: str, plural: str) -> str:
    """A count of clips with its verb.

    >>> _clips(1, "has one frame", "have one frame"), _clips(2, "has one frame", "have one frame")
    ('1 clip has one frame', '2 clips have one frame')
    """
    return f"{count:,} clip {singular}" if count == 1 else f"{count:,} clips {plural}"
