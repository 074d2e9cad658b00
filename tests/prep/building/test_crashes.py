"""A file that ends its worker process is a row of the report; every other clip is converted."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from helpers.build_jobs import built, job, run, write_raw
from helpers.dask_cluster import Cluster

from cli.process_pool import WorkerDied
from cli.workers import building_workers
from prep.building import build as building
from prep.building.build import BadFiles
from prep.building.part import PartResult, PartTask, convert_part
from prep.errors import PrepError
from prep.progress import result
from prep.store.read import open_store

CRASHES = "a02_s01_e00_v01"


class Crashing(Executor):
    """Runs tasks at once; one with a clip whose name satisfies `ends` ends its worker."""

    def __init__(self, ends: Callable[[str], bool]) -> None:
        self.ends, self.sizes = ends, list[int]()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        task = args[0]
        sources = task.sources if isinstance(task, PartTask) else ()
        if sources:
            self.sizes.append(len(sources))
        if any(self.ends(source.name) for source in sources):
            future.set_exception(WorkerDied())
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_file_that_ends_its_worker_is_found_by_halving(raw: Path, tmp_path: Path) -> None:
    name = sorted(raw.iterdir())[23].stem
    workers = Crashing(lambda clip: clip == name)
    with pytest.raises(BadFiles) as error:
        run(job(raw, tmp_path / "s.zarr"), workers, WorkerDied)
    assert [row[0] for row in error.value.bad] == [name]
    assert f"{name}.json: its worker process ended in every attempt" in error.value.bad[0][1]
    assert sorted(workers.sizes, reverse=True) == [60, 30, 30, 15, 15, 8, 7, 4, 4, 2, 2, 1, 1]


def test_the_others_are_converted_and_stay_in_order(raw: Path, tmp_path: Path) -> None:
    whole, crashing = built(job(raw, tmp_path / "whole.zarr")), sorted(path.stem for path in raw.iterdir())[::17]
    run(job(raw, tmp_path / "s.zarr", allow_bad=True), Crashing(crashing.__contains__), WorkerDied)
    store = open_store(tmp_path / "s.zarr")
    assert list(store.names) == [name for name in whole.names if name not in crashing]
    assert [row[0] for row in store.info.left_out] == crashing
    for index, name in enumerate(store.names):
        there = list(whole.names).index(name)
        ours, theirs = store.joints(*store.offsets[index : index + 2]), whole.joints(*whole.offsets[there : there + 2])
        assert ours.tobytes() == theirs.tobytes()


def test_many_crashes_are_the_fault_of_the_machine(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(
        PrepError, match=r"a\d\d_s\d\d_e00_v01 and 20 others: each ended its worker process\. .* memory"
    ):
        run(job(raw, tmp_path / "s.zarr"), Crashing(lambda clip: True), WorkerDied)


def test_a_worker_that_ends_while_the_store_is_written_is_explained(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(task: object) -> None:
        raise WorkerDied

    monkeypatch.setattr(building, "assemble_block", end)
    with pytest.raises(PrepError, match=r"a worker process ended while it wrote the store.* fewer --workers"):
        run(job(raw, tmp_path / "s.zarr"), None, WorkerDied)


@pytest.mark.slow
def test_real_processes_that_end(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "convert_part", _crash)
    with building_workers(2) as workers, pytest.raises(BadFiles) as error:
        result(building.build(job(raw, tmp_path / "s.zarr"), workers))
    assert [row[0] for row in error.value.bad] == [CRASHES]


@pytest.mark.slow
def test_processes_of_a_cluster_that_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "convert_part", _crash)
    small = job(write_raw(tmp_path / "raw", clips=4), tmp_path / "s.zarr")
    cluster = Cluster(tmp_path)
    try:
        cluster.worker("--nanny")  # which starts a new worker each time
        cluster.ready(1)
        with building_workers(1, cluster.address) as workers, pytest.raises(BadFiles) as error:
            result(building.build(small, workers))
    finally:
        cluster.end()
    assert [row[0] for row in error.value.bad] == [CRASHES]


def _crash(part: PartTask) -> PartResult:
    if any(source.name == CRASHES for source in part.sources):
        os.kill(os.getpid(), signal.SIGSEGV)
    return convert_part(part)
