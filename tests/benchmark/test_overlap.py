"""Decoding overlaps encoding: with an encoder as slow as the decoder, both take little longer than one of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import make_store
from helpers.synthetic_video import write_video

from cli.workers import decoding_workers
from manifests.facts import encoder
from prep.embedding.job import LoadedEncoder, VideoJob
from prep.embedding.videos import embed_videos
from prep.progress import result as finish
from prep.store.read import open_store
from prep.video.request import FrameRequest

CLIPS, BATCH = 72, 4
WORK = np.zeros(4_000_000)  # large enough that numpy releases the interpreter lock, as a network does


class Slow:
    """An encoder that keeps one core busy for `seconds` per batch."""

    frames, size, width, weights = 0, 224, 16, "0" * 64

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def videos(self, frames: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        while time.perf_counter() - start < self.seconds:
            np.tanh(WORK, out=WORK)
        return np.ones((len(frames), self.width), np.float32)

    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        return np.ones((len(sentences), self.width), np.float32)


@pytest.mark.benchmark
def test_decoding_and_encoding_take_at_most_a_fifth_longer_than_the_slower(tmp_path: Path) -> None:
    one = write_video(tmp_path, "h264_mp4", 60, 640, 360)
    store = make_store(tmp_path / "s.zarr", clips_per_class=CLIPS // 24, frames=(3, 6))
    names = open_store(store).names
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in names:
        shutil.copy(one, videos / f"{name}_rgb.mp4")

    with decoding_workers(1) as workers:

        def seconds(slow: Slow, name: str) -> float:
            model = LoadedEncoder(encoder("tiny"), slow, "spinning", "float32")
            job = VideoJob(open_store(store), videos, model, FrameRequest(8, 224), name, BATCH)
            start = time.perf_counter()
            result = finish(embed_videos(job, workers))
            took = time.perf_counter() - start
            assert result.embedded == CLIPS
            return took

        seconds(Slow(0), "warm")  # starts the process and imports its libraries
        decoding = seconds(Slow(0), "decoding")
        pace = decoding / (CLIPS / BATCH)
        both = seconds(Slow(pace), "both")
    print(f"\ndecoding alone {decoding:.2f} s, with an encoder as slow {both:.2f} s: ratio {both / decoding:.2f}")
    assert both <= 1.2 * decoding
