"""Decoding on a Dask cluster: workers may die, and the vectors are the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.dask_cluster import Cluster, until
from helpers.shell import Shell

from prep.demo.generate import generate
from prep.store.read import open_store

CLIPS = 300


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_killed_half_way_changes_nothing(cluster: Cluster, tmp_path: Path) -> None:
    raw, here, there = tmp_path / "raw", tmp_path / "here.zarr", tmp_path / "there.zarr"
    list(generate(raw, CLIPS, 0, videos=True))
    fsprep = Shell()
    assert fsprep(["fsprep", "build", "demo", "--raw", str(raw), "--out", str(here)]).exit_code == 0
    shutil.copytree(here, there)
    embed = ["embed-videos", "--encoder", "tiny", "--videos", str(raw), "--store"]
    assert fsprep(["fsprep", *embed, str(here), "--workers", "2"]).exit_code == 0

    first, _second = cluster.worker(), cluster.worker()
    cluster.ready(2)
    embedding = cluster.fsprep(*embed, there)
    until(lambda: len(list(Path(f"{there}.embedding").glob("tiny/*.npz"))) >= 2)
    first.kill()
    stdout, stderr = embedding.communicate(timeout=300)
    assert embedding.returncode == 0, stderr
    assert f"{CLIPS} of {CLIPS} clips have a vector" in stdout
    assert stderr == ""
    assert open_store(there).manifest.embedded == open_store(here).manifest.embedded
