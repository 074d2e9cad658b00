"""The NTU reader: which files it accepts, the messages for the others, and agreement with the plain reader."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.plain_ntu import plain_read
from helpers.refusals import refused
from helpers.synthetic_ntu import NAME, person, source, text
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.facts import dataset
from prep.clip import Recording
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, detect_format
from prep.readers.ntu import find, read

TWO_IDS = (72057594037944738, 72057594037944734)  # equal as float64
SMALL = text([[(TWO_IDS[0], person(1)[0])], [], [(TWO_IDS[0], person(2)[0]), (TWO_IDS[1], person(3)[0])]])


def parse(data: bytes, name: str = NAME) -> Recording:
    return read(source(len(data), name), data, dataset("ntu120"))


def assert_as_plain(recording: Recording, data: bytes) -> None:
    frames = plain_read(data)
    assert recording.bodies_per_frame.tolist() == [len(bodies) for bodies in frames]
    assert recording.body_id.tolist() == [identity for bodies in frames for identity, _, _ in bodies]
    joints = np.array([joints for bodies in frames for _, joints, _ in bodies], np.float32).reshape(-1, 25, 3)
    np.testing.assert_array_equal(recording.joints, joints)
    boxes = np.array([box for bodies in frames for _, _, box in bodies], np.float32).reshape(-1, 4)
    np.testing.assert_array_equal(recording.picture, boxes)


def test_every_number_of_a_file_arrives() -> None:
    recording = parse(SMALL)
    assert_as_plain(recording, SMALL)
    assert recording.bodies_per_frame.tolist() == [1, 0, 2]
    assert recording.body_id.tolist() == [TWO_IDS[0], *TWO_IDS]
    np.testing.assert_allclose(recording.joints[2], person(3)[0], rtol=1e-6)
    assert (recording.joints.dtype, recording.joints.shape) == (np.float32, (3, 25, 3))
    facts = (
        recording.name,
        recording.label,
        recording.setup,
        recording.camera,
        recording.subject,
        recording.repetition,
    )
    assert facts == (NAME, 6, 1, 2, 3, 2)


@pytest.mark.parametrize(
    "altered",
    [
        SMALL.replace(b"\n", b"\r\n"),
        SMALL.replace(b"\n", b" \t\v\f\n\n"),
        SMALL.replace(b"\n", b" "),
        SMALL.rstrip(),
        b"\n " + SMALL,
        b"\xef\xbb\xbf" + SMALL,
    ],
    ids=["CRLF", "every blank", "one line", "no last line end", "blanks first", "byte order mark"],
)
def test_white_space_and_a_byte_order_mark_do_not_matter(altered: bytes) -> None:
    recording, plain = parse(altered), parse(SMALL)
    assert (recording.joints == plain.joints).all()
    assert (recording.body_id == plain.body_id).all()


WORDS = """
0 -0 7 +3.5 -.25 5. 1e2 -1.5E-3 2.5e+1 0.1 3.785547 0.02764709 -8.940697e-08 1e-400 0e999 00012.5 1e11 4e-45
123456789012345678901234567890e-25 0.000000000000000000000000000001234567890123456789 999999999999
0.30000000000000000000000000001 1.7976931348623157e-300
"""


@pytest.mark.parametrize("word", WORDS.split())
def test_every_way_to_write_a_number(word: str) -> None:
    data = text([[(1, person(1)[0])]]).split()
    data[13] = word.encode()  # after three counts, the id, nine numbers: the x of the first joint
    recording = parse(b" ".join(data)).joints[0, 0, 0]
    assert recording == np.float32(float(word))
    assert np.signbit(recording) == np.signbit(np.float32(float(word)))


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e12, 1e12, allow_nan=False))
def test_every_float_is_read_as_python_reads_it(value: float) -> None:
    data = text([[(1, person(1)[0])]]).split()
    data[13:16] = f"{value!r} {value:.7g} {value:.30f}".encode().split()
    recording = parse(b" ".join(data)).joints[0, 0]
    np.testing.assert_allclose(recording, [np.float32(float(word)) for word in data[13:16]], rtol=1.2e-7, atol=2e-45)


def test_nan_is_kept() -> None:
    data = text([[(1, person(1)[0])]]).split()
    data[13], data[14], data[20], data[5] = b"nan", b"-NaN", b"NaN", b"NAN"
    recording = parse(b" ".join(data)).joints[0, 0]
    assert np.isnan(recording).tolist() == [True, True, False]


def pixels_of(pixels: Sequence[tuple[str, str]]) -> Recording:
    """A body whose first joints have these pixels; all others have none."""
    data = text([[(1, person(1)[0])]]).split()
    for joint in range(25):
        column, row = pixels[joint] if joint < len(pixels) else ("nan", "nan")
        data[18 + 12 * joint], data[19 + 12 * joint] = column.encode(), row.encode()
    return parse(b" ".join(data))


def test_the_box_in_the_image_is_that_of_all_joints_with_pixels() -> None:
    recording = pixels_of([("960", "540"), ("nan", "1"), ("2", "NaN"), ("480", "810"), ("1e999", "5"), ("5", "-1e13")])
    assert recording.picture is not None
    assert recording.picture.dtype == np.float32
    np.testing.assert_allclose(recording.picture, [[0.25, 0.5, 0.5, 0.75]])
    assert_as_plain(parse(SMALL), SMALL)
    one = pixels_of([("-96", "2160")]).picture  # outside the image; the reader does not clip the box
    assert one is not None
    np.testing.assert_allclose(one, [[-0.05, 2, -0.05, 2]])


def test_a_body_without_any_pixels_has_no_box() -> None:
    recording = pixels_of([])
    assert recording.picture is not None
    assert np.isnan(recording.picture).tolist() == [[True] * 4]


@pytest.mark.parametrize(("word", "rule"), [(b"left", "`left` is not a number"), (b"inf", "`inf` is not a number")])
def test_words_instead_of_pixels_are_refused(word: bytes, rule: str) -> None:
    data = text([[(1, person(1)[0])]]).split()
    data[18 + 12 * 7] = word
    refused(lambda: parse(b" ".join(data)), NAME, rule)


@pytest.mark.parametrize(("data", "frames"), [(b"0", 0), (b"0\r\n", 0), (b"3\n0\n0\n0\n", 3)])
def test_a_recording_may_have_no_bodies(data: bytes, frames: int) -> None:
    recording = parse(data)
    assert (recording.frames, recording.joints.shape) == (frames, (0, 25, 3))


def swapped(old: bytes, new: bytes, count: int = 1) -> bytes:
    assert old in SMALL
    return SMALL.replace(old, new, count)


ID = str(TWO_IDS[0]).encode()
CUT = SMALL[: SMALL.rindex(b"25\n") + 100].rsplit(b" ", 1)[0]
FAULTS = {
    "empty": (b"", "the file is empty; it begins with the number of frames."),
    "blank": (b" \r\n", "the file is empty"),
    "cut in a frame": (CUT, "the text ends in the middle of frame 3."),
    "cut after a frame": (b"2\n0\n", "the text ends in the middle of frame 2."),
    "too few frames": (b"2" + SMALL[1:], "line 31 (byte "),
    "too many frames": (b"4" + SMALL[1:], "the text ends in the middle of frame 4."),
    "lying frame count": (b"1000000000000\n" + SMALL[2:], "line 1 (byte 0): `1000000000000` frames do not fit into"),
    "more frames than an hour": (b"100001" + b"\n0" * 100_001, "`100001` frames do not fit"),
    "negative frame count": (b"-1\n", "`-1` frames do not fit"),
    "lying body count": (b"3\n1000000000000" + SMALL[3:], "frame 1): `1000000000000` is no number of bodies; a frame"),
    "many bodies": (b"3\n65" + SMALL[3:], "`65` is no number of bodies; a frame has 0 to 64."),
    "24 joints": (swapped(b"\n25\n", b"\n24\n"), "line 4 (byte "),
    "26 joints": (swapped(b"\n25\n", b"\n26\n"), "`26` is not the number of joints, which is always 25."),
    "10^9 joints": (swapped(b"\n25\n", b"\n1000000000\n"), "`1000000000` is not the number of joints"),
    "joints as decimal": (swapped(b"\n25\n", b"\n25.0\n"), "`25.0` is not an integer."),
    "id beyond 64 bits": (swapped(ID, b"9223372036854775808"), "at most 9223372036854775807"),
    "id far beyond": (swapped(ID, b"1" * 40), "is too large; an integer has 64 bits"),
    "id with a fraction": (swapped(ID, b"7.2e16"), "line 3 (byte 4, frame 1): `7.2e16` is not an integer."),
    "letters in x": (swapped(b"\n25\n", b"\n25\nleft "), "line 5 (byte "),
    "letters elsewhere": (swapped(b" 2\n25", b" tracked\n25"), "`tracked` is not a number."),
    "two points": (swapped(b" 0.01 ", b" 0.0.1 "), "`0.0.1` is not a number."),
    "a slash": (swapped(b" 0.01 ", b" 0/01 "), "`0/01` is not a number."),
    "only a sign": (swapped(b" 0.01 ", b" - "), "`-` is not a number."),
    "only a point": (swapped(b" 0.01 ", b" . "), "`.` is not a number."),
    "no exponent": (swapped(b" 0.01 ", b" 1e "), "`1e` is not a number."),
    "infinite": (swapped(b" 0.01 ", b" inf "), "`inf` is not a number."),
    "a far coordinate": (swapped(b"\n25\n", b"\n25\n1.1e12 "), "`1.1e12` is no coordinate in metres"),
    "an endless coordinate": (swapped(b"\n25\n", b"\n25\n-1e999 "), "the largest allowed is 1e+12"),
    "more after the end": (SMALL + b"0\n", "`0` follows the last of 3 frames, where only blanks may follow."),
    "a zero byte": (SMALL + b"\0", r"`\x00` follows the last of 3 frames"),
    "zero bytes within": (swapped(b" 0.01 ", b" \0 "), r"`\x00` is not a number."),
    "binary": (bytes(range(128, 256)) * 9, "line 1 (byte 0, frame 1): `\\x80"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_words_that_help(fault: str) -> None:
    data, words = FAULTS[fault]
    refused(lambda: parse(data), NAME, words)


def test_the_position_of_a_fault_is_named() -> None:
    data = swapped(b" 0.01 ", b" x ")
    with pytest.raises(BadFile, match=rf"line 3 \(byte {data.index(b'x')}, frame 1\): `x` is not a number"):
        parse(data)


@pytest.mark.parametrize("name", ["S001C001P001R001A000", "S001C001P001R001A121", "a01_s01_e00_v01", f"{NAME} (1)"])
def test_names_outside_the_rule_are_refused(name: str) -> None:
    with pytest.raises(BadFile, match="the name is not SsssCcccPpppRrrrAaaa .* an action from 1 to 120"):
        parse(SMALL, name)


@pytest.mark.parametrize("packed", ["folders", "zips"])
def test_both_archives_are_found_packed_or_not(tmp_path: Path, packed: str) -> None:
    for folder, name in (("nturgb+d_skeletons", NAME), ("nturgb+d_skeletons120", NAME.replace("S001", "S018"))):
        if packed == "folders":
            (tmp_path / folder).mkdir()
            (tmp_path / folder / f"{name}.skeleton").write_bytes(SMALL)
        else:
            with zipfile.ZipFile(tmp_path / f"{folder}.zip", "w") as archive:
                archive.writestr(f"{folder}/{name}.skeleton", SMALL)
    assert [source.name[:4] for source in find(FindRequest(tmp_path, dataset("ntu120"))).sources] == ["S001", "S018"]


def test_nothing_found_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(PrepError, match=r"holds no .*\.skeleton.*Register at https://rose1\.ntu\.edu\.sg"):
        detect_format("", tmp_path, dataset("ntu120"), {}, tmp_path)


JUNK = st.binary(min_size=0, max_size=4) | st.sampled_from(
    [b" ", b"\n", b"-", b".", b"e5", b"nan", b"0", b"25", b"\n1"]
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(SMALL)), st.integers(0, 30), JUNK, st.booleans())
def test_mutilated_files_are_refused_or_read_as_the_plain_reader_does(
    start: int, removed: int, junk: bytes, cut: bool
) -> None:
    data = SMALL[:start] + junk + (b"" if cut else SMALL[start + removed :])
    try:
        recording = parse(data)
    except BadFile:
        return
    assert recording.bodies_per_frame.sum() == len(recording.body_id) == len(recording.joints)
    try:
        assert_as_plain(recording, data)
    except (ValueError, IndexError):
        return  # the plain reader needs the numbers line by line
