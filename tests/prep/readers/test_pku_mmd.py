"""PKU-MMD: lines of labels become clips with exactly their frames; faults are listed line by line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.built import built, clips_of
from helpers.shared import shared
from helpers.synthetic_pku import label_text, recording, skeleton_text, write
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.facts import dataset
from prep.building.build import BadFiles
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, detect_format
from prep.readers import pku_mmd
from prep.readers.pku_mmd import Options, find, load, read
from prep.untrusted.files import without_mark

ONE, TWO = dataset("pku_mmd"), dataset("pku_mmd_2")
ROWS = [(7, 1, 10, 1), (51, 21, 40, 2), (1, 40, 60, 1)]
JOINTS = recording(60)
SKELETON, LABELS = skeleton_text(JOINTS), label_text(ROWS)
STEM = "0002-L"


def lay(root: Path, labels: bytes = LABELS, skeleton: bytes = SKELETON, packed: bool = False) -> Path:
    files = {f"PKU_Skeleton_Renew/{STEM}.txt": skeleton, f"Train_Label_PKU_final/{STEM}.txt": labels}
    return write(root, files, packed)


def found(root: Path, **options: str) -> FindResult:
    return find(FindRequest(root, ONE, Options(**options)))  # type: ignore[arg-type]


def clips(root: Path, **options: str) -> list[Recording]:
    return [read(source, load(source), ONE) for source in found(root, **options).sources]


def assert_shows(clip: Recording, joints: np.ndarray) -> None:
    """The clip has exactly these (L, 2, 25, 3), zeros being nobody."""
    rows = [(frame, body) for frame in range(len(joints)) for body in (0, 1) if joints[frame, body].any()]
    assert clip.bodies_per_frame.tolist() == [sum(frame == at for at, _ in rows) for frame in range(len(joints))]
    assert clip.body_id.tolist() == [body for _, body in rows]
    np.testing.assert_array_equal(clip.joints, np.array([joints[row] for row in rows], np.float32).reshape(-1, 25, 3))


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_of_labels_is_a_clip(tmp_path: Path, packed: bool) -> None:
    got = clips(lay(tmp_path, packed=packed))
    assert [clip.name for clip in got] == ["0002-L_001", "0002-L_002", "0002-L_003"]
    assert [clip.label for clip in got] == [6, 50, 0]
    for clip, (_, start, end, _) in zip(got, ROWS, strict=True):
        assert_shows(clip, JOINTS[start - 1 : end])
        assert (clip.setup, clip.camera, clip.subject, clip.repetition) == (2, 1, -1, -1)
        assert clip.joints.dtype == np.float32


@pytest.mark.parametrize(
    ("cut", "frames"),
    [
        ("one_based_inclusive", slice(20, 40)),
        ("zero_based_half_open", slice(21, 40)),
        ("zero_based_inclusive", slice(21, 41)),
    ],
)
def test_the_cut_is_a_choice(tmp_path: Path, cut: str, frames: slice) -> None:
    assert_shows(clips(lay(tmp_path, label_text(ROWS[:2])), cut=cut)[1], JOINTS[frames])


@pytest.mark.parametrize("folders", [("skeletons", "label"), ("x/Skeleton", "x/LABELS/train"), ("a", "b")])
def test_phase_two_and_other_folders(tmp_path: Path, folders: tuple[str, str]) -> None:
    skeletons, labels = folders
    write(tmp_path, {f"{skeletons}/A10N08-R.txt": SKELETON, f"{labels}/A10N08-R.txt": label_text(ROWS[:1])})
    (source,) = find(FindRequest(tmp_path, TWO)).sources
    clip = read(source, load(source), TWO)
    assert (clip.name, clip.label, clip.setup, clip.subject, clip.camera) == ("A10N08-R_001", 6, 10, 8, 3)
    assert_shows(clip, JOINTS[:10])


@pytest.mark.parametrize("line_end", ["\n", "\r\n", " \r\n", "\n\n"])
def test_line_ends_and_blank_lines_of_labels(tmp_path: Path, line_end: str) -> None:
    skeleton = skeleton_text(JOINTS, line_end.replace("\n\n", "\n")) + b"\n \r\n"
    got = clips(lay(tmp_path, label_text(ROWS, line_end), skeleton))
    assert [clip.frames for clip in got] == [10, 20, 21]
    assert_shows(got[2], JOINTS[39:60])


BAD_LINES = {
    "7,1": "is not action,start,end,confidence, four integers",
    "7,1,10": "is not action,start,end,confidence",
    "7,1,10,1,1": "is not action,start,end,confidence",
    "7,1,1e1,1": "is not action,start,end,confidence",
    "7.0,1,10,1": "is not action,start,end,confidence",
    "7,nan,10,1": "is not action,start,end,confidence",
    "7,1,99999999999999999999,1": "is not action,start,end,confidence",
    "7 1 10 1": "is not action,start,end,confidence",
    "\0\0,\x80": "`\\x00\\x00,\\x80` is not action,start,end,confidence",
    "0,1,10,1": "names action 0; actions are 1 to 51. Fix the line.",
    "52,1,10,1": "names action 52; actions are 1 to 51",
    "-7,1,10,1": "names action -7",
    "7,10,9,1": "is reversed: it ends before it starts. Fix the line.",
    "7,0,9,1": "denotes no frames with this `cut`. Fix the line or try another `--option cut=`.",
    "7,-5,9,1": "denotes no frames",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_is_named_and_the_others_stay(tmp_path: Path, line: str) -> None:
    labels = b"\n".join([b"7,1,10,1", line.encode("latin-1"), b"1,40,60,1"])
    result = found(lay(tmp_path, labels))
    assert [source.name for source in result.sources] == ["0002-L_001", "0002-L_003"]
    ((name, reason),) = result.bad
    assert name == "0002-L_002"
    assert f"Train_Label_PKU_final/{STEM}.txt: line 2: `" in reason
    assert BAD_LINES[line] in reason


def test_an_empty_cut_is_no_clip(tmp_path: Path) -> None:
    lay(tmp_path, b"7,10,10,1")
    assert [clip.frames for clip in clips(tmp_path)] == [1]
    assert "denotes no frames" in found(tmp_path, cut="zero_based_half_open").bad[0][1]


def test_oddities_are_noted_and_used(tmp_path: Path) -> None:
    result = found(lay(tmp_path, b"7,1,30,1\n8,31,40,0\n9,5,35,2\n10,36,37,3\n"))
    assert (len(result.sources), result.bad) == (4, ())
    assert set(result.notes) == {
        ("0002-L_002", "confidence is 0; it should be 1 or 2"),
        ("0002-L_004", "confidence is 3; it should be 1 or 2"),
        ("0002-L_003", "overlaps 0002-L_001: frames 5 to 30 belong to both"),
        ("0002-L_002", "overlaps 0002-L_003: frames 31 to 35 belong to both"),
        ("0002-L_004", "overlaps 0002-L_002: frames 36 to 37 belong to both"),
    }


def test_rows_beyond_the_file_are_bad_one_by_one(tmp_path: Path) -> None:
    last, beyond, far = found(lay(tmp_path, b"7,51,60,1\n7,52,61,1\n7,900,999999999,1\n")).sources
    assert_shows(read(last, load(last), ONE), JOINTS[50:60])
    with pytest.raises(
        BadFile, match=r"0002-L_002: .*0002-L.txt: the label file names frames 52 to 61, the skeleton file has 60"
    ):
        load(beyond)
    with pytest.raises(BadFile, match="Fix the label file or try another `--option cut=`"):
        load(far)


def test_a_file_without_its_other_half(tmp_path: Path) -> None:
    write(tmp_path, {"skeleton/0003-M.txt": SKELETON, "label/0004-R.txt": LABELS})
    result = found(lay(tmp_path))
    assert len(result.sources) == 3
    assert result.notes[0] == ("0003-M", "has no label file, so no clip is cut from it")
    ((name, reason),) = result.bad
    assert (name, "there is no skeleton file with that name" in reason) == ("0004-R", True)


def test_no_labels_at_all_stops(tmp_path: Path) -> None:
    write(tmp_path, {"skeleton/0003-M.txt": SKELETON})
    with pytest.raises(PrepError, match="1 skeleton files and no label file. Add the folder of label files"):
        found(tmp_path)


def test_two_of_one_name_and_files_in_the_wrong_folder(tmp_path: Path) -> None:
    write(tmp_path / "w", {"skeleton/0002-L.txt": LABELS, "label/0002-L.txt": SKELETON})
    assert [reason.split(": ")[1] for _, reason in found(tmp_path / "w").bad] == [
        "looks like a skeleton file and is in a folder of labels. Move it.",
        "looks like a label file and is in a folder of skeletons. Move it.",
    ]
    write(lay(tmp_path / "t"), {"again/0002-L.txt": SKELETON})
    with pytest.raises(PrepError, match=r"again/0002-L.txt are skeleton files of the same name. Move one of them away"):
        found(tmp_path / "t")


def test_other_files_are_not_looked_at(tmp_path: Path) -> None:
    lay(tmp_path)
    write(tmp_path, {"Split/cross-subject.txt": b"Training videos:\n0002-L, ", "label/readme.txt": b"hello"})
    assert len(found(tmp_path).sources) == 3
    with pytest.raises(PrepError, match="holds no skeletons and labels XXXX-V.txt or AaaNnn-V.txt"):
        detect_format("", tmp_path, TWO, {}, tmp_path)


def test_a_label_file_of_another_size_is_not_read(tmp_path: Path) -> None:
    result = found(lay(tmp_path, b"7,1,10,1\n" * 10_000))
    assert (result.sources, result.bad[0][0]) == ((), STEM)
    assert "90000 bytes are too many for a label file" in result.bad[0][1]


WORDS = SKELETON.split(b" ")
FAULTS = {
    "cut in the last line": (SKELETON.rstrip()[:-10], "line 60: 149 numbers; a frame has 150."),
    "a number more": (SKELETON.replace(b"\n", b" 1\n", 1), "0002-L.txt: line 1: 151 numbers"),
    "a word": (SKELETON.replace(WORDS[200], b"left", 1), "line 2: `left` is not a number"),
    "infinite": (SKELETON.replace(WORDS[200], b"inf", 1), "`inf` is not a number"),
    "endless": (SKELETON.replace(WORDS[200], b"1e999", 1), "`1e999` is no coordinate"),
    "far": (SKELETON.replace(WORDS[200], b"-1.1e12", 1), "the largest allowed is 1e+12"),
    "nan": (SKELETON.replace(WORDS[200], b"nan", 1), "line 2: a number is not finite."),
    "a zero byte": (SKELETON.replace(WORDS[200], b"\0", 1), r"`\x00` is not a number"),
    "commas": (b"1 1 1 1 1\n" + SKELETON.replace(b" ", b","), "line 1 is too short for 150 numbers"),
    "blank line": (SKELETON.replace(b"\n", b"\n\n", 1), "line 2 is too short for 150 numbers"),
    "blank first line": (b"\n" + SKELETON, "line 1 is too short"),
    "short line": (SKELETON + b"1 2 3\n", "line 61 is too short"),
    "only short lines": (b"1 2\n" * 10**6, "most lines are too short for 150 numbers"),
    "empty": (b"", "is empty. Fetch it again."),
    "binary": (bytes(range(128, 256)) * 20, "is too short|the skeleton file has|is not a number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_words_that_help(tmp_path: Path, fault: str) -> None:
    data, words = FAULTS[fault]
    (source,) = found(lay(tmp_path, b"7,1,60,1", data)).sources
    with pytest.raises(BadFile) as caught:
        read(source, load(source), ONE)
    assert any(word in str(caught.value) for word in words.split("|"))
    assert "Fetch" in str(caught.value) or "Fix" in str(caught.value)


def test_a_file_is_read_once_for_all_its_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = found(lay(tmp_path)).sources
    reads: list[Source] = []
    monkeypatch.setattr(pku_mmd, "load_text", lambda source: reads.append(source) or SKELETON)
    parts = [load(source) for source in sources]
    assert len(reads) == 1
    assert parts[0] == b"".join(SKELETON.splitlines(keepends=True)[:10])


def test_a_real_recording() -> None:
    path = shared("data/pku_mmd/A10N08-L.txt")
    data = path.read_bytes()
    source = Source("A10N08-L_001", str(path), "", len(data), "1", 3, (0, 1040))
    clip = read(source, load(source), TWO)
    plain = np.loadtxt(path, np.float32).reshape(-1, 2, 25, 3)
    assert (plain.shape[0], int((~plain[:, 1].any(axis=(1, 2))).sum())) == (1040, 312)
    assert_shows(clip, plain)
    assert (float(clip.joints.min()).__round__(2), float(clip.joints.max()).__round__(2)) == (-1.0, 3.27)


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e11, 1e11, allow_nan=False))
def test_every_float_is_read_as_python_reads_it(value: float) -> None:
    words = [f"{value:.6f}", f"{value % 10:.6f}", f"{value!r}", f"{-value:.3e}", f"{value % 10:.5f}", "1.0000001"]
    data = " ".join((words * 25)[:150]).encode()
    got = read(Source("0002-L_001", "", "", 0, "", 0, (0, 1)), data, ONE).joints.ravel()[:6]
    np.testing.assert_allclose(got, [np.float32(float(word)) for word in words], rtol=1.2e-7, atol=2e-45)


JUNK = st.binary(max_size=4) | st.sampled_from([b" ", b"\n", b"-", b".", b"e5", b"nan", b",", b"\r", b"\n\n"])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 2000), JUNK)
def test_mutilated_frames_are_refused_or_read_as_python_does(start: int, removed: int, junk: bytes) -> None:
    data = SKELETON[:start] + junk + SKELETON[start + removed : 5000]
    try:
        clip = read(Source("0002-L_001", "", "", 0, "", 0, (0, 9)), data, ONE)
    except BadFile:
        return
    rows = [[float(word) for word in line.split()] for line in data.decode("latin-1").split("\n") if line.strip()]
    assert_shows(clip, np.array(rows, np.float32).reshape(-1, 2, 25, 3))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text("0123456789,-. \n\r", max_size=60).map(str.encode))
def test_any_label_file_gives_clips_or_reasons(tmp_path_factory: pytest.TempPathFactory, labels: bytes) -> None:
    result = found(lay(tmp_path_factory.mktemp("any"), labels))
    try:
        text = without_mark(labels, "")
    except BadFile:
        text = b"damaged"
    lines = [line for line in text.decode("latin-1").split("\n") if line.strip()]
    assert len(result.sources) + len(result.bad) >= min(1, len(lines))
    assert all(0 <= source.rows[0] < source.rows[1] and 0 <= source.label < 51 for source in result.sources)


def test_the_whole_way_to_a_store(tmp_path: Path) -> None:
    labels = label_text([*ROWS, *[(2, 10, 12, 1)] * 17, (1, 1, 9, 1), (5, 55, 61, 1)])
    files = {"PKU_Skeleton_Renew/0043-L.txt": SKELETON, "Train_Label_PKU_final/0043-L.txt": labels}
    write(lay(tmp_path / "raw"), files)
    with pytest.raises(BadFiles, match="0043-L_022: .* the label file names frames 55 to 61, the skeleton file has 60"):
        built("pku_mmd", tmp_path / "raw")
    store = built("pku_mmd", tmp_path / "raw", allow_bad=True)
    clips = clips_of(store)
    assert [name for name in clips if name.startswith("0002")] == ["0002-L_001", "0002-L_002", "0002-L_003"]
    assert len(clips) == 3 + 20
    for label, name, (action, start, end, _) in zip(store.label, clips, ROWS, strict=False):
        assert label == action - 1
        np.testing.assert_array_equal(clips[name], JOINTS[start - 1 : end].astype(np.float32))
    assert [name for name, _ in store.info.left_out] == ["0043-L_022"]
    assert ("0043-L_021", "left out: no usable skeleton (STAR_pp; a bow)") in store.info.notes
    assert ("0002-L_003", "overlaps 0002-L_002: frames 40 to 40 belong to both") in store.info.notes
    assert store.info.unverified.startswith("no label file was at hand")
    other = built("pku_mmd", tmp_path / "raw", True, "ctrgcn", cut="zero_based_half_open")
    assert (len(other), other.info.options) == (24 - 1, {"cut": "zero_based_half_open"})
