"""A small demo dataset with videos, its store, and the tiny random encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.built import built
from helpers.embedding_runs import CLIPS, Make

from prep.demo.generate import generate
from prep.embedding.job import LoadedEncoder, VideoJob
from prep.encoders._encoder import encoder
from prep.store.read import open_store
from prep.video.request import FrameRequest


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw` (skeletons and videos) and `raw-agcn.zarr`."""
    home = tmp_path_factory.mktemp("demo")
    for _ in generate(home / "raw", CLIPS, videos=True):
        pass
    built("demo", home / "raw", preprocessing="agcn")
    return home


@pytest.fixture(scope="session")
def tiny() -> LoadedEncoder:
    kind = encoder("tiny")
    return LoadedEncoder(kind.facts, kind.load("", "cpu", "float32"), "random", "float32")


@pytest.fixture
def job(demo: Path, tiny: LoadedEncoder, tmp_path: Path) -> Make:
    """A job on a copy of the store, and of the videos where they are to be changed."""

    def make(folder: str = "a", own_videos: bool = False, **changed: object) -> VideoJob:
        place = tmp_path / folder
        if not place.exists():
            shutil.copytree(demo / "raw-agcn.zarr", place / "s.zarr")
            if own_videos:
                shutil.copytree(demo / "raw" / "nturgb+d_rgb", place / "videos")
        videos = place / "videos" if own_videos else demo / "raw"
        settings = {"wanted": FrameRequest(4, tiny.encoder.size), "name": "tiny", "batch": 8} | changed
        return VideoJob(open_store(place / "s.zarr"), videos, settings.pop("loaded", tiny), **settings)  # type: ignore[arg-type]

    return make
