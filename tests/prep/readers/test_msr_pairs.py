"""MSR Action Pairs: three layouts are told apart, and a file that fits none is refused in its own words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.built import built, clips_of
from helpers.refusals import refused
from helpers.shared import shared
from helpers.synthetic_kinect import bare, counted, marked, people
from helpers.synthetic_pku import write
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.facts import dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult
from prep.readers.msr_pairs import MSR3D, Options, find, read, sniff
from prep.untrusted.files import load_bytes

FACTS, NAME = dataset("msr_pairs"), "a12_s03_e02"
ONE = people(7)
TEXTS = {
    "marked": marked(list(ONE)),
    "marked, CRLF": marked(list(ONE), "\r\n"),
    "marked, blank lines": marked(list(ONE), "\n\n"),
    "counted": counted(ONE),
    "counted, 3 numbers": counted(ONE, 3),
    "bare": bare(ONE),
    "bare, 3 numbers": bare(ONE, 3),
}


def parse(data: bytes, order: str = "kinect", name: str = NAME) -> Recording:
    return read(Source(name, "", "", len(data), f"1-1 {order}"), data, FACTS)


def found(root: Path, order: str = "kinect") -> FindResult:
    return find(FindRequest(root, FACTS, Options(order)))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", TEXTS)
def test_every_layout_gives_the_same_clip(text: str) -> None:
    assert sniff(TEXTS[text]) == text.split(",")[0]
    clip = parse(TEXTS[text])
    np.testing.assert_array_equal(clip.joints, ONE[:, 0].astype(np.float32))
    assert (clip.bodies_per_frame.tolist(), set(clip.body_id.tolist())) == ([1] * 7, {0})
    assert (clip.name, clip.label, clip.subject, clip.repetition) == (NAME, 11, 3, 2)
    assert (clip.camera, clip.setup, clip.joints.dtype) == (-1, -1, np.float32)


def test_several_bodies_and_none() -> None:
    two = people(3, bodies=2)
    two[2, 0] = 0
    clip = parse(marked([two[0], np.zeros((0, 20, 3)), two[1], two[2]]))
    assert clip.bodies_per_frame.tolist() == [2, 0, 2, 1]
    assert clip.body_id.tolist() == [0, 1, 0, 1, 1]
    np.testing.assert_array_equal(clip.joints, two.reshape(-1, 20, 3)[[0, 1, 2, 3, 5]].astype(np.float32))


def test_the_box_in_the_image_is_kept_where_the_layout_says_it() -> None:
    unseen = ONE + np.array([2, -2, 0])
    unseen[3, 0, 4] = 0  # a joint that was not found stands in the middle of the image and does not count
    blank = np.zeros((1, 20, 3))
    picture = parse(marked([*unseen[:3], blank, *unseen[3:]])).picture
    assert picture is not None
    assert (picture.dtype, picture.shape) == (np.float32, (7, 4))
    seen = np.where(unseen[:, 0].any(-1, keepdims=True), unseen[:, 0], np.nan)
    u, v = 0.5 + seen[..., 0] / 8, 0.5 - seen[..., 1] / 8
    wanted = np.stack([np.nanmin(u, 1), np.nanmin(v, 1), np.nanmax(u, 1), np.nanmax(v, 1)], 1)
    np.testing.assert_allclose(picture, wanted, atol=1e-5)
    assert parse(TEXTS["counted"]).picture is None
    assert parse(TEXTS["bare"]).picture is None


def test_a_body_of_zeros_is_nobody() -> None:
    blank = ONE.copy()
    blank[2] = 0
    for text in (marked(list(blank)), counted(blank), bare(blank)):
        assert parse(text).bodies_per_frame.tolist() == [1, 1, 0, 1, 1, 1, 1]


def test_the_other_order_is_put_right() -> None:
    names = "lsho rsho neck spine lhip rhip hip lelb relb lwri rwri lhand rhand lknee rknee lank rank lfoot rfoot head"
    kinect = "hip spine neck head lsho lelb lwri lhand rsho relb rwri rhand lhip lknee lank lfoot rhip rknee rank rfoot"
    there = [kinect.split().index(name) for name in names.split()]
    assert tuple(there) == MSR3D
    clip = parse(bare(ONE[:, :, there]), order="msr3d")
    np.testing.assert_array_equal(clip.joints, ONE[:, 0].astype(np.float32))


MARKED, COUNTED, BARE = TEXTS["marked"], TEXTS["counted"], TEXTS["bare"]
FIRST_ROW = MARKED.splitlines(keepends=True)[2]
FAULTS = {
    "empty": (b"", "the first lines hold [] numbers, which is none of 2 and 1 (marked)"),
    "one line": (b"7 20\n", "the first lines hold [2] numbers"),
    "five numbers": (b"1 2 3 4 5\n" * 20, "the first lines hold [5, 5] numbers"),
    "25 joints": (
        MARKED.replace(b"7 20", b"7 25", 1),
        "`marked`, but line 1 is not the number of frames and of joints, 20",
    ),
    "too many frames": (MARKED.replace(b"7 20", b"8 20", 1), "`marked`, but the text ends before frame 8 of 8"),
    "too few frames": (MARKED.replace(b"7 20", b"6 20", 1), "line 248 stands after the last of 6 frames"),
    "terabytes of frames": (MARKED.replace(b"7 20", b"99999999999 20", 1), "1e+11 frames are announced and 288 lines"),
    "negative frames": (MARKED.replace(b"7 20", b"-7 20", 1), "-7 frames are announced"),
    "a part of a frame": (MARKED.replace(b"7 20", b"6.5 20", 1), "6.5 frames are announced"),
    "nan frames": (COUNTED.replace(b"7 20", b"nan 20", 1), "nan frames are announced"),
    "20 rows": (MARKED.replace(b"40\n", b"20\n", 1), "line 2 is not the number of rows of frame 1, a multiple of 40"),
    "terabytes of rows": (MARKED.replace(b"40\n", b"4000000000\n", 1), "line 2 is not the number of rows of frame 1"),
    "negative rows": (MARKED.replace(b"40\n", b"-40\n", 1), "line 2 is not the number of rows"),
    "80 rows": (MARKED.replace(b"40\n", b"80\n", 1), "line 43 has 1 numbers, the rows of joints have 4"),
    "cut": (MARKED[: len(MARKED) // 2].rsplit(b"\n", 1)[0], "the text ends "),
    "a row of three": (MARKED.replace(FIRST_ROW, b"1 2 3\n"), "line 3 has 3 numbers, the rows of joints have 4"),
    "a word": (MARKED.replace(FIRST_ROW, b"1 left 3 1\n"), "line 3: `left` is not a number"),
    "endless": (MARKED.replace(FIRST_ROW, b"1 1e999 3 1\n"), "line 3: `1e999` is no coordinate"),
    "counted, too long": (COUNTED + b"1 2 3 4\n", "`counted`, but 7 frames need 140 rows of joints, 141 are there"),
    "counted and doubled": (b"7 20\n" + BARE * 2, "`counted`, but 7 frames need 140 rows of joints, 280 are there"),
    "counted, uneven": (COUNTED.replace(b" 1.0000000e+00\n", b"\n", 3), "numbers, the rows of joints have 3"),
    "bare, cut": (BARE.rsplit(b"\n", 2)[0], "`bare`, but 139 rows are not 20 for every frame"),
    "image": (bare(ONE * 1000), "these are positions in the image, or not in metres"),
    "rows changed about": (b"7 20\n" + MARKED[5:].replace(b"40\n", b"40\n0 0 9000 0\n"), "`marked`, but line "),
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
        parse(MARKED, name=name)


@pytest.mark.parametrize("packed", [False, True])
def test_files_are_found_by_their_names(tmp_path: Path, packed: bool) -> None:
    names = ["a01_s01_e01.txt", "a1_s1_e2_skeleton.txt", "deep/a02_s10_e03_skeleton3D.txt"]
    write(tmp_path, {f"in/{name}": MARKED for name in names} | {"in/readme.txt": b"hello"}, packed)
    result = found(tmp_path)
    assert [source.name for source in result.sources] == ["a01_s01_e01", "a01_s01_e02", "a02_s10_e03"]
    clips = [read(source, load_bytes(source), FACTS) for source in result.sources]
    assert [(clip.label, clip.subject, clip.repetition) for clip in clips] == [(0, 1, 1), (0, 1, 2), (1, 10, 3)]
    assert found(tmp_path, "msr3d").sources[0].stamp != result.sources[0].stamp


def test_two_of_one_clip_stop(tmp_path: Path) -> None:
    write(tmp_path, {"in/a01_s01_e01.txt": BARE, "in/a01_s01_e01_skeleton3D.txt": BARE})
    with pytest.raises(PrepError, match="hold the same clip. Move one of them away"):
        found(tmp_path)


def test_mixed_layouts_are_told(tmp_path: Path) -> None:
    write(tmp_path, {f"in/a01_s{n:02d}_e01.txt": MARKED for n in range(1, 4)} | {"in/a02_s01_e01.txt": BARE})
    result = found(tmp_path)
    assert [source.name[:3] for source in result.sources] == ["a01"] * 3
    ((name, reason),) = result.bad
    assert name == "a02_s01_e01"
    assert "is in the layout `bare`, 3 others are in `marked`. One folder holds one: move it away." in reason


def test_a_real_file_of_the_sibling_is_in_the_first_layout(tmp_path: Path) -> None:
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
    # A Kinect v1's depth camera: what the rows say is its picture.
    focal = 0.8926 * np.array([1, -4 / 3])
    np.testing.assert_allclose(image, 0.5 + focal * plain[:, :, 0, :2] / plain[:, :, 0, 2:3], atol=2e-3)


JUNK = st.binary(max_size=4) | st.sampled_from([b" ", b"\n", b"-", b".", b"\r", b"nan", b"1e9", b"40\n", b"0\n"])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 6000), st.integers(0, 600), JUNK)
def test_mutilated_files_are_refused_or_whole(text: str, place: int, removed: int, junk: bytes) -> None:
    try:
        clip = parse(TEXTS[text][:place] + junk + TEXTS[text][place + removed :])
    except BadFile:
        return
    assert clip.bodies_per_frame.sum() == len(clip.body_id) == len(clip.joints)
    assert clip.joints.shape[1:] == (20, 3)
    assert clip.frames <= 7


def test_the_whole_way_to_a_store(tmp_path: Path) -> None:
    wanted = {f"a{a:02d}_s{a:02d}_e01": people(3 + a, seed=a) for a in range(1, 11)}
    for order, permuted in (("kinect", range(20)), ("msr3d", MSR3D)):
        write(tmp_path / order, {f"in/{name}.txt": bare(body[:, :, permuted]) for name, body in wanted.items()})
        store = built("msr_pairs", tmp_path / order, order=order)
        clips = clips_of(store)
        assert (list(clips), store.label.tolist()) == (list(wanted), list(range(10)))
        for name, joints in clips.items():
            np.testing.assert_array_equal(joints, wanted[name].astype(np.float32))
        assert store.info.unverified == "format from documentation, not verified on original files"
