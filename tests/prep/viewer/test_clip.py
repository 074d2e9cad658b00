"""The joints that the page draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.stores import info, write_clips
from helpers.viewing import clips_for_viewing, standing

import prep.viewer.clip as subject
from prep.errors import PrepError
from prep.preprocessing import quality
from prep.store.read import Store, open_store
from prep.viewer.clip import check_coordinates, drawn_joints, flagged_frames, upward


def test_joints_are_the_stored_ones_and_absent_bodies_are_not_drawn(store: Store) -> None:
    stored, drawn = clips_for_viewing()[0], drawn_joints(store, 0, "prepared")
    assert (drawn[:, 0] == stored[:, 0]).all()
    assert np.isnan(drawn[:, 1]).all()
    assert not np.isnan(drawn_joints(store, 3, "prepared")).any()


def test_recorded_joints_are_the_linear_map_plus_the_origin(store: Store) -> None:
    drawn = drawn_joints(store, 0, "recorded")
    assert drawn[:, 0] == pytest.approx(2 * clips_for_viewing()[0][:, 0] + np.array([1, 2, 3]))
    assert np.isnan(drawn[:, 1]).all()


def test_in_an_image_z_is_zero_and_a_joint_without_a_score_is_not_drawn(in_image: Path) -> None:
    store = open_store(in_image)
    drawn = drawn_joints(store, 0, "prepared")
    assert np.isnan(drawn[0, 0, 4]).all()
    assert drawn[1, 0, 4].tolist() == [0.5, 0.5, 0]
    assert upward(store, 0, "prepared") == "-y"


def test_up_follows_a_preprocessing_that_turns_bodies(tmp_path: Path) -> None:
    clip = clips_for_viewing()[1]
    turned = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.float32)  # y of the recording is z of the store
    maps = np.stack([np.eye(3, dtype=np.float32), turned, np.zeros((3, 3), np.float32)])
    facts = info("demo", "agcn")
    store = open_store(write_clips(tmp_path / "s.zarr", facts, ["a", "b", "c"], [0] * 3, [clip] * 3, to_recorded=maps))
    assert [upward(store, number, "prepared") for number in range(3)] == ["y", "z", "y"]
    assert upward(store, 1, "recorded") == "y"


def test_a_clip_of_hours_is_drawn_in_part(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MOST_FRAMES", 5)
    assert len(drawn_joints(store, 4, "prepared")) == 5


def test_flagged_frames_are_those_that_break_the_rule_of_a_flag_of_the_clip(tmp_path: Path) -> None:
    clip = standing(9)
    clip[4:6] = 0
    clip[7, 0, 3] = 0
    clips, flags = [clip, clip, standing(9)], [quality.ZERO | quality.BODY_COUNT, 0, quality.ZERO]
    for preprocessing, zeros in (("raw", {"zero": [4, 5, 7]}), ("agcn", {})):
        path = tmp_path / f"{preprocessing}.zarr"
        write_clips(path, info("demo", preprocessing), ["a", "b", "c"], [0] * 3, clips, quality=flags)
        store = open_store(path)
        changes = np.flatnonzero(quality.count_changes(clip.any(axis=(1, 2, 3)).astype(np.int64))).tolist()
        assert flagged_frames(store, 0) == {**zeros, "body-count": changes}
        assert flagged_frames(store, 1) == flagged_frames(store, 2) == {}


def test_other_coordinates_are_refused() -> None:
    with pytest.raises(PrepError, match="`raw` is no kind of coordinates. Known: prepared, recorded"):
        check_coordinates("raw")
