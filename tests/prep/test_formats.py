"""Finding the form that a folder holds, and its options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from manifests.facts import dataset
from manifests.strict import InvalidValue
from prep.errors import PrepError
from prep.formats import find, format_named, importers, readers

NAME = "a01_s01_e00_v01"


def as_json(folder: Path) -> None:
    clip = {"file_name": NAME, "skeletons": [[[0.1, 0.2, 0.3]] * 20], "label": 1}
    (folder / f"{NAME}.json").write_text(json.dumps(clip))


def as_released(folder: Path) -> None:
    sequence = folder / "view_1" / "a01_s02_e00"
    sequence.mkdir(parents=True)
    rows = "\n".join(["0.1,0.2,0.3,1"] * 20)
    (sequence / "frame_0_tc_10_skeletons.txt").write_text(f"1\n{rows}\n")
    (sequence / "fileList.txt").write_text("0 x 10\n")


def test_the_form_is_found_out(tmp_path: Path) -> None:
    as_json(tmp_path)
    held, found = find("", tmp_path, dataset("nw_ucla"), {}, tmp_path / "scratch")
    assert (held.name, [source.name for source in found.sources]) == ("nw_ucla", [NAME])


def test_two_forms_in_one_folder_must_be_told_apart(tmp_path: Path) -> None:
    as_json(tmp_path)
    as_released(tmp_path)
    with pytest.raises(
        PrepError, match=r"\(--from nw_ucla\) and .*\(--from nw_ucla_frames\)\. One store is made of one"
    ):
        find("", tmp_path, dataset("nw_ucla"), {}, tmp_path / "scratch")
    held, found = find("nw_ucla_frames", tmp_path, dataset("nw_ucla"), {}, tmp_path / "scratch")
    assert (held.name, [source.name for source in found.sources]) == ("nw_ucla_frames", ["a01_s02_e00_v01"])


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        ("", "gone", r"no such folder or file\. Download the archive"),
        ("hdf5", "gone", r"no such folder or file\. Check the path\."),
        ("", "", r"holds no aAA_sSS_eEE_vVV\.json or view_V/.*Download the archive"),
        ("hdf5", "", r"holds no one \.h5 .*Check the path\."),
        ("hdf6", "", r"`hdf6` is not a form\. Did you mean `hdf5`\?"),
    ],
)
def test_nothing_found_says_what_to_do(tmp_path: Path, name: str, folder: str, words: str) -> None:
    with pytest.raises(PrepError, match=words):
        find(name, tmp_path / folder, dataset("nw_ucla"), {}, tmp_path / "scratch")


def test_options_are_read_strictly() -> None:
    assert format_named("pku_mmd").options({"cut": "zero_based_half_open"}).cut == "zero_based_half_open"
    with pytest.raises(PrepError, match=r"`cat` is not an option of the form pku_mmd\. Did you mean `cut`\?"):
        format_named("pku_mmd").options({"cat": "1"})
    with pytest.raises(PrepError, match=r"`cut` is not an option of the form ntu\. It has none\."):
        format_named("ntu").options({"cut": "1"})
    with pytest.raises(InvalidValue, match="pku_mmd: cut: "):
        format_named("pku_mmd").options({"cut": "two_based"})


def test_only_prepared_forms_have_slots() -> None:
    assert {name for name in readers() if format_named(name).slots} == {"own"}
    assert all(format_named(name).prepared and format_named(name).slots for name in importers())
