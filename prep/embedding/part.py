"""A part: the vectors of a run of clips, kept beside the store until all are there.

Its file is named by all that it is made of, so that a resumed run finds it, and a mended video makes another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.embedding.job import VideoJob
from prep.files import atomic_write
from prep.store.info import software
from prep.video.request import ClipVideo

CLIPS_PER_PART = 32  # at least; a part is whole batches


@dataclass(frozen=True)
class Part:
    """Clips first : stop of the store, of which `clips` are to be embedded; batches are counted from `first`."""

    path: Path
    first: int
    stop: int
    clips: tuple[ClipVideo, ...]

    @property
    def there(self) -> bool:
        """Whether it has been made."""
        return self.path.exists()


@dataclass
class Gathered:
    """Clips in the making: vectors (clips, D), which of them there are, frames of each video, what was wrong or odd."""

    vectors: NDArray[Any]
    done: NDArray[np.bool_]
    frames: NDArray[np.int32]
    bad: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def empty(clips: int, width: int, kind: str) -> Gathered:
    """Nothing yet of `clips` clips."""
    return Gathered(np.zeros((clips, width), kind), np.zeros(clips, np.bool_), np.full(clips, -1, np.int32))


def parts(job: VideoJob, folder: Path, clips: Sequence[ClipVideo]) -> Iterator[Part]:
    """The parts that `clips`, in the order of the store, fall into. Which rows they take depends on no other clip."""
    size = job.batch * -(-CLIPS_PER_PART // job.batch)
    by_part: dict[int, list[ClipVideo]] = {}
    for clip in clips:
        by_part.setdefault(clip.clip // size, []).append(clip)
    for number, mine in by_part.items():
        first = number * size
        made_of = [asdict(job.key), job.batch, first, software(), job.store.digest, [_made_of(clip) for clip in mine]]
        key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]
        yield Part(folder / f"{key}.npz", first, min(first + size, len(job.store)), tuple(mine))


def _made_of(clip: ClipVideo) -> list[Any]:
    return [clip.clip, clip.name, clip.video.stamp, clip.start, clip.stop, clip.box]


def write(part: Part, made: Gathered) -> None:
    """Keep a part that is complete."""
    bad, notes = (np.frombuffer(json.dumps(rows).encode(), np.uint8) for rows in (made.bad, made.notes))
    frames, done = made.frames, made.done
    atomic_write(
        part.path, lambda file: np.savez(file, vectors=made.vectors, done=done, frames=frames, bad=bad, notes=notes)
    )


def read(part: Part) -> Gathered:
    """A part that was kept."""
    with np.load(part.path, allow_pickle=False) as held:
        bad, notes = ([tuple(row) for row in json.loads(held[name].tobytes())] for name in ("bad", "notes"))
        return Gathered(held["vectors"], held["done"], held["frames"], bad, notes)
