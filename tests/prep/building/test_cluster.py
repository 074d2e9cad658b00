"""Building on a Dask cluster: workers may die, folders may be missing there, and the store is the same."""

from __future__ import annotations

import os
import pickle
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.dask_cluster import Cluster, until
from helpers.shell import Shell

from cli.workers import ClusterError, building_workers
from manifests.facts import dataset
from prep.building import build as building
from prep.building.build import build
from prep.building.job import Job
from prep.building.part import PartResult, PartTask, convert_part
from prep.clip import Source
from prep.demo.generate import generate
from prep.errors import PrepError
from prep.progress import result
from prep.store.manifest import BlockDigests
from prep.store.read import open_store


def part(folder: Path, clips: int = 128) -> PartTask:
    names = [f"S001C001P{index:03d}R001A001" for index in range(clips)]
    sources = tuple(Source(name, str(folder / f"{name}.skeleton"), "", 10**6, "1-" + "0" * 18) for name in names)
    return PartTask(str(folder), dataset("ntu120"), "ntu", "ctrgcn", sources)


def test_what_travels_is_small_and_plain(tmp_path: Path) -> None:
    task = pickle.dumps(part(tmp_path))
    print(f"a part of 128 clips travels as {len(task)} bytes")
    assert len(task) < 64_000
    assert b"__main__" not in task
    assert pickle.loads(task) == part(tmp_path)
    assert len(pickle.dumps(convert_part)) < 100


def test_a_worker_that_lacks_the_shared_folders_says_so(tmp_path: Path) -> None:
    here = part(tmp_path, 1)
    for gone in (replace(here, folder=str(tmp_path / "gone")), part(tmp_path / "gone", 1)):
        with pytest.raises(PrepError, match=r"gone: not found on .*, a worker\. Every machine must see the raw files"):
            convert_part(gone)
    assert not list(tmp_path.iterdir())


def test_a_worker_of_another_version_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(generate(tmp_path / "raw", 24, 0))
    monkeypatch.setattr(building, "convert_part", lambda part: PartResult("another", len(part.sources), 1, ()))
    with pytest.raises(PrepError, match="A worker runs another version of this program. Install the same one"):
        run(tmp_path, "s.zarr")


def test_what_a_killed_writer_left_is_no_part_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list(generate(tmp_path / "raw", 24, 0))
    run(tmp_path, "whole.zarr")
    assemble = building.assemble_block

    def leave(task: Any) -> BlockDigests:
        done = assemble(task)
        left = Path(task.store) / "joints/c/0/0/0/0.0123456789abcdef.partial"
        assert (left.parent / "0").exists()
        left.write_bytes(b"half")
        return done

    monkeypatch.setattr(building, "assemble_block", leave)
    run(tmp_path, "s.zarr")
    assert open_store(tmp_path / "s.zarr").files == open_store(tmp_path / "whole.zarr").files


def run(folder: Path, out: str) -> None:
    job = Job(dataset=dataset("demo"), preprocessing="agcn", raw=folder / "raw", out=folder / out)
    with building_workers(1) as workers:
        result(build(job, workers))


def test_dask_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"Dask: pip install 'fewshot-skeleton\[cluster\]"):
        cluster_of("tcp://127.0.0.1:1")


UNANSWERED = pytest.param("tcp://127.0.0.1:1", marks=pytest.mark.slow)


@pytest.mark.parametrize("address", ["nowhere", "http://x:y", UNANSWERED])
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(ClusterError, match=f"--scheduler {address}: no Dask scheduler answers there"):
        cluster_of(address)


def cluster_of(address: str) -> None:
    with building_workers(1, address) as found:
        assert found is None


def parts(out: Path) -> int:
    return len(list(out.with_name(out.name + ".building").glob("parts/*.npz")))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "raw"
    list(generate(folder, 1500, 0))
    return folder


@pytest.fixture(scope="module")
def local(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("local") / "s.zarr"
    assert Shell()(["fsprep", "build", "demo", "--raw", str(raw), "--out", str(out), "--workers", "1"]).exit_code == 0
    return open_store(out).digest


@pytest.mark.slow
def test_a_worker_killed_half_way_changes_nothing(cluster: Cluster, raw: Path, local: str, tmp_path: Path) -> None:
    first, _second = cluster.worker(), cluster.worker()
    cluster.ready(2)
    out = tmp_path / "s.zarr"
    built = cluster.fsprep("build", "demo", "--raw", raw, "--out", out)
    until(lambda: parts(out) >= 6)
    refused = Shell()(["fsprep", "build", "demo", "--raw", str(raw), "--out", str(out), "--workers", "1"])
    assert (refused.exit_code, "another command is writing here" in refused.stderr) == (2, True)
    first.kill()
    stdout, stderr = built.communicate(timeout=200)
    assert built.returncode == 0, stderr
    assert open_store(out).digest == local
    assert f"digest {local}" in stdout
    # Progress alone, where the machine is slow, and not a word of Dask's.
    assert [line for line in stderr.splitlines() if not line.startswith(("converting: ", "writing: "))] == []


@pytest.mark.slow
def test_workers_that_all_die_are_replaced(cluster: Cluster, raw: Path, local: str, tmp_path: Path) -> None:
    first = cluster.worker()
    cluster.ready(1)
    out = tmp_path / "s.zarr"
    built = cluster.fsprep("build", "demo", "--raw", raw, "--out", out)
    until(lambda: parts(out) >= 3)
    first.kill()
    first.wait()
    cluster.worker()
    _, stderr = built.communicate(timeout=200)
    assert built.returncode == 0, stderr
    assert open_store(out).digest == local


@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_build_which_then_goes_on(
    cluster: Cluster, raw: Path, local: str, tmp_path: Path
) -> None:
    cluster.worker()
    cluster.ready(1)
    out = tmp_path / "s.zarr"
    built = cluster.fsprep("build", "demo", "--raw", raw, "--out", out)
    until(lambda: parts(out) >= 3)
    cluster.scheduler.kill()
    _, stderr = built.communicate(timeout=200)
    assert built.returncode == 2
    assert "the scheduler is gone. Start one and run the same command; it continues." in stderr
    assert "Traceback" not in stderr, stderr
    line = ["fsprep", "build", "demo", "--raw", str(raw), "--out", str(out), "--workers", "1"]
    assert Shell()(line).exit_code == 0
    assert open_store(out).digest == local


@pytest.mark.slow
def test_a_task_that_ends_every_worker_is_given_up(cluster: Cluster) -> None:
    # Under a nanny, which starts a new worker each time.
    cluster.worker("--nanny")
    cluster.ready(1)
    with building_workers(1, cluster.address) as workers:
        assert workers.at_once == 1
        future: Future[None] = workers.executor.submit(os._exit, 9)
        assert isinstance(future.exception(timeout=200), workers.died)


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(cluster: Cluster) -> None:
    with pytest.raises(ClusterError, match="the cluster has no workers. Start some with `dask worker`"):
        cluster_of(cluster.address)
