"""Embedding in this process, to the end or stopped as a kill would."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prep.embedding.job import VideoJob
from prep.embedding.videos import Result, Workers, embed_videos

CLIPS = 40  # of the demo that the tests embed
Make = Callable[..., VideoJob]


def run(job: VideoJob) -> Result:
    with ThreadPoolExecutor(2) as pool:
        *_, result = embed_videos(job, Workers(pool, 2, (ChildProcessError,)))
    assert isinstance(result, Result)
    return result


def stop(job: VideoJob, after: int) -> None:
    """Leave after so many records."""
    with ThreadPoolExecutor(2) as pool:
        records = embed_videos(job, Workers(pool, 2, (ChildProcessError,)))
        for _ in range(after):
            assert not isinstance(next(records), Result)
        records.close()  # type: ignore[attr-defined]


def video(job: VideoJob, clip: int) -> Path:
    return job.videos / f"{job.store.names[clip]}_rgb.avi"
