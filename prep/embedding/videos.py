"""Videos to vectors in a store: workers decode ahead, the encoder takes batch by batch; resumable.

`<store>.embedding/<name>/` holds finished chunks until all are complete; then the vectors are entered into the store.
All batches have the same size, with black frames for clips without a video, and the row of a clip depends only on the
store. So a vector is bit-identical whatever was wrong with other videos, and however often the work was stopped.
"""

from __future__ import annotations

import platform
import shutil
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from prep.embedding.chunk import Chunk, VideoVectors, read, split, write
from prep.embedding.job import VideoJob, as_stored
from prep.encoders._encoder import EncoderError
from prep.errors import PrepError
from prep.progress import Step, Work
from prep.store.embedding_key import EmbeddingPart, Rows, VideoMetadata, check_same, check_together
from prep.store.embeddings import Embedding, open_embedding
from prep.store.keep_embedding import check_name, keep_videos, locked_store
from prep.video.pairing import Pairs, pair
from prep.video.request import ClipVideo, DecodedClip, FrameRequest
from prep.video.worker import decode_clip
from prep.workers import Workers

ERRORS_SHOWN = 20


@dataclass(frozen=True)
class Result:
    """The outcome of embedding videos.

    `fresh` clips have a vector that they had not before, `now` clips were decoded in this run (the difference was kept
    from a stopped run). `missing` lists clips without a video. `unused` videos belong to no clip of the store, the
    names of `unmatched` videos fit no layout.
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


def embed_videos(job: VideoJob, workers: Workers) -> Work[Result]:
    """Embed every clip that has a video and no vector yet.

    The stage of a step, "decoding" or "encoding", is what was waited for; its note counts bad videos.
    Unreadable videos are listed in the result and the others are embedded. Raises KeyMismatch when the store holds
    other vectors under the name, PrepError when nothing can be embedded or the disk is full, EncoderError.
    """
    check_name(job.name)
    _check_frames(job)
    with locked_store(job.store) as (store, working):
        job = replace(job, store=store)
        former = _former(job)
        pairs = pair(store, job.videos)
        vectors = _start(job, former)
        remaining = [clip for clip in pairs.clips if not vectors.done[clip.clip]]
        folder = working / job.name
        folder.mkdir(exist_ok=True)
        chunks = list(split(job, folder, remaining))
        now = sum(len(chunk.clips) for chunk in chunks if not chunk.complete)
        yield from _compute(job, chunks, workers, len(remaining))
        fresh = sum(vectors.add(chunk) for chunk in chunks)
        metadata = _metadata(job, vectors, pairs)
        if fresh or not _is_stored(metadata, former):
            store = keep_videos(store, job.name, vectors.vectors, vectors.done, vectors.frames, metadata)
        shutil.rmtree(folder)
    return Result(
        store=store.path,
        name=job.name,
        digest=store.manifest.embedded[str(EmbeddingPart(job.name, "video"))].digest,
        clips=len(store),
        embedded=int(vectors.done.sum()),
        fresh=fresh,
        now=now,
        missing=pairs.missing,
        bad=metadata.bad,
        notes=metadata.notes,
        unused=pairs.unused,
        unmatched=pairs.unmatched,
    )


def _check_frames(job: VideoJob) -> None:
    count = job.loaded.encoder.frames
    if count and count != job.wanted.frames:
        rule = f"these weights take exactly {count} frames, {job.wanted.frames} were asked for"
        raise EncoderError(f"{job.loaded.weights_name}: {rule}. Take --frames {count}, or other weights.")


def _former(job: VideoJob) -> Embedding | None:
    """The embedding that the store holds under this name and that is continued. Raises KeyMismatch if it cannot be."""
    if job.name not in job.store.embeddings:
        return None
    former, where = open_embedding(job.store, job.name), f"{job.store.path}: videos of `{job.name}`"
    if job.replace:
        former = replace(former, video_metadata=None)
    if former.video_metadata:
        check_same(former.video_metadata.key, job.key, where)
    if former.text_metadata:
        check_together(job.key, former.text_metadata.key, where)
    return former


def _start(job: VideoJob, former: Embedding | None) -> VideoVectors:
    """The vectors that the store holds already."""
    if former is None or former.video_metadata is None:
        return VideoVectors.empty(len(job.store), job.loaded.encoder.width, job.stored)
    notes = list(former.video_metadata.notes)
    return VideoVectors(former.video.copy(), former.done.copy(), former.frames.copy(), [], notes)


def _compute(job: VideoJob, chunks: Sequence[Chunk], workers: Workers, total: int) -> Iterator[Step]:
    """Compute and write the chunks that are not complete."""
    complete = [chunk for chunk in chunks if chunk.complete]
    missing = [chunk for chunk in chunks if not chunk.complete]
    done = sum(len(chunk.clips) for chunk in complete)
    bad = sum(len(read(chunk).bad) for chunk in complete)
    decoding = decode_ahead([clip for chunk in missing for clip in chunk.clips], job.wanted, workers, job.batch)
    try:
        for chunk in missing:
            rows = VideoVectors.empty(chunk.stop - chunk.first, job.loaded.encoder.width, job.stored)
            for clips in _batches(chunk, job.batch):
                decoded = [next(decoding) for _ in clips]
                done, bad = done + len(decoded), bad + sum(video.frames is None for video in decoded)
                note = f"{bad} bad" if bad else ""
                yield Step(done, total, "decoding", note)
                _encode(job, chunk, clips, decoded, rows)
                yield Step(done, total, "encoding", note)
            write(chunk, rows)
    finally:
        decoding.close()


def _batches(chunk: Chunk, size: int) -> Iterator[list[ClipVideo]]:
    """The clips of each batch that is not empty."""
    by_batch: dict[int, list[ClipVideo]] = {}
    for clip in chunk.clips:
        by_batch.setdefault((clip.clip - chunk.first) // size, []).append(clip)
    yield from by_batch.values()


def _encode(
    job: VideoJob, chunk: Chunk, clips: list[ClipVideo], decoded: list[DecodedClip], rows: VideoVectors
) -> None:
    """Write the vectors, frame counts and errors of one batch into the rows of its chunk."""
    row_of = {clip.clip: clip.clip - chunk.first for clip in clips}
    start = min(row_of.values()) // job.batch * job.batch
    frames = np.zeros((job.batch, job.wanted.frames, job.wanted.size, job.wanted.size, 3), np.uint8)
    for clip, video in zip(clips, decoded, strict=True):
        row = row_of[clip.clip]
        rows.frames[row] = video.frame_count
        rows.notes += [(clip.name, note) for note in video.notes]
        if video.frames is None:
            rows.bad.append((clip.name, video.reason))
        else:
            frames[row - start] = video.frames
            rows.done[row] = True
    if all(video.frames is None for video in decoded):
        return
    vectors = job.loaded.encoder.videos(frames)
    stop = min(start + job.batch, len(rows.done))
    done = rows.done[start:stop]
    rows.vectors[start:stop][done] = as_stored(vectors[: stop - start][done], job.stored)


def decode_ahead(
    clips: Sequence[ClipVideo], wanted: FrameRequest, workers: Workers, batch: int
) -> Generator[DecodedClip, None, None]:
    """The decoded video of each clip, in order, with a bounded number decoded ahead."""
    ahead = 2 * (workers.at_once + batch)
    submitted: deque[tuple[ClipVideo, Future[DecodedClip]]] = deque()
    waiting = iter(clips)
    try:
        while True:
            while len(submitted) < ahead and (clip := next(waiting, None)) is not None:
                submitted.append((clip, workers.executor.submit(work, clip, wanted)))
            if not submitted:
                return
            yield _result(*submitted.popleft(), workers)
    finally:
        for _, future in submitted:
            future.cancel()


def _result(clip: ClipVideo, future: Future[DecodedClip], workers: Workers) -> DecodedClip:
    where = clip.video.sources[0].path
    try:
        return future.result()
    except workers.died:
        reason = f"{where}: its decoder crashed, twice. The file is damaged, or hostile; fetch it again."
    except workers.timed_out:
        rule = f"decoding took longer than {workers.timeout:g} s"
        reason = f"{where}: {rule}. Fetch it again, or allow more with --timeout."
    return DecodedClip(clip.clip, None, reason)


def work(clip: ClipVideo, wanted: FrameRequest) -> DecodedClip:
    """Task of a worker: the frames of one clip. Raises PrepError on a machine that cannot read the videos."""
    for folder in {Path(source.path).parent for source in clip.video.sources}:
        if not folder.is_dir():
            rule = "Every machine must see the videos at the same paths"
            raise PrepError(f"{folder}: not found on {platform.node()}, a worker. {rule}.")
    return decode_clip(clip, wanted)


def _metadata(job: VideoJob, vectors: VideoVectors, pairs: Pairs) -> VideoMetadata:
    """The metadata of the vectors. Raises PrepError if there are none."""
    metadata = job.metadata(_lines(job, {*vectors.bad, *pairs.bad}), _lines(job, set(vectors.notes)))
    if not vectors.done.any():
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in metadata.bad[:ERRORS_SHOWN])
        raise PrepError(f"{job.videos}: no video could be embedded.{reasons}")
    return metadata


def _is_stored(metadata: VideoMetadata, former: Embedding | None) -> bool:
    """Whether the store holds these errors and remarks already."""
    stored = former.video_metadata if former else None
    return stored is not None and (stored.bad, stored.notes) == (metadata.bad, metadata.notes)


def _lines(job: VideoJob, lines: set[tuple[str, str]]) -> Rows:
    """In order and without the folder of the videos, on which the digest must not depend."""
    return tuple(sorted((name, text.replace(f"{job.videos}/", "")) for name, text in lines))
