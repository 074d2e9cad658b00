"""Differences between two stores: each kind alone, in any order of clips, in pieces and at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import embed, info, make_store, write_clips

from manifests.facts import layout
from prep.curate.diff import Difference, difference
from prep.progress import Step
from prep.store import runs
from prep.store.info import StoreInfo
from prep.store.read import Store, open_store

NAMES = [f"a01_s{subject:02d}_e00_v01" for subject in range(6)]


def clips(seed: int = 0, bodies: int = 1, joints: int = 20) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, bodies, joints, 3)).astype(np.float32) for length in (4, 7, 1, 0, 9, 5)]


def write(path: Path, facts: StoreInfo | None = None, order: list[int] | None = None, **more: object) -> Path:
    order = order or list(range(6))
    given = {"names": NAMES, "labels": [0, 1, 2, 3, 4, 5], "clips": clips(), **more}
    rows = {key: [value[i] for i in order] for key, value in given.items()}
    return write_clips(path, facts or info("nw_ucla"), rows.pop("names"), rows.pop("labels"), rows.pop("clips"), **rows)


def diff(a: Path, b: Path) -> Difference:
    work, steps = difference(open_store(a), open_store(b)), []
    while True:
        try:
            steps.append(next(work))
        except StopIteration as stop:
            compared: Difference = stop.value
            break
    assert not steps or steps[-1] == Step(compared.compared, compared.compared)
    return compared


@pytest.fixture
def a(tmp_path: Path) -> Path:
    return write(tmp_path / "a.zarr")


def test_a_store_is_the_same_as_itself(a: Path) -> None:
    compared = diff(a, a)
    assert compared.same
    assert (compared.both, compared.compared, compared.same_joints) == (6, 6, 6)
    assert (compared.largest, compared.mean, compared.facts, compared.columns) == (0, 0, (), ())


def test_order_and_provenance_are_no_content(a: Path, tmp_path: Path) -> None:
    facts = replace(info("nw_ucla"), software="another 9.9", made_from=("0" * 64,), source_digest="1" * 64)
    compared = diff(a, write(tmp_path / "b.zarr", facts, order=[3, 0, 5, 4, 1, 2]))
    assert compared.same
    assert not compared.order
    assert [(fact.name, fact.content) for fact in compared.facts] == [("software", False), ("made_from", False)]


def test_distances_of_joints(a: Path, tmp_path: Path) -> None:
    moved = clips()
    moved[1][3, 0, 5, 2] += 0.5
    moved[4] = moved[4] + np.float32(0.25)
    compared = diff(a, write(tmp_path / "b.zarr", clips=moved))
    assert not compared.same
    gaps = [(gap.name, gap.largest, gap.mean) for gap in compared.gaps]
    assert gaps[0][:2] == (NAMES[1], pytest.approx(0.5))
    assert gaps[0][2] == pytest.approx(0.5 / (7 * 60))
    assert gaps[1] == (NAMES[4], pytest.approx(0.25, rel=1e-5), pytest.approx(0.25, rel=1e-5))
    assert (compared.same_joints, compared.compared, compared.largest) == (4, 6, gaps[0][1])
    assert compared.mean == pytest.approx((0.5 + 0.25 * 9 * 60) / (26 * 60), rel=1e-5)
    raw = next(column for column in compared.columns if column.name.startswith("raw bytes"))
    assert [name for name, *_ in raw.clips] == [NAMES[1], NAMES[4]]


def test_clips_labels_and_columns(a: Path, tmp_path: Path) -> None:
    names = [*NAMES[:5], "a09_s01_e00_v01"]
    labels, subject = [0, 1, 7, 3, 4, 5], [0, 0, 0, 0, 3, 0]
    compared = diff(a, write(tmp_path / "b.zarr", names=names, labels=labels, subject=subject))
    assert (compared.only_a, compared.only_b, compared.both) == ((NAMES[5],), ("a09_s01_e00_v01",), 5)
    classes = open_store(a).info.classes
    assert {column.name: column.clips for column in compared.columns} == {
        "label": ((NAMES[2], classes[2], classes[7]),),
        "subject": ((NAMES[4], "0", "3"),),
    }


def test_frame_ranges_and_boxes_are_compared(a: Path, tmp_path: Path) -> None:
    b = write(tmp_path / "b.zarr", start=[0, 0, 9, 0, 0, 0], left=[0, 0.25, 0, 0, 0, -1])
    compared = diff(a, b)
    assert not compared.same
    columns = {column.name: column.clips for column in compared.columns}
    assert columns["start"] == ((NAMES[2], "0", "9"),)
    assert columns["left"] == ((NAMES[1], "0.0", "0.25"), (NAMES[5], "0.0", "-1.0"))


def test_embeddings_are_listed_and_are_no_content(a: Path, tmp_path: Path) -> None:
    b = write(tmp_path / "b.zarr")
    one, other = embed(a), embed(b)
    assert diff(a, b).facts == ()
    embed(a, name="mine")
    other = embed(b, seed=1)
    compared = diff(a, b)
    assert compared.same

    def short(store: Store, unit: str) -> str:
        return f"digest {store.manifest.embedded[unit].digest[:12]}"

    mine = open_store(a)
    assert [(fact.name, fact.a, fact.b, fact.content) for fact in compared.facts] == [
        ("embedding mine/text", short(mine, "mine/text"), "none", False),
        ("embedding mine/video", short(mine, "mine/video"), "none", False),
        ("embedding xclip/text", short(one, "xclip/text"), short(other, "xclip/text"), False),
        ("embedding xclip/video", short(one, "xclip/video"), short(other, "xclip/video"), False),
    ]
    assert [fact.a for fact in diff(b, a).facts][:2] == ["none", "none"]


def test_clips_of_other_lengths_are_not_compared(a: Path, tmp_path: Path) -> None:
    cut = clips()
    cut[0] = cut[0][:3]
    compared = diff(a, write(tmp_path / "b.zarr", clips=cut))
    assert (compared.both, compared.compared, compared.gaps) == (6, 5, ())
    assert compared.columns[0].clips == ((NAMES[0], "4", "3"),)
    assert not compared.same


def test_facts_as_text(a: Path, tmp_path: Path) -> None:
    facts = info("nw_ucla", preprocessing="ctrgcn")
    facts = replace(facts, preprocessing_version=2, classes=(*facts.classes, "dance"), options={"end": "exclusive"})
    compared = {fact.name: (fact.a, fact.b) for fact in diff(a, write(tmp_path / "b.zarr", facts)).facts}
    assert compared == {
        "preprocessing": ("agcn", "ctrgcn"),
        "preprocessing_version": ("1", "2"),
        "classes": ("[]", "['dance']"),
        "options": ("{}", "{'end': 'exclusive'}"),
    }


def test_other_bodies_and_masks(a: Path, tmp_path: Path) -> None:
    doubled = [np.concatenate([clip, clip], axis=1) for clip in clips()]
    compared = diff(a, write(tmp_path / "b.zarr", clips=doubled))
    assert compared.overlap.startswith("of (M, V, C) = (1, 20, 3) and (2, 20, 3) the first 1 bodies, 20 joints")
    assert (compared.same_joints, compared.largest, compared.same) == (6, 0, False)
    absent = [clip.any(axis=(2, 3)) for clip in clips()]
    absent[4] = absent[4] & False
    compared = diff(a, write(tmp_path / "c.zarr", masks=absent))
    assert [(gap.name, gap.largest, gap.mask) for gap in compared.gaps] == [(NAMES[4], 0, True)]


def test_another_way_back_to_recorded_coordinates(a: Path, tmp_path: Path) -> None:
    frames, clips_there = sum(map(len, clips())), 6
    origin, linear = np.zeros((frames, 3), np.float32), np.tile(np.eye(3, dtype=np.float32), (clips_there, 1, 1))
    origin[5, 1] = 2
    linear[4, 0, 0] = np.nextafter(np.float32(1), np.float32(2))
    compared = diff(a, write_clips(tmp_path / "b.zarr", info("nw_ucla"), NAMES, range(6), clips(), origin=origin))
    gap = (NAMES[1], 0, False, True)
    assert [(gap.name, gap.largest, gap.mask, gap.origin) for gap in compared.gaps] == [gap]
    other = write_clips(tmp_path / "c.zarr", info("nw_ucla"), NAMES, range(6), clips(), to_recorded=linear)
    (column,) = diff(a, other).columns
    assert (column.name, [clip for clip, *_ in column.clips]) == ("to_recorded", [NAMES[4]])
    assert not diff(a, other).same


def test_joints_of_other_layouts_are_matched_by_name(a: Path, tmp_path: Path) -> None:
    ntu, ours = layout("ntu25"), layout("kinect20")
    wider = [np.full((len(clip), 1, 25, 3), 9, np.float32) for clip in clips()]
    for mine, clip in zip(clips(), wider, strict=True):
        for index, name in enumerate(ours.joints):
            if name in ntu.joints:
                clip[:, :, ntu.joints.index(name)] = mine[:, :, index]
    facts = replace(info("nw_ucla"), layout=ntu)
    compared = diff(a, write(tmp_path / "b.zarr", facts, clips=wider))
    assert f"{len(set(ours.joints) & set(ntu.joints))} joints of the same name" in compared.overlap
    assert compared.largest == 0
    assert [fact.name for fact in compared.facts] == ["layout"]


def test_pieces_give_the_same_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (make_store(tmp_path / f"{seed}.zarr", seed=seed, clips_per_class=2, frames=(12, 13)) for seed in (0, 1))
    whole = diff(a, b)
    monkeypatch.setattr(runs, "BLOCK", 30)
    monkeypatch.setattr(runs.runs, "__defaults__", (30,))
    assert diff(a, b) == whole
    assert len(whole.gaps) == 48
