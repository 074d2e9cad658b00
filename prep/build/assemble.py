"""Parts to a store: every block of frames written by one worker, then the small arrays and the completion mark."""

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
from prep.build.choose import Bad
from prep.build.job import Job
from prep.build.part import PartDone, load_columns, load_frames
from prep.store.info import software
from prep.store.manifest import FORMAT, Block
from prep.preprocessing.pipeline import pipeline
from prep.store.read import BLOCK, PER_CLIP, StoreInfo
from prep.store.write import write_block


@dataclass(frozen=True)
class BlockTask:
    """One block of the store and the stretches (part key, start, stop) of frames it is made of."""

    store: str
    parts: str
    index: int
    stretches: tuple[tuple[str, int, int], ...]


def assemble_block(task: BlockTask) -> Block:
    """Worker: read a block's frames from the parts and write its shard."""
    pieces = [load_frames(Path(task.parts), key, start, stop) for key, start, stop in task.stretches]
    joints = np.concatenate([joints for joints, _ in pieces])
    mask = np.concatenate([mask for _, mask in pieces])
    return write_block(Path(task.store), task.index, joints, mask)


def small_arrays(folder: Path, done: Mapping[str, PartDone]) -> dict[str, NDArray[Any]]:
    """The small arrays of the store from those of its parts, in the order of the parts."""
    columns = [load_columns(folder, key) for key, part in done.items() if part.clips]
    width = max(column["names"].shape[1] for column in columns)
    names = [np.pad(column["names"], ((0, 0), (0, width - column["names"].shape[1]))) for column in columns]
    small = {name: np.concatenate([column[name] for column in columns]) for name in (*PER_CLIP, "source")}
    lengths = np.concatenate([column["lengths"] for column in columns])
    small["names"] = np.concatenate(names)
    small["offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return small


def block_tasks(target: Path, folder: Path, done: Mapping[str, PartDone]) -> Iterator[BlockTask]:
    """One task per block of 65,536 frames."""
    ends = list(accumulate(part.frames for part in done.values()))
    frames = ends[-1]
    for index in range(-(-frames // BLOCK)):
        low, high = index * BLOCK, min((index + 1) * BLOCK, frames)
        stretches = []
        for (key, part), end in zip(done.items(), ends, strict=True):
            first = end - part.frames
            if first < high and end > low:
                stretches.append((key, max(low, first) - first, min(high, end) - first))
        yield BlockTask(str(target), str(folder), index, tuple(stretches))


def store_info(job: Job, form: str, small: Mapping[str, NDArray[Any]], bad: Bad, notes: Bad) -> StoreInfo:
    """What the store will say of itself; `source_digest` covers the names and raw bytes of every clip."""
    source = hashlib.sha256(small["names"].tobytes() + small["source"].tobytes()).hexdigest()
    data = job.dataset
    return StoreInfo(
        format=FORMAT,
        dataset=data.name,
        title=data.title,
        subset=job.subset.name if job.subset else "",
        form=form,
        options=dict(sorted(job.options.items())),
        layout=layout_of(data),
        unit=data.unit,
        fps=data.fps,
        recipe=job.recipe,
        recipe_version=pipeline(job.recipe).version,
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
