"""Building: resumed to the same digest, bad files listed, unfinished stores refused."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.build_jobs import built, job, run, write_raw

from manifests.facts import dataset
from manifests.split_file import split
from prep.building import build as building
from prep.building.build import BadFiles
from prep.building.job import Job
from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import result
from prep.readers import nw_ucla
from prep.store.read import open_store
from prep.untrusted.files import load_bytes
from prep.workers import Workers

pytestmark = pytest.mark.usefixtures("small_parts")


def test_a_build_holds_every_clip_in_the_order_of_names(raw: Path, tmp_path: Path) -> None:
    records = run(job(raw, tmp_path / "s.zarr"))
    store = open_store(tmp_path / "s.zarr")
    assert list(store.names) == sorted(path.stem for path in raw.iterdir())
    assert (records[-1].stage, records[-1].done) == ("writing", records[-1].total)
    assert not (tmp_path / "s.zarr.building").exists()
    for index, name in enumerate(store.names):
        expected = np.array(json.loads((raw / f"{name}.json").read_text())["skeletons"], np.float32)
        np.testing.assert_allclose(store.joints(*store.offsets[index : index + 2])[:, 0], expected, atol=1e-6)
    assert list(store.camera) == [1] * 60
    assert store.info.left_out == ()
    assert len(list(verify(store))) > 10


def test_the_digest_does_not_depend_on_workers_parts_or_place(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = built(job(raw, tmp_path / "one.zarr")).digest
    monkeypatch.setattr(building, "CLIPS_PER_PART", 100)
    run(job(raw, tmp_path / "deep" / "two.zarr"), ThreadPoolExecutor(3))
    assert open_store(tmp_path / "deep" / "two.zarr").digest == one


@pytest.mark.parametrize("stop", [1, 3, 8, 9])
def test_a_stopped_build_goes_on_where_it_was(
    raw: Path, tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = built(job(raw, tmp_path / "whole.zarr")).digest
    task = job(raw, tmp_path / "s.zarr")
    with ThreadPoolExecutor(1) as pool:
        stopped = building.build(task, Workers(pool, 1))
        for _ in range(stop):
            next(stopped)
        stopped.close()
    (task.working / "parts" / "half.npz.1.writing").write_bytes(b"half")
    read: list[str] = []
    recorded = replace(nw_ucla.FORMAT, load=lambda source: read.append(source.name) or load_bytes(source))
    monkeypatch.setattr(nw_ucla, "FORMAT", recorded)
    assert built(task).digest == whole
    assert len(read) <= 60 - 7 * min(stop, 8)


def test_bad_files_are_listed_and_the_rest_converted(raw: Path, tmp_path: Path) -> None:
    whole = built(job(raw, tmp_path / "whole.zarr")).digest
    broken = sorted(raw.iterdir())[11]
    good = broken.read_text()
    broken.write_text(good[: len(good) // 2])
    (raw / "notes.json").write_text("{}")
    task = job(raw, tmp_path / "s.zarr")
    with pytest.raises(BadFiles, match="2 bad; everything else is converted, the store is not finished") as raised:
        run(task)
    assert {name for name, _ in raised.value.bad} == {broken.stem, "notes"}
    report = json.loads(raised.value.report.read_text())
    assert report["clips"] == 59
    assert all(row["reason"] for row in report["bad"])
    assert not task.out.exists()
    broken.write_text(good)
    (raw / "notes.json").unlink()
    assert built(task).digest == whole


def test_bad_files_may_be_left_out_on_purpose(raw: Path, tmp_path: Path) -> None:
    broken = sorted(raw.iterdir())[11]
    broken.write_text("")
    store = built(job(raw, tmp_path / "s.zarr", allow_bad=True))
    assert len(store) == 59
    assert store.info.left_out[0][0] == broken.stem


def test_a_part_of_bad_files_only_leaves_no_gap(raw: Path, tmp_path: Path) -> None:
    for broken in sorted(raw.iterdir())[7:14]:
        broken.write_text("")
    store = built(job(raw, tmp_path / "s.zarr", allow_bad=True))
    assert (len(store), len(store.info.left_out)) == (53, 7)


def test_when_nothing_can_be_read_nothing_is_built(raw: Path, tmp_path: Path) -> None:
    for file in raw.iterdir():
        file.write_text("x")
    with pytest.raises(PrepError, match="no clip could be read"):
        run(job(raw, tmp_path / "s.zarr", allow_bad=True))


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"preprocessing": "ragn"}, "`ragn` is not a preprocessing for nw_ucla"),
        ({"subset": split("ntu_t")}, "subset ntu_t belongs to ntu120, not to nw_ucla"),
        ({"raw": Path("nowhere")}, "nowhere"),
    ],
)
def test_what_is_unknown_is_named(raw: Path, tmp_path: Path, task: dict[str, object], words: str) -> None:
    given = {"dataset": dataset("nw_ucla"), "preprocessing": "raw", "raw": raw, "out": tmp_path / "s.zarr", **task}
    with pytest.raises((PrepError, ValueError)) as raised:
        run(Job(**given))  # type: ignore[arg-type]
    assert words in str(raised.value)


def test_a_build_that_found_nothing_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PrepError, match="holds no"):
        run(job(tmp_path / "empty", tmp_path / "s.zarr"))
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_what_a_store_says_of_bad_files_does_not_depend_on_where_they_lay(tmp_path: Path) -> None:
    digests = []
    for place in ("here", "there"):
        folder = write_raw(tmp_path / place)
        (folder / "a01_s01_e00_v01.json").write_text("{")
        store = built(job(folder, tmp_path / f"{place}.zarr", allow_bad=True))
        assert not any(place in reason for _, reason in store.info.left_out)
        digests.append(store.digest)
    assert digests[0] == digests[1]


def test_slots_are_not_taken_where_bodies_have_ids(raw: Path, tmp_path: Path) -> None:
    task = Job(dataset=dataset("nw_ucla"), preprocessing="imported", raw=raw, out=tmp_path / "s.zarr")
    with pytest.raises(
        PrepError, match=r"selects bodies by slot, and nw_ucla identifies them by id. Take `--preprocessing raw`"
    ):
        run(task)


def test_two_builds_into_one_place_are_refused(raw: Path, tmp_path: Path) -> None:
    task = job(raw, tmp_path / "s.zarr")
    with ThreadPoolExecutor(1) as pool:
        first = building.build(task, Workers(pool, 1))
        next(first)
        with pytest.raises(PrepError, match="another command is writing here"):
            run(task)
        first.close()


def test_a_build_returns_the_digest_of_its_store(raw: Path, tmp_path: Path) -> None:
    task = job(raw, tmp_path / "s.zarr")
    with ThreadPoolExecutor(1) as pool:
        digest = result(building.build(task, Workers(pool, 1)))
    assert digest == open_store(task.out).digest


def test_steps_count_clips_and_bad_files(raw: Path, tmp_path: Path) -> None:
    sorted(raw.iterdir())[11].write_text("")
    steps = run(job(raw, tmp_path / "s.zarr", allow_bad=True))
    converting = [step for step in steps if step.stage == "converting"]
    assert (converting[-1].done, converting[-1].total, converting[-1].note) == (60, 60, "1 bad")
    assert converting[0].note == ""


def test_a_dataset_whose_name_no_store_may_have_is_refused(raw: Path, tmp_path: Path) -> None:
    task = replace(job(raw, tmp_path / "s.zarr"), dataset=replace(dataset("nw_ucla"), name="n" * 65))
    with pytest.raises(PrepError, match="a store's name has 1 to 64 letters"):
        run(task)


@pytest.mark.slow
def test_kill_nine_at_any_moment(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", clips=900, frames=60)
    whole = tmp_path / "whole.zarr"
    command = [
        sys.executable,
        "-c",
        "from cli.fsprep import main; main()",
        "build",
        "nw_ucla",
        "--preprocessing",
        "agcn",
    ]
    command += ["--raw", str(raw), "--workers", "2", "--out"]
    subprocess.run([*command, str(whole)], check=True, capture_output=True)
    target, killed = tmp_path / "s.zarr", 0
    for attempt in range(10):
        process = subprocess.Popen([*command, str(target)], stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=0.6 + 0.25 * attempt)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    subprocess.run([*command, str(target)], check=True, capture_output=True)
    assert killed >= 2
    assert open_store(target).digest == open_store(whole).digest


@pytest.mark.slow
def test_a_dask_cluster_builds_the_same_store(raw: Path, tmp_path: Path) -> None:
    from distributed import Client

    whole = built(job(raw, tmp_path / "whole.zarr")).digest
    with Client(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as client:
        list(building.build(job(raw, tmp_path / "s.zarr"), Workers(client.get_executor(), 2)))
    assert open_store(tmp_path / "s.zarr").digest == whole
