"""NW-UCLA's first release: folders of frames become clips in the order of their lists; missing frames are noted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from helpers.built import built, clips_of
from helpers.synthetic_kinect import frame_name, frame_text, list_text, people, sequence
from helpers.synthetic_pku import write
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.facts import dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, detect_format
from prep.readers.nw_ucla_frames import find, load, read

FACTS = dataset("nw_ucla")
CLIP, NAME = "multiview_action/view_2/a08_s03_e01", "a08_s03_e01_v02"
JOINTS = people(12)
FRAME = frame_text(JOINTS[0, 0])


def found(root: Path) -> FindResult:
    return find(FindRequest(root, FACTS))


def only(root: Path) -> Recording:
    (source,) = found(root).sources
    return read(source, load(source), FACTS)


def parse(data: bytes, name: str = NAME) -> Recording:
    return read(Source(name, "", "", 0, ""), data, FACTS)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_frames_is_a_clip(tmp_path: Path, packed: bool) -> None:
    write(tmp_path, sequence(JOINTS, CLIP) | {f"{CLIP}/frame_8_tc_1_rgb.jpg": b"x"}, packed)
    write(tmp_path, sequence(JOINTS[:3], CLIP.replace("view_2", "view_3")), packed)
    result = found(tmp_path)
    assert ([source.name for source in result.sources], result.bad, result.notes) == ([NAME, NAME[:-1] + "3"], (), ())
    clip = read(result.sources[0], load(result.sources[0]), FACTS)
    np.testing.assert_array_equal(clip.joints, JOINTS[:, 0].astype(np.float32))
    assert (clip.bodies_per_frame.tolist(), set(clip.body_id.tolist())) == ([1] * 12, {0})
    facts = (clip.name, clip.label, clip.subject, clip.camera, clip.repetition, clip.setup)
    assert facts == (NAME, 6, 3, 2, 1, -1)


def test_the_list_orders_the_frames_else_their_numbers(tmp_path: Path) -> None:
    files = sequence(JOINTS, CLIP)
    write(tmp_path, files | {f"{CLIP}/fileList.txt": list_text([41, 8, 11])})
    np.testing.assert_array_equal(only(tmp_path).joints, JOINTS[[11, 0, 1], 0].astype(np.float32))
    assert found(tmp_path).notes == ((NAME, "9 frames are not in fileList.txt and left out"),)
    (tmp_path / CLIP / "fileList.txt").unlink()
    np.testing.assert_array_equal(only(tmp_path).joints, JOINTS[:, 0].astype(np.float32))
    assert found(tmp_path).notes == ((NAME, "no fileList.txt, so frames come in the order of their numbers"),)


def test_empty_and_absent_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, sequence(JOINTS, CLIP) | {f"{CLIP}/{frame_name(11)}": b"", f"{CLIP}/{frame_name(14)}": b"\r\n"})
    (tmp_path / CLIP / frame_name(8)).unlink()
    np.testing.assert_array_equal(only(tmp_path).joints, JOINTS[3:, 0].astype(np.float32))
    assert found(tmp_path).notes == ((NAME, "3 of 12 frames are empty or not there"),)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", " \n"])
def test_a_second_person_is_not_read_and_a_frame_may_show_nobody(line_end: str) -> None:
    texts = [frame_text(JOINTS[0, 0], JOINTS[1, 0], line_end), b"0\n", frame_text(JOINTS[2, 0], None, line_end) + b"\n"]
    clip = parse(b"\f".join(texts))
    assert clip.bodies_per_frame.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(clip.joints, JOINTS[[0, 2], 0].astype(np.float32))
    assert parse(b"0\f0\n").joints.shape == (0, 20, 3)


LINES = FRAME.splitlines(keepends=True)
FAULTS = {
    "cut": (b"".join(LINES[:12]), "frame 2: 12 lines; a frame has one line and then 20 joints."),
    "a joint too many": (FRAME + LINES[1], "frame 2: line 22 is a joint too many, or not the single value"),
    "three numbers": (FRAME.replace(LINES[5], b"1,2,3\n"), "frame 2, line 6: 3 numbers; a joint has 4."),
    "nothing between commas": (FRAME.replace(LINES[5], b"1,,3,4\n"), "frame 2, line 6: 3 numbers"),
    "blank lines": (LINES[0] + LINES[1] + b"\n" * 19 + b"2\n", "frame 2, line 3: 0 numbers; a joint has 4."),
    "a word": (FRAME.replace(LINES[5], b"1,left,3,4\n"), "frame 2, line 6: `left` is not a number."),
    "endless": (FRAME.replace(LINES[20], b"1,2,3,1e999\n"), "frame 2, line 21: `1e999` is no coordinate"),
    "a zero byte": (FRAME.replace(LINES[5], b"1,2,3,\0\n"), r"frame 2, line 6: `\x00` is not a number"),
    "binary": (bytes(range(128, 256)), ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_words_that_help(fault: str) -> None:
    data, words = FAULTS[fault]
    if not words:  # one line of anything is a frame of nobody
        assert parse(FRAME + b"\f" + data).bodies_per_frame.tolist() == [1, 0]
        return
    with pytest.raises(BadFile) as caught:
        parse(FRAME + b"\f" + data)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{NAME}: ")
    assert str(caught.value).endswith("Fetch the file again.")


def test_nan_is_kept() -> None:
    assert np.isnan(parse(FRAME.replace(LINES[1], b"nan,NaN,0,1\n")).joints[0, 0, :2]).all()


LISTS = {
    "words": (
        b"8 x 1000264\nhello there\n",
        "fileList.txt: line 2: `hello there` is not `N ... TIME`. Fetch it again.",
    ),
    "one word": (b"8\n", "line 1: `8` is not `N ... TIME`"),
    "negative": (b"-8 1\n", "line 1: `-8 1` is not"),
    "huge number": (b"9" * 40 + b" 1\n", "is not `N ... TIME`"),
    "binary": (b"\x80\xff\0\n", r"`\x80\xff\x00` is not"),
    "empty": (b"", "this frame and all others in the folder are empty or not in fileList.txt"),
    "others": (b"8 1\n11 2\n", "this frame and all others in the folder are empty or not in fileList.txt"),
    "very long": (b"8 1\n" * 2**19, "2097152 bytes are too many for a list of frames"),
}


@pytest.mark.parametrize("fault", LISTS)
def test_a_useless_list_makes_a_bad_clip(tmp_path: Path, fault: str) -> None:
    data, words = LISTS[fault]
    write(tmp_path, sequence(JOINTS, CLIP) | {f"{CLIP}/fileList.txt": data})
    result = found(tmp_path)
    assert (result.sources, result.bad[0][0]) == ((), NAME)
    assert words in result.bad[0][1]


def test_a_frame_beyond_measure_makes_a_bad_clip(tmp_path: Path) -> None:
    write(tmp_path, sequence(JOINTS, CLIP) | {f"{CLIP}/{frame_name(8)}": b"1" * 100_000})
    assert "is larger than a frame can be, 65536 bytes" in found(tmp_path).bad[0][1]


def test_two_folders_of_one_clip_stop(tmp_path: Path) -> None:
    write(tmp_path, sequence(JOINTS, CLIP) | sequence(JOINTS, f"again/{CLIP}"))
    with pytest.raises(PrepError, match="hold the same clip. Move one of them away"):
        found(tmp_path)


def test_a_folder_that_changed_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, sequence(JOINTS, CLIP))
    (source,) = found(tmp_path).sources
    os.utime(tmp_path / CLIP / frame_name(8), ns=(1, 1))
    assert found(tmp_path).sources[0].stamp != source.stamp
    with pytest.raises(BadFile, match="changed since it was listed. Run again."):
        load(source)


def test_form_feeds_within_a_frame_are_blanks(tmp_path: Path) -> None:
    write(tmp_path, sequence(JOINTS, CLIP) | {f"{CLIP}/{frame_name(8)}": FRAME.replace(b",1\n", b",1\f\n", 1)})
    np.testing.assert_array_equal(only(tmp_path).joints, JOINTS[:, 0].astype(np.float32))


def test_other_names_and_forms(tmp_path: Path) -> None:
    write(tmp_path, sequence(JOINTS, "view_1/other"))
    assert found(tmp_path) == FindResult(())
    with pytest.raises(BadFile, match="is not one of the actions of nw_ucla"):
        parse(FRAME, "a07_s01_e01_v01")
    with pytest.raises(
        PrepError, match="holds no aAA_sSS_eEE_vVV.json or view_V/aAA_sSS_eEE/frame_N_tc_TIME_skeletons"
    ):
        detect_format("", tmp_path, FACTS, {}, tmp_path)
    write(tmp_path, sequence(JOINTS, CLIP))
    file_format, result = detect_format("", tmp_path, FACTS, {}, tmp_path)
    assert (file_format.name, len(result.sources)) == ("nw_ucla_frames", 1)


JUNK = st.binary(max_size=4) | st.sampled_from([b" ", b"\n", b"-", b".", b",", b"\f", b"nan", b"1e9", b"\r"])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(FRAME)), st.integers(0, 300), JUNK)
def test_mutilated_frames_are_refused_or_whole(start: int, removed: int, junk: bytes) -> None:
    try:
        clip = parse(FRAME + b"\f" + FRAME[:start] + junk + FRAME[start + removed :])
    except BadFile:
        return
    assert clip.bodies_per_frame.sum() == len(clip.body_id) == len(clip.joints)
    np.testing.assert_array_equal(clip.joints[0], JOINTS[0, 0].astype(np.float32))


def test_the_whole_way_to_a_store(tmp_path: Path) -> None:
    wanted = {f"a{a:02d}_s01_e00_v0{view}": people(4 + a, seed=a + view) for a in (1, 12) for view in (1, 3)}
    for name, joints in (wanted | {"a07_s01_e00_v01": JOINTS}).items():
        write(tmp_path / "raw", sequence(joints, f"multiview_action/view_{name[-1]}/{name[:-4]}"))
    store = built("nw_ucla", tmp_path / "raw")
    clips = clips_of(store)
    assert list(clips) == sorted(wanted)
    for name, joints in clips.items():
        np.testing.assert_array_equal(joints, wanted[name].astype(np.float32))
    assert (store.label.tolist(), store.camera.tolist()) == ([0, 0, 9, 9], [1, 3, 1, 3])
    assert (store.info.file_format, store.info.notes) == ("nw_ucla_frames", ())
