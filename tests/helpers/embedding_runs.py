"""Embedding in this process, to the end or stopped as a kill would."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prep.embedding.job import VideoJob
from prep.embedding.videos import Result, embed_videos
from prep.progress import result
from prep.workers import Workers

CLIPS = 40  # of the demo that the tests embed
Make = Callable[..., VideoJob]


def run(job: VideoJob) -> Result:
    """Embed to the end."""
    with ThreadPoolExecutor(2) as pool:
        return result(embed_videos(job, Workers(pool, 2, (ChildProcessError,))))


def stop(job: VideoJob, after: int) -> None:
    """Stop after so many steps."""
    with ThreadPoolExecutor(2) as pool:
        work = embed_videos(job, Workers(pool, 2, (ChildProcessError,)))
        for _ in range(after):
            next(work)
        work.close()


def video(job: VideoJob, clip: int) -> Path:
    """The file of a clip's video."""
    return job.videos / f"{job.store.names[clip]}_rgb.avi"
