"""Merging: the digest of one build, every clip once, conflicts refused, nothing half-written under the final name."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import info, write_clips

from manifests.facts import dataset
from prep.building.build import build
from prep.building.job import Job
from prep.curate import merge as merging
from prep.curate.merge import merge
from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import Step, result
from prep.store import runs
from prep.store.frames import joined
from prep.store.info import StoreInfo
from prep.store.read import open_store
from prep.workers import Workers

ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)


def write_raw(folder: Path, views: range = range(1, 4)) -> Path:
    """NW-UCLA files with synthetic joints, 20 for each view."""
    folder.mkdir(parents=True)
    for view in views:
        for index in range(20):
            name = f"a{ACTIONS[index % 10]:02d}_s{index // 10:02d}_e00_v{view:02d}"
            joints = np.random.default_rng(100 * view + index).standard_normal((5 + index % 7, 20, 3)).round(4)
            clip = {"file_name": name, "skeletons": joints.tolist(), "label": index % 10 + 1}
            (folder / f"{name}.json").write_text(json.dumps(clip))
    return folder


def built(raw: Path, out: Path) -> Path:
    with ThreadPoolExecutor(1) as pool:
        job = Job(dataset=dataset("nw_ucla"), preprocessing="ctrgcn", raw=raw, out=out)
        list(build(job, Workers(pool, 1)))
    return out


def merged_by(stores: list[Path], out: Path) -> bool:
    return result(merge([open_store(store) for store in stores], out))


def joints_of(name: str, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *name.encode()]).standard_normal((6, 1, 20, 3)).astype("f4")


def store(path: Path, names: list[str], facts: StoreInfo | None = None, seed: int = 0, **more: Sequence[float]) -> Path:
    clips = [joints_of(name, seed) for name in names]
    return write_clips(path, facts or info("nw_ucla"), names, [int(name[1:3]) - 1 for name in names], clips, **more)


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    return [built(write_raw(tmp_path / f"raw{v}", range(v, v + 1)), tmp_path / f"{v}.zarr") for v in (1, 2, 3)]


def test_camera_folders_merge_to_the_digest_of_one_build(three: list[Path], tmp_path: Path) -> None:
    whole = open_store(built(write_raw(tmp_path / "raw"), tmp_path / "whole.zarr"))
    merged_by(three[::-1], tmp_path / "merged.zarr")
    merged = open_store(tmp_path / "merged.zarr")
    assert merged.digest == whole.digest
    assert merged.names == whole.names
    assert merged.info.made_from == tuple(sorted(open_store(path).digest for path in three))
    assert len(list(verify(merged))) > 10
    assert not (tmp_path / "merged.zarr.merging").exists()
    merged_by([tmp_path / "merged.zarr", three[0]], tmp_path / "again.zarr")
    assert open_store(tmp_path / "again.zarr").digest == whole.digest


@pytest.mark.parametrize("name", ["origin", "to_recorded"])
def test_clips_that_were_moved_otherwise_are_not_the_same(tmp_path: Path, name: str) -> None:
    clip = "a01_s01_e00_v01"
    moved = {"origin": np.full((6, 3), 2, np.float32), "to_recorded": np.full((1, 3, 3), 2, np.float32)}
    stores = [store(tmp_path / "a.zarr", [clip]), store(tmp_path / "b.zarr", [clip], **{name: moved[name]})]
    with pytest.raises(PrepError, match=f"clips with the same name differ between the stores: {clip}"):
        merged_by(stores, tmp_path / "c.zarr")


def test_blocks_are_cut_across_clips(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    merged_by(three, tmp_path / "one.zarr")
    expected = open_store(tmp_path / "one.zarr")
    pieces = []
    monkeypatch.setattr(merging, "BLOCK", 50)
    monkeypatch.setattr(runs, "BLOCK", 20)
    offsets, stores = expected.offsets, [open_store(path) for path in three]
    copies = merging._by_name(stores)
    clips = [copies[name][0] for name in sorted(copies)]
    for index in range(-(-expected.frames // 50)):
        pieces.append(merging._block(stores, clips, offsets, index))
        assert len(pieces[-1]) <= 50
    merged = joined(pieces)
    np.testing.assert_array_equal(merged.joints, expected.joints())
    np.testing.assert_array_equal(merged.body_mask, expected.body_mask)
    np.testing.assert_array_equal(merged.origin, expected.origin())


def test_frame_ranges_and_boxes_are_kept(tmp_path: Path) -> None:
    ranges = {"start": [0, 30], "stop": [30, 60], "left": [0.25, -1], "top": [0.5, -1], "right": [1, -1]}
    one = store(tmp_path / "a.zarr", ["a01_s01_e00_v01", "a03_s01_e00_v01"], **ranges)
    two = store(tmp_path / "b.zarr", ["a02_s01_e00_v01"], start=[7], stop=[9], left=[0.125], bottom=[0.75])
    merged_by([one, two], tmp_path / "merged.zarr")
    merged = open_store(tmp_path / "merged.zarr")
    assert (merged.start.tolist(), merged.stop.tolist()) == ([0, 7, 30], [30, 9, 60])
    assert merged.box.tolist() == [[0.25, 0.5, 1, 0], [0.125, 0, 0, 0.75], [-1, -1, -1, 0]]


def test_clips_with_other_frame_ranges_are_not_identical(tmp_path: Path) -> None:
    one = store(tmp_path / "a.zarr", ["a01_s01_e00_v01"], stop=[30])
    with pytest.raises(PrepError, match="clips with the same name differ between the stores: a01_s01_e00_v01"):
        merged_by([one, store(tmp_path / "b.zarr", ["a01_s01_e00_v01"], stop=[31])], tmp_path / "merged.zarr")


def test_identical_clips_are_stored_once(tmp_path: Path) -> None:
    a = store(tmp_path / "a.zarr", ["a01_x", "a02_x"])
    b = store(tmp_path / "b.zarr", ["a02_x", "a03_x"])
    steps = list(merge([open_store(a), open_store(b)], tmp_path / "c.zarr"))
    assert steps[0] == Step(1, 1, "comparing")
    assert open_store(tmp_path / "c.zarr").names == ("a01_x", "a02_x", "a03_x")


def altered_joints(path: Path) -> Path:
    """The same clips by name and by raw bytes, and other joints."""
    clips = [joints_of("a02_x"), joints_of("a03_x")]
    names, source = ["a02_x", "a03_x"], open_store(store(path.with_name("like.zarr"), ["a02_x", "a03_x"])).source
    clips[0][5, 0, 19, 2] += 1
    made = write_clips(path, info("nw_ucla"), names, [1, 2], clips, source=source)
    assert (open_store(made).source == source).all()
    return made


@pytest.mark.parametrize(
    "other",
    [
        altered_joints,
        lambda path: store(path, ["a02_x", "a03_x"], seed=1),
        lambda path: store(path, ["a02_x", "a03_x"], subject=[7, 0]),
    ],
    ids=["joints", "raw bytes", "subject"],
)
def test_clips_with_the_same_name_that_differ_are_refused(tmp_path: Path, other: Callable[[Path], Path]) -> None:
    a, b = store(tmp_path / "a.zarr", ["a01_x", "a02_x"]), other(tmp_path / "b.zarr")
    with pytest.raises(PrepError, match=r"differ between the stores: a02_x\. `fsprep diff` shows the differences"):
        merged_by([a, b], tmp_path / "c.zarr")
    assert not (tmp_path / "c.zarr").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"preprocessing": "raw"},
            "preprocessing is 'agcn' in .*a.zarr and 'raw' in .*b.zarr. Only stores with the same value",
        ),
        ({"preprocessing_version": 2}, "preprocessing_version is 1 in"),
        ({"dataset": "ntu60"}, "dataset is"),
        ({"classes": tuple("abcdefghij")}, "classes is"),
        ({"unit": "foot"}, "unit is"),
        ({"options": {"end": "exclusive"}}, "options is"),
    ],
)
def test_facts_must_agree(tmp_path: Path, change: dict[str, object], words: str) -> None:
    a = store(tmp_path / "a.zarr", ["a01_x"])
    b = store(tmp_path / "b.zarr", ["a02_x"], replace(info("nw_ucla"), **change))
    with pytest.raises(PrepError, match=words):
        merged_by([a, b], tmp_path / "c.zarr")


def test_left_out_clips_are_listed_unless_another_store_has_them(tmp_path: Path) -> None:
    bad = (("a02_x", "truncated"), ("a09_x", "no label"))
    a = store(tmp_path / "a.zarr", ["a01_x"], replace(info("nw_ucla"), left_out=bad, notes=(("y", "odd"),)))
    b = store(tmp_path / "b.zarr", ["a02_x"], replace(info("nw_ucla"), left_out=bad[1:], notes=(("x", "odd"),)))
    merged_by([a, b], tmp_path / "c.zarr")
    merged = open_store(tmp_path / "c.zarr").info
    assert merged.left_out == (("a09_x", "no label"),)
    assert merged.notes == (("x", "odd"), ("y", "odd"))


def test_a_merge_that_was_stopped_begins_again(three: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "c.zarr"
    steps = merge([open_store(path) for path in three], out)
    assert next(steps).stage == "writing"
    steps.close()
    assert not out.exists()
    assert (tmp_path / "c.zarr.merging" / "store").exists()
    merged_by(three, out)
    assert len(open_store(out)) == 60


def test_two_merges_into_one_store(three: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "c.zarr"
    steps = merge([open_store(path) for path in three], out)
    next(steps)
    with pytest.raises(PrepError, match=r"c.zarr.merging: another command is writing here, process .*Wait for it"):
        merged_by(three, out)
    assert result(steps)


def test_a_finished_merge_is_already_there(three: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "c.zarr"
    assert merged_by(three, out)
    before = (out / "manifest.json").read_bytes()
    assert not merged_by(three, out)
    assert not merged_by(three[::-1], out)
    # A kill between the last rename and the removal of the working folder.
    (tmp_path / "c.zarr.merging").mkdir()
    (tmp_path / "c.zarr.merging" / "lock").touch()
    assert not merged_by(three, out)
    assert not (tmp_path / "c.zarr.merging").exists()
    assert (out / "manifest.json").read_bytes() == before
    rule = "exists, and is not the merge of these stores as they are now. Choose another --out, or delete it"
    with pytest.raises(PrepError, match=rule):
        merged_by(three[:2], out)
    with pytest.raises(PrepError, match=rule):
        merged_by(three, tmp_path / "raw1")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*_: object) -> None:
        raise OSError(code, "no space")

    monkeypatch.setattr(merging, "write_block", full)
    with pytest.raises(PrepError, match="the disk is full, or a size limit was reached. Free some space"):
        merged_by(three, tmp_path / "c.zarr")
    assert not (tmp_path / "c.zarr").exists()


@pytest.mark.parametrize(("code", "words"), [(errno.EFBIG, "a size limit was reached"), (errno.EROFS, "Read-only")])
def test_other_limits_of_the_disk(
    three: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    def refused(*_: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(merging, "create", refused)
    with pytest.raises(PrepError, match=words):
        merged_by(three, tmp_path / "c.zarr")
    assert not (tmp_path / "c.zarr").exists()
