"""st-gcn's folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from helpers.synthetic_formats import assert_holds, clips, find, imported, npy_pkl

from manifests.facts import dataset


def test_ntu(tmp_path: Path) -> None:
    several = clips(6)
    npy_pkl(tmp_path / "xsub", {"train": several[:4], "val": several[4:]}, "_data")
    assert_holds(imported("stgcn_npy", tmp_path / "xsub", "ntu120", tmp_path / "s.zarr"), several)


def test_kinetics_keeps_y_and_its_empty_first_frame(tmp_path: Path) -> None:
    facts = replace(dataset("ntu120"), layout="openpose18", pattern=".*", labels="files", unit="image")
    several = [replace(clip, name=f"_-{row:09d}") for row, clip in enumerate(clips(4, joints=18))]
    for clip in several:
        clip.joints[0] = 0
    npy_pkl(tmp_path / "k", {"val": several}, "_data")
    assert_holds(imported("stgcn_npy", tmp_path / "k", facts, tmp_path / "s.zarr"), several)


def test_the_files_of_2s_agcn_are_not_taken_for_these(tmp_path: Path) -> None:
    npy_pkl(tmp_path / "xsub", {"train": clips(2)}, "_data_joint")
    assert find("stgcn_npy", tmp_path / "xsub", "ntu120", tmp_path).sources == ()
