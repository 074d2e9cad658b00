"""One raw file to one converted clip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.clip import Clip, Recording, Source
from prep.errors import BadFile
from prep.formats import Format
from prep.preprocessing.bodies import fill_nan
from prep.preprocessing.joints_box import UNKNOWN, Box, joints_box
from prep.preprocessing.pipeline import Pipeline, apply
from prep.preprocessing.quality import EXTRA_BODIES, flags
from prep.store.arrays import MAX_NAME, PER_CLIP
from prep.store.frames import Frames, joined
from prep.store.write import pack_text


@dataclass(frozen=True)
class ConvertedClip:
    """One clip and everything that a store holds about it; the columns of a store have these fields' names."""

    name: str
    joints: NDArray[np.float32]
    body_mask: NDArray[np.bool_]
    origin: NDArray[np.float32]
    to_recorded: NDArray[np.float32]
    source: bytes
    label: int
    subject: int
    camera: int
    setup: int
    repetition: int
    bodies: int
    quality: int
    start: int
    stop: int
    left: float
    top: float
    right: float
    bottom: float


def convert_source(source: Source, file_format: Format, data: Dataset, pipeline: Pipeline) -> ConvertedClip:
    """Read one recording and apply the pipeline to it. Raises BadFile."""
    raw = file_format.load(source)
    recording = file_format.read(source, raw, data)
    _check_name(recording.name)
    clip = first_bodies(apply(pipeline, recording, layout_of(data)), bodies_kept(data, pipeline))
    start, stop = frame_range(file_format, source, recording)
    left, top, right, bottom = video_box(file_format, recording, data)
    return ConvertedClip(
        name=recording.name,
        joints=clip.joints,
        body_mask=clip.body_mask,
        origin=clip.origin,
        to_recorded=clip.to_recorded,
        source=hashlib.sha256(raw).digest(),
        label=recording.label,
        subject=recording.subject,
        camera=recording.camera,
        setup=recording.setup,
        repetition=recording.repetition,
        bodies=int(clip.body_mask.any(axis=0).sum()),
        quality=clip.quality | flags(fill_nan(recording), data, layout_of(data)),
        start=start,
        stop=stop,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
    )


def frame_range(file_format: Format, source: Source, recording: Recording) -> tuple[int, int]:
    """The clip is frames start : stop of its raw recording; (-1, -1) if an intermediate format has lost them."""
    if file_format.prepared:
        return -1, -1
    return source.rows if source.rows != (0, 0) else (0, recording.frames)


def video_box(file_format: Format, recording: Recording, data: Dataset) -> Box:
    """The joints' box in the video; UNKNOWN for preprocessed coordinates, which belong to no camera."""
    return UNKNOWN if file_format.prepared else joints_box(recording, data)


def bodies_kept(data: Dataset, pipeline: Pipeline) -> int:
    """M of a store: the bodies that the pipeline keeps, but at most those of the dataset."""
    return min(pipeline.max_bodies(data.layout), data.bodies)


def first_bodies(clip: Clip, bodies: int) -> Clip:
    """The first bodies of a clip, flagged EXTRA_BODIES if others are cut off."""
    cut = EXTRA_BODIES if clip.body_mask[:, bodies:].any() else 0
    joints, mask, quality = clip.joints[:, :bodies], clip.body_mask[:, :bodies], clip.quality | cut
    return replace(clip, joints=joints, body_mask=mask, quality=quality)


def columns(clips: Sequence[ConvertedClip]) -> dict[str, NDArray[Any]]:
    """The small arrays of these clips, one row each, and `lengths` in frames."""
    per_clip = {name: np.array([getattr(clip, name) for clip in clips], dtype) for name, dtype in PER_CLIP.items()}
    return per_clip | {
        "lengths": np.array([len(clip.joints) for clip in clips], np.int64),
        "to_recorded": np.array([clip.to_recorded for clip in clips], np.float32),
        "source": np.frombuffer(b"".join(clip.source for clip in clips), np.uint8).reshape(-1, 32),
        "names": pack_text([clip.name for clip in clips]),
    }


def frames(clips: Sequence[ConvertedClip], bodies: int) -> Frames:
    """All clips end to end, with `bodies` bodies."""
    if not clips:
        return Frames(np.zeros((0, bodies, 0, 0), "f4"), np.zeros((0, bodies), np.bool_), np.zeros((0, 0), "f4"))
    return joined([Frames(clip.joints, clip.body_mask, clip.origin) for clip in clips])


def _check_name(name: str) -> None:
    if len(name.encode()) > MAX_NAME:
        raise BadFile(f"{name[:60]}...: a clip's name has at most {MAX_NAME} bytes in UTF-8. Rename the file.")
