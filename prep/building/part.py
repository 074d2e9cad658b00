"""A part: some clips converted by one worker, kept beside the store until it is assembled.

The name of a part's files is a digest of everything that decides their content (preprocessing, versions, names and
stamps of the raw files). So a resumed build finds finished parts by name, and a corrected raw file makes a new part.
`<key>.joints.npy` is written first, `<key>.npz` last.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.digest import digest_of
from prep.building.choose import Bad
from prep.building.convert import ConvertedClip, bodies_kept, columns, convert_source, frames
from prep.building.reasons import reason_for
from prep.clip import Source
from prep.errors import PrepError
from prep.files import atomic_write
from prep.formats import format_named
from prep.preprocessing.pipeline import pipeline
from prep.preprocessing.quality import RULES
from prep.store.arrays import PER_CLIP
from prep.store.frames import Frames
from prep.store.manifest import FORMAT


@dataclass(frozen=True)
class PartTask:
    """The clips of one part in order, how to read and preprocess them, and the folder for the part's files."""

    folder: str
    dataset: Dataset
    file_format: str
    preprocessing: str
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class PartResult:
    """Report on a finished part: the numbers of clips and frames in it, and (name, reason) of each bad file."""

    key: str
    clips: int
    frames: int
    bad: Bad


def part_key(task: PartTask) -> str:
    """Name of the part's files: it changes with everything that could change their content."""
    chosen = pipeline(task.preprocessing)
    content = [
        FORMAT,
        version("fewshot-skeleton"),
        asdict(task.dataset),
        task.file_format,
        chosen.name,
        chosen.version,
        RULES,
        [[source.name, source.size, source.stamp, source.label, *source.rows] for source in task.sources],
    ]
    return digest_of(content)[:32]


def convert_part(task: PartTask) -> PartResult:
    """Worker: convert and write every clip of a part, unless the part exists already and has no bad file.

    Bad files are read again: rights, or the memory of the machine, may have changed without a trace in the file.

    Raises PrepError on a machine that does not see the raw files or the folder of the parts.
    """
    _check_shared_folders(task)
    folder, key = Path(task.folder), part_key(task)
    if not (folder / f"{key}.npz").exists() or load_result(folder, key).bad:
        clips, bad = convert_all(task)
        _write(folder, key, bodies_kept(task.dataset, pipeline(task.preprocessing)), clips, bad)
    return load_result(folder, key)


def convert_all(task: PartTask) -> tuple[list[ConvertedClip], Bad]:
    """Every good clip of a part, and (name, reason) of each bad file."""
    file_format, chosen = format_named(task.file_format), pipeline(task.preprocessing)
    clips: list[ConvertedClip] = []
    bad: list[tuple[str, str]] = []
    for source in task.sources:
        try:
            clips.append(convert_source(source, file_format, task.dataset, chosen))
        except Exception as error:  # one bad file never ends a build, whatever it makes a library raise
            bad.append((source.name, reason_for(source, error)))
    return clips, tuple(bad)


def load_result(folder: Path, key: str) -> PartResult:
    """The report on a finished part."""
    with np.load(folder / f"{key}.npz", allow_pickle=False) as arrays:
        bad = tuple((name, reason) for name, reason in json.loads(arrays["bad"].tobytes()))
        return PartResult(key, len(arrays["label"]), int(arrays["lengths"].sum()), bad)


def load_columns(folder: Path, key: str) -> dict[str, NDArray[Any]]:
    """The small arrays of a finished part, one row per clip."""
    with np.load(folder / f"{key}.npz", allow_pickle=False) as arrays:
        return {name: arrays[name] for name in (*PER_CLIP, "lengths", "to_recorded", "source", "names")}


def load_frames(folder: Path, key: str, start: int, stop: int) -> Frames:
    """Frames start : stop of a part."""
    joints = np.load(folder / f"{key}.joints.npy", mmap_mode="r", allow_pickle=False)
    with np.load(folder / f"{key}.npz", allow_pickle=False) as arrays:
        return Frames(np.array(joints[start:stop]), arrays["body_mask"][start:stop], arrays["origin"][start:stop])


def _check_shared_folders(task: PartTask) -> None:
    """A worker that lacks the shared folders must fail: its clips are not bad files."""
    for folder in sorted({Path(task.folder), *(Path(source.path).parent for source in task.sources)}):
        if not folder.is_dir():
            rule = "Every machine must see the raw files and the store's folder at the same paths"
            raise PrepError(f"{folder}: not found on {platform.node()}, a worker. {rule}.")


def _write(folder: Path, key: str, bodies: int, clips: Sequence[ConvertedClip], bad: Bad) -> None:
    long = frames(clips, bodies).arrays
    joints = long.pop("joints")
    arrays: dict[str, Any] = long | columns(clips) | {"bad": np.frombuffer(json.dumps(bad).encode(), np.uint8)}
    atomic_write(folder / f"{key}.joints.npy", lambda file: np.save(file, joints, allow_pickle=False))
    atomic_write(folder / f"{key}.npz", lambda file: np.savez(file, **arrays))
