"""MSR Action Pairs: files in the layout of MSRDailyActivity3D, and files in any other are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.built import built, clips_of
from helpers.refusals import refused
from helpers.shared import shared
from helpers.synthetic_kinect import msr_text, people
from helpers.synthetic_pku import write
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.facts import dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult
from prep.readers.msr_pairs import find, read
from prep.untrusted.files import load_bytes

FACTS, NAME = dataset("msr_pairs"), "a12_s03_e02"
ONE = people(7)
LINE_ENDS = {"LF": "\n", "CRLF": "\r\n", "blank lines": "\n\n"}
TEXT = msr_text(list(ONE))


def parse(data: bytes, name: str = NAME) -> Recording:
    return read(Source(name, "", "", len(data), "1-1"), data, FACTS)


def found(root: Path) -> FindResult:
    return find(FindRequest(root, FACTS))


@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_a_clip_is_read_whatever_its_line_ends(line_end: str) -> None:
    clip = parse(msr_text(list(ONE), LINE_ENDS[line_end]))
    np.testing.assert_array_equal(clip.joints, ONE[:, 0].astype(np.float32))
    assert (clip.bodies_per_frame.tolist(), set(clip.body_id.tolist())) == ([1] * 7, {0})
    assert (clip.name, clip.label, clip.subject, clip.repetition) == (NAME, 11, 3, 2)
    assert (clip.camera, clip.setup, clip.joints.dtype) == (-1, -1, np.float32)


def test_several_bodies_and_none() -> None:
    two = people(3, bodies=2)
    two[2, 0] = 0
    clip = parse(msr_text([two[0], np.zeros((0, 20, 3)), two[1], two[2]]))
    assert clip.bodies_per_frame.tolist() == [2, 0, 2, 1]
    assert clip.body_id.tolist() == [0, 1, 0, 1, 1]
    np.testing.assert_array_equal(clip.joints, two.reshape(-1, 20, 3)[[0, 1, 2, 3, 5]].astype(np.float32))


def test_the_box_in_the_image_is_that_of_the_joints_with_a_position() -> None:
    unseen = ONE + np.array([2, -2, 0])
    unseen[3, 0, 4] = 0  # a joint that was not found stands in the middle of the image and does not count
    blank = np.zeros((1, 20, 3))
    picture = parse(msr_text([*unseen[:3], blank, *unseen[3:]])).picture
    assert picture is not None
    assert (picture.dtype, picture.shape) == (np.float32, (7, 4))
    seen = np.where(unseen[:, 0].any(-1, keepdims=True), unseen[:, 0], np.nan)
    u, v = 0.5 + seen[..., 0] / 8, 0.5 - seen[..., 1] / 8
    wanted = np.stack([np.nanmin(u, 1), np.nanmin(v, 1), np.nanmax(u, 1), np.nanmax(v, 1)], 1)
    np.testing.assert_allclose(picture, wanted, atol=1e-5)


def test_a_body_of_zeros_is_nobody() -> None:
    blank = ONE.copy()
    blank[2] = 0
    assert parse(msr_text(list(blank))).bodies_per_frame.tolist() == [1, 1, 0, 1, 1, 1, 1]


FIRST_ROW = TEXT.splitlines(keepends=True)[2]
ROWS = b"".join(line for line in TEXT.splitlines(keepends=True) if line.count(b" ") == 3)
HEADER = "the first line is not the number of frames and of joints, 20. The layout is that of MSRDailyActivity3D"
FAULTS = {
    "empty": (b"", HEADER),
    "one number": (b"7\n", HEADER),
    "five numbers": (b"1 2 3 4 5\n" * 20, HEADER),
    "25 joints": (TEXT.replace(b"7 20", b"7 25", 1), HEADER),
    "no header": (ROWS, HEADER),
    "no counts of rows": (b"7 20\n" + ROWS, "line 2 is not the number of rows of frame 1, a multiple of 40 up to 2560"),
    "too many frames": (TEXT.replace(b"7 20", b"8 20", 1), "the text ends before frame 8 of 8"),
    "too few frames": (TEXT.replace(b"7 20", b"6 20", 1), "line 248 follows the last of 6 frames"),
    "terabytes of frames": (TEXT.replace(b"7 20", b"99999999999 20", 1), "announces 1e+11 frames, the file has 288"),
    "negative frames": (TEXT.replace(b"7 20", b"-7 20", 1), "the first line announces -7 frames"),
    "a part of a frame": (TEXT.replace(b"7 20", b"6.5 20", 1), "the first line announces 6.5 frames"),
    "nan frames": (TEXT.replace(b"7 20", b"nan 20", 1), "the first line announces nan frames"),
    "20 rows": (TEXT.replace(b"40\n", b"20\n", 1), "line 2 is not the number of rows of frame 1, a multiple of 40"),
    "terabytes of rows": (TEXT.replace(b"40\n", b"4000000000\n", 1), "line 2 is not the number of rows of frame 1"),
    "negative rows": (TEXT.replace(b"40\n", b"-40\n", 1), "line 2 is not the number of rows"),
    "80 rows": (TEXT.replace(b"40\n", b"80\n", 1), "line 43 has 1 numbers; the rows of joints have 4"),
    "cut": (TEXT[: len(TEXT) // 2].rsplit(b"\n", 1)[0], "rows before the end of frame 4"),
    "a row of three": (TEXT.replace(FIRST_ROW, b"1 2 3\n"), "line 3 has 3 numbers; the rows of joints have 4"),
    "a word": (TEXT.replace(FIRST_ROW, b"1 left 3 1\n"), "line 3: `left` is not a number"),
    "endless": (TEXT.replace(FIRST_ROW, b"1 1e999 3 1\n"), "line 3: `1e999` is no coordinate"),
    "image": (msr_text(list(ONE * 1000)), "these are positions in the image, or not in metres"),
    "a row too many": (
        TEXT.replace(b"40\n", b"40\n0 0 9000 0\n"),
        "is not the number of rows of frame 2",
    ),
    "binary": (bytes(range(256)), "is not a number"),
    "very long": (b"1 2 3 4\n" * 2**22, "33554432 bytes, a clip has at most 16777216"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_words_that_help(fault: str) -> None:
    data, words = FAULTS[fault]
    refused(lambda: parse(data), NAME, words)


@pytest.mark.parametrize("name", ["a13_s01_e01", "a00_s01_e01", "a1_s01_e01", "hello"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadFile, match="the name is not aAA_sSS_eEE with AA from 01 to 12. Move the file away"):
        parse(TEXT, name=name)


@pytest.mark.parametrize("packed", [False, True])
def test_files_are_found_by_their_names(tmp_path: Path, packed: bool) -> None:
    names = ["a01_s01_e01.txt", "a1_s1_e2_skeleton.txt", "deep/a02_s10_e03_skeleton.txt"]
    write(tmp_path, {f"in/{name}": TEXT for name in names} | {"in/readme.txt": b"hello"}, packed)
    result = found(tmp_path)
    assert [source.name for source in result.sources] == ["a01_s01_e01", "a01_s01_e02", "a02_s10_e03"]
    clips = [read(source, load_bytes(source), FACTS) for source in result.sources]
    assert [(clip.label, clip.subject, clip.repetition) for clip in clips] == [(0, 1, 1), (0, 1, 2), (1, 10, 3)]


def test_two_of_one_clip_stop(tmp_path: Path) -> None:
    write(tmp_path, {"in/a01_s01_e01.txt": TEXT, "in/a01_s01_e01_skeleton.txt": TEXT})
    with pytest.raises(PrepError, match="hold the same clip. Move one of them away"):
        found(tmp_path)


def test_a_real_file_of_the_sibling_dataset(tmp_path: Path) -> None:
    path = shared("data/msr_daily/a03_s01_e01_skeleton.txt")
    (source,) = found(path.parent).sources
    clip = read(source, load_bytes(source), FACTS)
    assert (clip.name, clip.frames, clip.joints.shape) == ("a03_s01_e01", 311, (311, 20, 3))
    rows = [line.split() for line in path.read_text().splitlines() if len(line.split()) == 4]
    plain = np.array(rows, np.float32).reshape(311, 20, 2, 4)
    np.testing.assert_array_equal(clip.joints, plain[:, :, 0, :3])
    assert (plain[:, :, 0, 3] == 1).all()
    assert (clip.bodies_per_frame == 1).all()
    assert clip.picture is not None
    image = plain[:, :, 1, :2]
    np.testing.assert_array_equal(clip.picture, np.concatenate([image.min(1), image.max(1)], axis=1))
    # The rows are the projection by a Kinect v1's depth camera.
    focal = 0.8926 * np.array([1, -4 / 3])
    np.testing.assert_allclose(image, 0.5 + focal * plain[:, :, 0, :2] / plain[:, :, 0, 2:3], atol=2e-3)


JUNK = st.binary(max_size=4) | st.sampled_from([b" ", b"\n", b"-", b".", b"\r", b"nan", b"1e9", b"40\n", b"0\n"])


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 12000), st.integers(0, 600), JUNK)
def test_mutilated_files_are_refused_or_whole(start: int, removed: int, junk: bytes) -> None:
    try:
        clip = parse(TEXT[:start] + junk + TEXT[start + removed :])
    except BadFile:
        return
    assert clip.bodies_per_frame.sum() == len(clip.body_id) == len(clip.joints)
    assert clip.joints.shape[1:] == (20, 3)
    assert clip.frames <= 7


def test_the_whole_way_to_a_store(tmp_path: Path) -> None:
    wanted = {f"a{a:02d}_s{a:02d}_e01": people(3 + a, seed=a) for a in range(1, 11)}
    write(tmp_path / "raw", {f"in/{name}.txt": msr_text(list(body)) for name, body in wanted.items()})
    store = built("msr_pairs", tmp_path / "raw")
    clips = clips_of(store)
    assert (list(clips), store.label.tolist()) == (list(wanted), list(range(10)))
    for name, joints in clips.items():
        np.testing.assert_array_equal(joints, wanted[name].astype(np.float32))
    assert store.info.unverified == "format from documentation, not verified on original files"
