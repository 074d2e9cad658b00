"""Decoding runs ahead of encoding: with an encoder as slow as the decoder, both together take little more than one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import make_store
from helpers.synthetic_video import invent

from cli.workers import sturdy_executor
from manifests.facts import encoder
from prep.embedding.job import Model, VideoJob
from prep.embedding.videos import Result, Workers, embed_videos
from prep.store.read import open_store
from prep.video.request import Wanted

CLIPS, BATCH = 72, 4
WORK = np.zeros(4_000_000)  # large enough that numpy leaves the interpreter to others meanwhile, as a network does


class Slow:
    """An encoder that keeps one core busy for `seconds` per batch."""

    frames, size, width, weights = 0, 224, 16, "0" * 64

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def videos(self, pictures: np.ndarray) -> np.ndarray:
        begun = time.perf_counter()
        while time.perf_counter() - begun < self.seconds:
            np.tanh(WORK, out=WORK)
        return np.ones((len(pictures), self.width), np.float32)

    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        return np.ones((len(sentences), self.width), np.float32)


@pytest.mark.benchmark
def test_both_together_take_at_most_a_fifth_more_than_the_slower(tmp_path: Path) -> None:
    one = invent(tmp_path, "h264_mp4", 60, 640, 360)
    store = make_store(tmp_path / "s.zarr", clips_per_class=CLIPS // 24, frames=(3, 6))
    names = open_store(store).names
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in names:
        shutil.copy(one, videos / f"{name}_rgb.mp4")

    with sturdy_executor(1) as (pool, at_once, died):

        def seconds(slow: Slow, name: str) -> float:
            model = Model(encoder("tiny"), slow, "spinning", "float32")
            job = VideoJob(open_store(store), videos, model, Wanted(8, 224), name, BATCH)
            begun = time.perf_counter()
            *_, result = embed_videos(job, Workers(pool, at_once, died))
            took = time.perf_counter() - begun
            assert isinstance(result, Result)
            assert result.embedded == CLIPS
            return took

        seconds(Slow(0), "warm")  # the process is there and has its libraries before the clock counts
        decoding = seconds(Slow(0), "decoding")
        pace = decoding / (CLIPS / BATCH)
        both = seconds(Slow(pace), "both")
    print(f"\ndecoding alone {decoding:.2f} s, with an encoder made as slow {both:.2f} s")
    assert both <= 1.2 * decoding
