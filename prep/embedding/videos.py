"""Videos to vectors in a store: decoded by workers, ahead of the encoder that takes them batch by batch; resumable.

`<store>.embedding/<name>/` holds the parts until all are there; then they go into the store, its mark last. Every batch
has the same size, holes and the end filled with black, and a clip's row in it depends on nothing but the store: the
bits of a vector are the same whatever was wrong with other videos, and however often the work was stopped.
"""

from __future__ import annotations

import platform
import shutil
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prep.embedding.job import VideoJob, stored
from prep.embedding.part import Gathered, Part, empty, parts, read, write
from prep.encoders._encoder import EncoderError
from prep.errors import PrepError
from prep.files import disk_errors, locked
from prep.store.embedding_key import AboutVideo, Rows, check_same, check_together
from prep.store.embeddings import Embedded, embedded
from prep.store.keep_embedding import check_name, keep_videos, working
from prep.video.pairing import Pairs, pair
from prep.video.request import Answer, ClipVideo, Wanted
from prep.video.worker import answer


@dataclass(frozen=True)
class Workers:
    """Who decodes: an executor, how many tasks it works on at once, and the errors of a task that ended its worker."""

    executor: Executor
    at_once: int
    died: tuple[type[Exception], ...]


@dataclass(frozen=True)
class Embedding:
    """One step: `stage` is what was waited for since the last, "decoding" or "encoding"; clips done, and bad so far."""

    stage: str
    done: int
    total: int
    bad: int = 0


@dataclass(frozen=True)
class Result:
    """What an embedding came to.

    `fresh` clips have a vector that they had not, `now` is how many this run worked on (the others of them were kept
    from one that was stopped); `missing` are the names of clips without a video; `unused` videos belong to no clip of
    the store, `unmatched` are named as no layout has it.
    """

    store: str
    name: str
    digest: str
    clips: int
    embedded: int
    fresh: int
    now: int
    missing: tuple[str, ...]
    bad: Rows
    notes: Rows
    unused: int
    unmatched: int


def embed_videos(job: VideoJob, workers: Workers) -> Iterator[Embedding | Result]:
    """Embed every clip that has a video and no vector yet; the last record is the Result.

    What is wrong with single videos is in the Result, and the others are embedded. Raises KeyMismatch when the store
    holds other vectors under the name, PrepError when nothing can be embedded or the disk is full, EncoderError.
    """
    check_name(job.name)
    _check_frames(job)
    beside = working(job.store)
    with locked(beside), disk_errors(beside):
        held = _held(job)
        pairs = pair(job.store, job.videos)
        whole = _begun(job, held)
        todo = [clip for clip in pairs.clips if not whole.done[clip.clip]]
        folder = beside / job.name
        folder.mkdir(exist_ok=True)
        made = list(parts(job, folder, todo))
        now = sum(len(part.clips) for part in made if not part.there)
        yield from _make(job, made, workers, len(todo))
        result = _finish(job, held, whole, made, pairs, now)
        shutil.rmtree(folder)
    yield result


def _check_frames(job: VideoJob) -> None:
    takes = job.model.encoder.frames
    if takes and takes != job.wanted.frames:
        rule = f"these weights take exactly {takes} frames, {job.wanted.frames} were asked for"
        raise EncoderError(f"{job.model.named}: {rule}. Take --frames {takes}, or other weights.")


def _held(job: VideoJob) -> Embedded | None:
    """What the store holds under the name already, checked to fit. Raises KeyMismatch."""
    if not any(unit.startswith(f"{job.name}/") for unit in job.store.manifest.embedded):
        return None
    held, where = embedded(job.store, job.name), f"{job.store.path}: videos of `{job.name}`"
    if job.replace:
        held = replace(held, about_video=None)
    if held.about_video:
        check_same(held.about_video.key, job.key, where)
    if held.about_text:
        check_together(job.key, held.about_text.key, where)
    return held


def _begun(job: VideoJob, held: Embedded | None) -> Gathered:
    """The whole array as far as it is there."""
    if held is None or held.about_video is None:
        return empty(len(job.store), job.model.encoder.width, job.stored)
    return Gathered(held.video.copy(), held.done.copy(), held.frames.copy(), [], list(held.about_video.notes))


def _make(job: VideoJob, made: Sequence[Part], workers: Workers, total: int) -> Iterator[Embedding]:
    """Make the parts that are not there."""
    done = sum(len(part.clips) for part in made if part.there)
    bad = sum(len(read(part).bad) for part in made if part.there)
    left = [part for part in made if not part.there]
    answers = _answers([clip for part in left for clip in part.clips], job.wanted, workers, job.batch)
    try:
        for part in left:
            rows = empty(part.stop - part.first, job.model.encoder.width, job.stored)
            for batch in _batches(part, job.batch):
                found = [next(answers) for _ in batch]
                done, bad = done + len(found), bad + sum(each.pictures is None for each in found)
                yield Embedding("decoding", done, total, bad)
                _encode(job, part, batch, found, rows)
                yield Embedding("encoding", done, total, bad)
            write(part, rows)
    finally:
        answers.close()


