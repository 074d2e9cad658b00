"""A chunk: the vectors of consecutive clips, kept in the working folder until all chunks are complete.

Its file is named by a digest of all its inputs. So a resumed run finds it, and a repaired video leads to another file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.digest import digest_of
from prep.embedding.job import VideoJob
from prep.files import atomic_write
from prep.store.info import software
from prep.video.request import ClipVideo

CLIPS_PER_CHUNK = 32  # at least; a chunk is whole batches


@dataclass(frozen=True)
class Chunk:
    """Clips first : stop of the store, of which `clips` are to be embedded; batches are counted from `first`."""

    path: Path
    first: int
    stop: int
    clips: tuple[ClipVideo, ...]

    @property
    def complete(self) -> bool:
        """Whether its file has been written."""
        return self.path.exists()


@dataclass
class VideoVectors:
    """Vectors (clips, D) while they are computed: which clips have one, frames of each video, errors and remarks."""

    vectors: NDArray[Any]
    done: NDArray[np.bool_]
    frames: NDArray[np.int32]
    bad: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def empty(cls, clips: int, width: int, dtype: str) -> VideoVectors:
        """No vector yet for any of `clips` clips."""
        return cls(np.zeros((clips, width), dtype), np.zeros(clips, np.bool_), np.full(clips, -1, np.int32))

    def add(self, chunk: Chunk) -> int:
        """Copy the vectors, counts, errors and remarks of a complete chunk. Returns its number of vectors."""
        rows = read(chunk)
        embedded, counted = (chunk.first + np.flatnonzero(mask) for mask in (rows.done, rows.frames >= 0))
        self.vectors[embedded], self.done[embedded] = rows.vectors[rows.done], True
        self.frames[counted] = rows.frames[rows.frames >= 0]
        self.bad += rows.bad
        self.notes += rows.notes
        return len(embedded)


def split(job: VideoJob, folder: Path, clips: Sequence[ClipVideo]) -> Iterator[Chunk]:
    """The chunks of `clips`, which are in the order of the store. The rows of a chunk depend on no other clip."""
    size = job.batch * -(-CLIPS_PER_CHUNK // job.batch)
    clips_of: dict[int, list[ClipVideo]] = {}
    for clip in clips:
        clips_of.setdefault(clip.clip // size, []).append(clip)
    for number, members in clips_of.items():
        first = number * size
        inputs = [asdict(job.key), job.batch, first, software(), job.store.digest, [_inputs(clip) for clip in members]]
        path = folder / f"{digest_of(inputs)[:32]}.npz"
        yield Chunk(path, first, min(first + size, len(job.store)), tuple(members))


def write(chunk: Chunk, rows: VideoVectors) -> None:
    """Write the file of a chunk whose clips have all been embedded or found bad."""
    bad, notes = (np.frombuffer(json.dumps(lines).encode(), np.uint8) for lines in (rows.bad, rows.notes))
    vectors, done, frames = rows.vectors, rows.done, rows.frames
    atomic_write(
        chunk.path, lambda file: np.savez(file, vectors=vectors, done=done, frames=frames, bad=bad, notes=notes)
    )


def read(chunk: Chunk) -> VideoVectors:
    """The content of a chunk's file."""
    with np.load(chunk.path, allow_pickle=False) as arrays:
        bad, notes = ([tuple(line) for line in json.loads(arrays[name].tobytes())] for name in ("bad", "notes"))
        return VideoVectors(arrays["vectors"], arrays["done"], arrays["frames"], bad, notes)


def _inputs(clip: ClipVideo) -> list[Any]:
    return [clip.clip, clip.name, clip.video.stamp, clip.start, clip.stop, clip.box]
