"""A part: a run of clips converted by one worker, kept beside the store until it is assembled.

A part is named by what it is made of (recipe, versions, names and stamps of its raw files), so a resumed build finds
finished parts by name, and a mended raw file makes a new one. `<key>.joints.npy` is written first, `<key>.npz` last.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.facts import layout_of
from prep.preprocessing.bodies import fill_nan
from prep.files import atomic_write
from prep.clip import Clip, Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import Format, format_named
from prep.store.manifest import FORMAT
from prep.preprocessing.joints_box import UNKNOWN, Box, joints_box
from prep.preprocessing.quality import EXTRA_BODIES, RULES, flags
from prep.preprocessing.pipeline import Pipeline, apply, pipeline
from prep.store.read import BOX, PER_CLIP
from prep.store.write import pack_text


@dataclass(frozen=True)
class Part:
    """What one worker is asked to convert, in order, and where to leave it."""

    folder: str
    dataset: Dataset
    form: str
    recipe: str
    sources: tuple[Source, ...]

    @property
    def key(self) -> str:
        """Name of the part's files: changes with anything that could change their content."""
        chosen = pipeline(self.recipe)
        made_of = [
            FORMAT,
            version("fewshot-skeleton"),
            asdict(self.dataset),
            self.form,
            chosen.name,
            chosen.version,
            RULES,
            [[s.name, s.size, s.stamp, s.label, *s.rows] for s in self.sources],
        ]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class PartDone:
    """What a worker reports: clips and frames kept, and (name, reason) of each bad file."""

    key: str
    clips: int
    frames: int
    bad: tuple[tuple[str, str], ...]


def convert(part: Part) -> PartDone:
    """Read, clean and write every clip of a part. A part already there is not made again.

    Raises PrepError on a machine that does not see the folders the part is made of and for.
    """
    folder, key = Path(part.folder), part.key
    _check_shared(part)
    if (folder / f"{key}.npz").exists():
        return load_done(folder, key)
    data, held = part.dataset, format_named(part.form)
    chosen = pipeline(part.recipe)
    clips: list[Clip] = []
    kept: list[Source] = []
    recordings: list[Recording] = []
    digests: list[bytes] = []
    bad: list[tuple[str, str]] = []
    for source in part.sources:
        try:
            raw = held.load(source)
            recording = held.read(source, raw, data)
            clip = _first_bodies(apply(chosen, recording, data.layout), bodies_kept(data, chosen))
        except BadFile as error:
            bad.append((source.name, str(error)))
            continue
        clips.append(replace(clip, quality=clip.quality | flags(fill_nan(recording), data, layout_of(data))))
        kept.append(source)
        recordings.append(recording)
        digests.append(hashlib.sha256(raw).digest())
    spans = [span(held, source, recording) for source, recording in zip(kept, recordings, strict=True)]
    # Prepared coordinates are those of no camera.
    boxes = [UNKNOWN if held.prepared else joints_box(recording, data) for recording in recordings]
    columns = _columns(recordings, clips, digests, bad) | _in_video(spans, boxes)
    _write(folder, key, bodies_kept(data, chosen), clips, columns)
    return load_done(folder, key)


def _check_shared(part: Part) -> None:
    """A worker elsewhere may lack what the others share; then its clips are not bad, and nobody need mend them."""
    for folder in sorted({Path(part.folder), *(Path(source.path).parent for source in part.sources)}):
        if not folder.is_dir():
            rule = "Every machine must see the raw files and the store's folder at the same paths"
            raise PrepError(f"{folder}: not found on {platform.node()}, a worker. {rule}.")


def _columns(
    recordings: Sequence[Recording], clips: Sequence[Clip], digests: Sequence[bytes], bad: Sequence[tuple[str, str]]
) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        name: np.array([getattr(recording, name) for recording in recordings], dtype)
        for name, dtype in PER_CLIP.items()
        if name in {field.name for field in fields(Recording)}
    }
    columns["quality"] = np.array([clip.quality for clip in clips], PER_CLIP["quality"])
    columns["bodies"] = np.array([clip.body_mask.any(0).sum() for clip in clips], PER_CLIP["bodies"])
    columns["lengths"] = np.array([len(clip.joints) for clip in clips], np.int64)
    columns["source"] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    columns["names"] = pack_text([recording.name for recording in recordings])
    columns["bad"] = np.frombuffer(json.dumps(list(bad)).encode(), np.uint8)
    return columns


def span(held: Format, source: Source, recording: Recording) -> tuple[int, int]:
    """The clip's frames start : stop in its raw recording; (-1, -1) where an intermediate form has lost them."""
    if held.prepared:
        return -1, -1
    return source.rows if source.rows != (0, 0) else (0, recording.frames)


def _in_video(spans: Sequence[tuple[int, int]], boxes: Sequence[Box]) -> dict[str, NDArray[Any]]:
    """The columns that say where in its video a clip is."""
    frames, sides = np.array(spans).reshape(-1, 2), np.array(boxes).reshape(-1, 4)
    found = {"start": frames[:, 0], "stop": frames[:, 1]} | dict(zip(BOX, sides.T, strict=True))
    return {name: column.astype(PER_CLIP[name]) for name, column in found.items()}


def bodies_kept(data: Dataset, chosen: Pipeline) -> int:
    """M of a store: what the recipe keeps, but never more than act in the data set."""
    return min(chosen.max_bodies(data.layout), data.bodies)


def _first_bodies(clip: Clip, bodies: int) -> Clip:
    cut = EXTRA_BODIES if clip.body_mask[:, bodies:].any() else 0
    return Clip(clip.joints[:, :bodies], clip.body_mask[:, :bodies], clip.quality | cut)


def _write(folder: Path, key: str, bodies: int, clips: Sequence[Clip], columns: dict[str, Any]) -> None:
    shape = clips[0].joints.shape[2:] if clips else (0, 0)
    joints = np.zeros((int(columns["lengths"].sum()), bodies, *shape), np.float32)
    mask = np.zeros(joints.shape[:2], np.bool_)
    start = 0
    for clip in clips:
        stop = start + len(clip.joints)
        joints[start:stop], mask[start:stop] = clip.joints, clip.body_mask
        start = stop
    atomic_write(folder / f"{key}.joints.npy", lambda file: np.save(file, joints, allow_pickle=False))
    atomic_write(folder / f"{key}.npz", lambda file: np.savez(file, body_mask=mask, **columns))


def load_done(folder: Path, key: str) -> PartDone:
    """The report of a finished part."""
    with np.load(folder / f"{key}.npz", allow_pickle=False) as columns:
        bad = tuple((name, reason) for name, reason in json.loads(columns["bad"].tobytes()))
        return PartDone(key, len(columns["label"]), int(columns["lengths"].sum()), bad)


def load_columns(folder: Path, key: str) -> dict[str, NDArray[Any]]:
    """The small arrays of a finished part, one row per clip."""
    with np.load(folder / f"{key}.npz", allow_pickle=False) as columns:
        return {name: columns[name] for name in (*PER_CLIP, "lengths", "source", "names")}


def load_frames(folder: Path, key: str, start: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Frames start : stop of a part: joints (frames, M, V, C) and body_mask (frames, M)."""
    joints = np.load(folder / f"{key}.joints.npy", mmap_mode="r", allow_pickle=False)
    with np.load(folder / f"{key}.npz", allow_pickle=False) as columns:
        return np.array(joints[start:stop]), columns["body_mask"][start:stop]