def _batches(part: Part, size: int) -> Iterator[list[ClipVideo]]:
    """The clips of each batch that has any."""
    by_batch: dict[int, list[ClipVideo]] = {}
    for clip in part.clips:
        by_batch.setdefault((clip.clip - part.first) // size, []).append(clip)
    yield from by_batch.values()


def _encode(job: VideoJob, part: Part, batch: list[ClipVideo], found: list[Answer], rows: Gathered) -> None:
    """Put a batch's vectors, counts and complaints into the part's rows."""
    row = {clip.clip: clip.clip - part.first for clip in batch}
    start = min(row.values()) // job.batch * job.batch
    shown = np.zeros((job.batch, job.wanted.frames, job.wanted.size, job.wanted.size, 3), np.uint8)
    for clip, each in zip(batch, found, strict=True):
        rows.frames[row[clip.clip]] = each.counted
        rows.notes += [(clip.name, note) for note in each.notes]
        if each.pictures is None:
            rows.bad.append((clip.name, each.reason))
        else:
            shown[row[clip.clip] - start] = each.pictures
            rows.done[row[clip.clip]] = True
    if not any(each.pictures is not None for each in found):
        return
    vectors = job.model.encoder.videos(shown)
    stop = min(start + job.batch, len(rows.done))
    good = rows.done[start:stop]
    rows.vectors[start:stop][good] = stored(vectors[: stop - start][good], job.stored)


def _answers(clips: Sequence[ClipVideo], wanted: Wanted, workers: Workers, batch: int) -> Generator[Answer, None, None]:
    """What became of each clip's video, in order, with a bounded number decoded ahead."""
    ahead = 2 * (workers.at_once + batch)
    flying: deque[tuple[ClipVideo, Future[Answer]]] = deque()
    waiting = iter(clips)
    try:
        while True:
            while len(flying) < ahead and (clip := next(waiting, None)) is not None:
                flying.append((clip, workers.executor.submit(work, clip, wanted)))
            if not flying:
                return
            clip, future = flying.popleft()
            yield _landed(clip, future, workers)
    finally:
        for _, future in flying:
            future.cancel()


def _landed(clip: ClipVideo, future: Future[Answer], workers: Workers) -> Answer:
    try:
        return future.result()
    except workers.died:
        where = clip.video.sources[0].path
        reason = f"{where}: its decoder crashed, twice. The file is damaged, or hostile; fetch it again."
        return Answer(clip.clip, None, reason)


def work(clip: ClipVideo, wanted: Wanted) -> Answer:
    """Worker: one clip's frames. Raises PrepError on a machine that does not see the videos."""
    for folder in {Path(source.path).parent for source in clip.video.sources}:
        if not folder.is_dir():
            rule = "Every machine must see the videos at the same paths"
            raise PrepError(f"{folder}: not found on {platform.node()}, a worker. {rule}.")
    return answer(clip, wanted)


def _finish(
    job: VideoJob, held: Embedded | None, whole: Gathered, made: Sequence[Part], pairs: Pairs, now: int
) -> Result:
    """The parts into the store, unless it has everything already."""
    fresh = 0
    for part in made:
        rows = read(part)
        where = part.first + np.flatnonzero(rows.done)
        whole.vectors[where], whole.done[where] = rows.vectors[rows.done], True
        seen = part.first + np.flatnonzero(rows.frames >= 0)
        whole.frames[seen] = rows.frames[rows.frames >= 0]
        whole.bad += rows.bad
        whole.notes += rows.notes
        fresh += len(where)
    about = job.about(_placeless(job, {*whole.bad, *pairs.bad}), _placeless(job, set(whole.notes)))
    if not whole.done.any():
        raise PrepError(f"{job.videos}: no video could be embedded.{_first(about.bad)}")
    store = job.store
    if held is None or held.about_video is None or fresh or _said(held.about_video) != _said(about):
        store = keep_videos(store, job.name, whole.vectors, whole.done, whole.frames, about)
    digest = store.manifest.embedded[f"{job.name}/video"].digest
    return Result(
        store.path,
        job.name,
        digest,
        len(store),
        int(whole.done.sum()),
        fresh,
        now,
        pairs.missing,
        about.bad,
        about.notes,
        pairs.unused,
        pairs.unmatched,
    )


def _placeless(job: VideoJob, rows: set[tuple[str, str]]) -> Rows:
    """In order, and without the folder of the videos: a store must not depend on where they lay."""
    return tuple(sorted((name, text.replace(f"{job.videos}/", "")) for name, text in rows))


def _said(about: AboutVideo) -> tuple[Rows, Rows]:
    return about.bad, about.notes


def _first(bad: Rows) -> str:
    return "".join(f"\n  {name}: {reason}" for name, reason in bad[:20])
