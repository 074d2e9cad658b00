"""Parts to a store: each block of frames is written by one worker; the small arrays and the manifest follow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.facts import layout_of
from prep.building.choose import Bad
from prep.building.job import Job
from prep.building.part import PartResult, load_columns, load_frames
from prep.preprocessing.pipeline import pipeline
from prep.store.arrays import BLOCK, PER_CLIP
from prep.store.frames import joined
from prep.store.info import StoreInfo, software
from prep.store.manifest import FORMAT, BlockDigests
from prep.store.write import write_block


@dataclass(frozen=True)
class BlockTask:
    """One block of the store, and the (part key, start, stop) of the frames in it."""

    store: str
    parts: str
    index: int
    pieces: tuple[tuple[str, int, int], ...]


def assemble_block(task: BlockTask) -> BlockDigests:
    """Worker: read a block's frames from the parts and write its shard."""
    pieces = [load_frames(Path(task.parts), key, start, stop) for key, start, stop in task.pieces]
    return write_block(Path(task.store), task.index, joined(pieces))


def small_arrays(folder: Path, parts: Mapping[str, PartResult]) -> dict[str, NDArray[Any]]:
    """The small arrays of the store: those of its parts, concatenated in order."""
    columns = [load_columns(folder, key) for key, part in parts.items() if part.clips]
    width = max(column["names"].shape[1] for column in columns)
    names = [np.pad(column["names"], ((0, 0), (0, width - column["names"].shape[1]))) for column in columns]
    small = {
        name: np.concatenate([column[name] for column in columns]) for name in (*PER_CLIP, "to_recorded", "source")
    }
    lengths = np.concatenate([column["lengths"] for column in columns])
    small["names"] = np.concatenate(names)
    small["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return small


def block_tasks(target: Path, folder: Path, parts: Mapping[str, PartResult]) -> Iterator[BlockTask]:
    """One task per block of 65,536 frames."""
    ends = list(accumulate(part.frames for part in parts.values()))
    frames = ends[-1]
    for index in range(-(-frames // BLOCK)):
        low, high = index * BLOCK, min((index + 1) * BLOCK, frames)
        pieces = []
        for (key, part), end in zip(parts.items(), ends, strict=True):
            first = end - part.frames
            if part.frames and first < high and end > low:
                pieces.append((key, max(low, first) - first, min(high, end) - first))
        yield BlockTask(str(target), str(folder), index, tuple(pieces))


def store_info(job: Job, file_format: str, small: Mapping[str, NDArray[Any]], bad: Bad, notes: Bad) -> StoreInfo:
    """Metadata of the store; `source_digest` covers the name and the raw bytes of every clip."""
    source = hashlib.sha256(small["names"].tobytes() + small["source"].tobytes()).hexdigest()
    data = job.dataset
    return StoreInfo(
        format=FORMAT,
        dataset=data.name,
        title=data.title,
        subset=job.subset.name if job.subset else "",
        file_format=file_format,
        options=dict(sorted(job.options.items())),
        layout=layout_of(data),
        unit=data.unit,
        fps=data.fps,
        preprocessing=job.preprocessing,
        preprocessing_version=pipeline(job.preprocessing).version,
        licence=data.licence,
        redistribution=data.redistribution,
        citation=data.source,
        unverified=data.unverified,
        software=software(),
        source_digest=source,
        classes=data.classes,
        left_out=bad,
        notes=notes,
    )
