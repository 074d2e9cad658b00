"""The record of a file format, its look-up by name, and the detection of the format that a folder holds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import prep.readers
from manifests.facts import dataset
from manifests.strict import InvalidValue
from prep import formats
from prep.errors import PrepError
from prep.formats import Format, detect_format, format_named, importers, readers
from prep.untrusted.files import load_bytes

NAME = "a01_s01_e00_v01"
VALID = "Format(files='*.x', find=len, read=max"


def as_json(folder: Path) -> None:
    clip = {"file_name": NAME, "skeletons": [[[0.1, 0.2, 0.3]] * 20], "label": 1}
    (folder / f"{NAME}.json").write_text(json.dumps(clip))


def as_released(folder: Path) -> None:
    sequence = folder / "view_1" / "a01_s02_e00"
    sequence.mkdir(parents=True)
    rows = "\n".join(["0.1,0.2,0.3,1"] * 20)
    (sequence / "frame_0_tc_10_skeletons.txt").write_text(f"1\n{rows}\n")
    (sequence / "fileList.txt").write_text("0 x 10\n")


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a reader whose module ends in the parametrised line."""
    name = "reader_" + re.sub(r"\W", "_", tmp_path.name)
    (tmp_path / "readers").mkdir()
    text = f"from prep.formats import Format\n{request.param}\n"
    (tmp_path / "readers" / f"{name}.py").write_text(text)
    monkeypatch.setattr(formats, "_HERE", tmp_path)
    monkeypatch.setattr(prep.readers, "__path__", [str(tmp_path / "readers")])
    return name


@pytest.mark.parametrize(
    ("exported", "words"),
    [
        ("PREPARED = True", "has no FORMAT; the module of a file format exports"),
        (f"FORMATS = {VALID})", "has no FORMAT; the module of a file format exports"),
        ("FORMAT = 'x'", "has no FORMAT; the module of a file format exports"),
        (
            f"FORMAT = {VALID}, preparde=True)",
            "unexpected keyword argument 'preparde'.* The fields of Format are ",
        ),
        ("FORMAT = Format(files='*.x', find=len)", "missing 1 required .* 'read'. The fields of Format are files, "),
        (f"FORMAT = {VALID}, prepared='yes')", r"Format\.prepared is 'yes'; it must be bool\. The fields"),
        (f"FORMAT = {VALID}, slots=1)", r"Format\.slots is 1; it must be bool \| None"),
        (f"FORMAT = {VALID}, load=None)", r"Format\.load is None; it must be Callable"),
        (f"FORMAT = {VALID}, options=len)", r"Format\.options is <built-in function len>; it must be type"),
        ("FORMAT = Format(files='', find=len, read=max)", r"Format\.files is ''; it must be str"),
    ],
    indirect=["exported"],
)
def test_a_module_without_a_valid_record_is_named(exported: str, words: str) -> None:
    with pytest.raises(PrepError, match=f"prep/readers/{exported}.py: .*{words}"):
        format_named(exported)


@pytest.mark.parametrize("exported", [f"FORMAT = {VALID})"], indirect=True)
def test_a_record_has_the_name_of_its_file_and_plain_defaults(exported: str) -> None:
    assert format_named(exported) == Format("*.x", len, max, load_bytes, None, False, False, exported)  # type: ignore[arg-type]


@pytest.mark.parametrize("exported", ["len(3)"], indirect=True)
def test_any_other_mistake_in_a_module_keeps_its_traceback(exported: str) -> None:
    with pytest.raises(TypeError, match="has no len"):
        format_named(exported)


def test_slots_are_as_prepared_unless_given() -> None:
    assert {name for name in readers() if format_named(name).slots} == {"own"}
    assert not any(format_named(name).prepared for name in readers())
    assert all(format_named(name).prepared and format_named(name).slots for name in importers())
    assert Format("*.x", len, max, prepared=True, slots=False).slots is False  # type: ignore[arg-type]


def test_the_format_is_detected(tmp_path: Path) -> None:
    as_json(tmp_path)
    file_format, result = detect_format("", tmp_path, dataset("nw_ucla"), {}, tmp_path / "scratch")
    assert (file_format.name, [source.name for source in result.sources]) == ("nw_ucla", [NAME])


def test_of_two_formats_in_one_folder_one_must_be_named(tmp_path: Path) -> None:
    as_json(tmp_path)
    as_released(tmp_path)
    words = r"\(--from nw_ucla\) and .*\(--from nw_ucla_frames\)\. A store is built from one file format"
    with pytest.raises(PrepError, match=words):
        detect_format("", tmp_path, dataset("nw_ucla"), {}, tmp_path / "scratch")
    file_format, result = detect_format("nw_ucla_frames", tmp_path, dataset("nw_ucla"), {}, tmp_path / "scratch")
    assert (file_format.name, [source.name for source in result.sources]) == ("nw_ucla_frames", ["a01_s02_e00_v01"])


@pytest.mark.parametrize(
    ("name", "folder", "words"),
    [
        ("", "gone", r"no such folder or file\. Download the archive"),
        ("hdf5", "gone", r"no such folder or file\. Check the path\."),
        ("", "", r"holds no aAA_sSS_eEE_vVV\.json or view_V/.*Download the archive"),
        ("hdf5", "", r"holds no one \.h5 .*Check the path\."),
        ("hdf6", "", r"`hdf6` is not a file format\. Did you mean `hdf5`\?"),
    ],
)
def test_nothing_found_says_what_to_do(tmp_path: Path, name: str, folder: str, words: str) -> None:
    with pytest.raises(PrepError, match=words):
        detect_format(name, tmp_path / folder, dataset("nw_ucla"), {}, tmp_path / "scratch")


def test_options_are_read_strictly() -> None:
    assert format_named("pku_mmd").parse_options({"cut": "zero_based_half_open"}).cut == "zero_based_half_open"
    with pytest.raises(PrepError, match=r"`cat` is not an option of the file format pku_mmd\. Did you mean `cut`\?"):
        format_named("pku_mmd").parse_options({"cat": "1"})
    with pytest.raises(PrepError, match=r"`cut` is not an option of the file format ntu\. It has none\."):
        format_named("ntu").parse_options({"cut": "1"})
    with pytest.raises(InvalidValue, match="pku_mmd: cut: "):
        format_named("pku_mmd").parse_options({"cut": "two_based"})
