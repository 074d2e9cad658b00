"""The Kinetics-skeleton reader: clips, label files, and every way to break them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.plain_kinetics import clip, person, plain_link, pose, text
from helpers.refusals import refused
from helpers.shared import shared
from helpers.shell import Shell

from manifests.facts import dataset, layout
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, detect_format
from prep.readers.kinetics import LABEL_FILES, MOST_BYTES, MOST_FRAMES, MOST_PEOPLE, find, read
from prep.untrusted.files import load_bytes

NAMES = ["--07WQ2iBlw", "-abc_DEF-12", "_0000000000", "__u6odV5hrI", "a0000000000"]
FACTS = dataset("kinetics")


def parse(value: Any, name: str = NAMES[2], label: int = -1) -> Recording:
    data = value if isinstance(value, bytes) else text(value)
    return read(Source(name, f"{name}.json", "", len(data), "", label), data, FACTS)


def labelled(**rows: Any) -> dict[str, Any]:
    return {name: {"has_skeleton": True, "label": FACTS.classes[n], "label_index": n} for name, n in rows.items()}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The first two names for training and the others for validation, one class each, with both label files."""
    for half, names in (("train", NAMES[:2]), ("val", NAMES[2:])):
        (tmp_path / f"kinetics_{half}").mkdir()
        rows = {name: NAMES.index(name) for name in names}
        for name, index in rows.items():
            made = clip([[pose(index)], [pose(index)]], FACTS.classes[index], index)
            (tmp_path / f"kinetics_{half}" / f"{name}.json").write_bytes(text(made))
        (tmp_path / f"kinetics_{half}_label.json").write_bytes(text(labelled(**rows)))
    return tmp_path


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    path.write_bytes(text(edit(json.loads(path.read_bytes()))))


def names_and_labels(result: FindResult) -> dict[str, int]:
    return {source.name: source.label for source in result.sources}


# --- one clip ---


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_is_every_pose_of_every_frame(name: str) -> None:
    frames = [[pose(1), pose(2, x=0.9)], [], [pose(2, x=0.9), pose(1)], [pose(number) for number in range(11)]]
    recording = parse(clip(frames, "parkour", 207), name, label=207)
    assert (recording.name, recording.label, recording.subject, recording.camera) == (name, 207, -1, -1)
    assert recording.bodies_per_frame.tolist() == [2, 0, 2, 11]
    assert recording.body_id.tolist() == [track for tracks in plain_link(frames) for track in tracks]
    assert (recording.joints.dtype, recording.joints.shape) == (np.float32, (15, 18, 3))
    np.testing.assert_array_equal(recording.joints, np.float32([joints for people in frames for joints in people]))


@pytest.mark.parametrize("frames", [0, 1, 300])
def test_a_clip_may_have_no_people(frames: int) -> None:
    recording = parse(clip([[]] * frames))
    assert (recording.frames, recording.joints.shape, recording.body_id.shape) == (frames, (0, 18, 3), (0,))


def test_whole_numbers_are_numbers_too_and_a_little_beyond_the_image_is_fine() -> None:
    joints = [(0, 1, 1), (1.04, -0.02, 1.18), (0, 0, 0)] * 6
    recording = parse(clip([[joints]]))
    np.testing.assert_array_equal(recording.joints[0], np.float32(joints))


def test_a_label_file_that_disagrees_is_named_with_both_classes() -> None:
    words = r"is labelled 0 \(abseiling\) inside and 207 \(parkour\) in the label file\. Fetch both again\."
    with pytest.raises(BadFile, match=f"^{NAMES[2]}: {words}"):
        parse(clip([]), label=207)


def frame(**changed: Any) -> dict[str, Any]:
    return clip([]) | {"data": [{"frame_index": 1, "skeleton": []}, {"frame_index": 2, "skeleton": []} | changed]}


def someone(**changed: Any) -> dict[str, Any]:
    return frame(skeleton=[person(pose(0)), person(pose(1)) | changed])


def without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name != key}


SCORES = [0.5] * 17
POSE = "frame 2, person 2: `pose` is "
SCORE = "frame 2, person 2: `score` is "
FAULTS = {
    "not JSON": (b"hello", "is not readable as JSON: "),
    "empty": (b"", "is not readable as JSON: "),
    "cut": (text(someone())[:-30], "is not readable as JSON: "),
    "no text": (b"\xff\xfe{}", "is not readable as JSON: "),
    "deep": (b'{"data": ' + b"[" * 5000 + b"]" * 5000 + b"}", "is not readable as JSON: depth limit exceeded"),
    "a list": ([clip([])], "is not a JSON object."),
    "large": (b" " * (MOST_BYTES + 1), f"has {MOST_BYTES + 1} bytes; such a file has at most {MOST_BYTES}."),
    "no label": (without(clip([]), "label"), "`label` is None, but `label_index` 0 is 'abseiling'."),
    "no label_index": (without(clip([]), "label_index"), "`label_index` is None; it must be 0 to 399."),
    "label -1": (clip([], index=-1), "`label_index` is -1; it must be 0 to 399."),
    "label 400": (clip([], index=400), "`label_index` is 400; it must be 0 to 399."),
    "label true": (clip([]) | {"label_index": True}, "`label_index` is True"),
    "label 0.0": (clip([]) | {"label_index": 0.0}, "`label_index` is 0.0"),
    "long label": (clip([]) | {"label_index": "x" * 10**6}, "`label_index` is 'xxxxxxxxxxxx...xxxxxxxxxxxxx'; it"),
    "another's name": (clip([], "parkour", 0), "`label` is 'parkour', but `label_index` 0 is 'abseiling'."),
    "unknown name": (clip([], "flying", 0), "`label` is 'flying', but `label_index` 0 is 'abseiling'."),
    "no data": (without(clip([]), "data"), f"`data` is not a list of at most {MOST_FRAMES} frames."),
    "data an object": (clip([]) | {"data": {}}, "`data` is not a list of at most"),
    "long": (clip([[]] * (MOST_FRAMES + 1)), f"`data` is not a list of at most {MOST_FRAMES} frames."),
    "frame a number": (clip([]) | {"data": [1]}, "frame 1 of `data` is no object with a whole number `frame_index`."),
    "no frame_index": (clip([]) | {"data": [{"skeleton": []}]}, "is no object with a whole number `frame_index`."),
    "frame true": (frame(frame_index=True), "frame 2 of `data` is no object with a whole number `frame_index`."),
    "frame 2.0": (frame(frame_index=2.0), "frame 2 of `data` is no object with a whole number `frame_index`."),
    "from 0": (
        clip([]) | {"data": [{"frame_index": 0}]},
        "frame 1 of `data` has `frame_index` 0; frames count 1, 2, 3",
    ),
    "gap": (frame(frame_index=3), "frame 2 of `data` has `frame_index` 3; frames count 1, 2, 3, ...."),
    "twice": (frame(frame_index=1), "frame 2 of `data` has `frame_index` 1; frames count 1, 2, 3, ...."),
    "negative": (frame(frame_index=-2), "frame 2 of `data` has `frame_index` -2; frames count"),
    "no skeleton": (clip([]) | {"data": [{"frame_index": 1}]}, "frame 1: `skeleton` is not a list of at most"),
    "skeleton null": (frame(skeleton=None), f"frame 2: `skeleton` is not a list of at most {MOST_PEOPLE} people."),
    "a crowd": (frame(skeleton=[{}] * (MOST_PEOPLE + 1)), f"is not a list of at most {MOST_PEOPLE} people."),
    "person a list": (frame(skeleton=[[]]), "frame 2: `skeleton` holds what is no object with pose and score."),
    "no pose": (frame(skeleton=[{"score": [0.5] * 18}]), "frame 2, person 1: `pose` is None; it must be 36 numbers"),
    "no score": (frame(skeleton=[{"pose": [0.5] * 36}]), "frame 2, person 1: `score` is None; it must be 18 numbers"),
    "35 numbers": (someone(pose=[0.5] * 35), POSE + "[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...]; it must be 36 numbers up to"),
    "37 numbers": (someone(pose=[0.5] * 37), POSE),
    "17 scores": (someone(score=SCORES), SCORE + "[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...]; it must be 18 numbers up to 10"),
    "nested": (someone(score=[*SCORES, [0.5]]), SCORE),
    "pairs": (someone(pose=[[0.5, 0.5]] * 18), POSE),
    "text": (someone(score=[*SCORES, "0.5"]), SCORE),
    "null": (someone(score=[*SCORES, None]), SCORE),
    "true": (someone(score=[*SCORES, True]), SCORE),
    "an object": (someone(pose={"x": 1}), POSE + "{'x': 1}"),
    "pixels": (someone(pose=[120.5] * 36), "it must be 36 numbers up to 10, fractions of the image."),
    "huge": (someone(pose=[1e300] * 36), POSE),
    "a huge integer": (someone(pose=[10**40] * 36), POSE),
    "far left": (someone(pose=[-11] * 36), POSE),
    "NaN": (someone(score=[*SCORES, float("nan")]), "is not readable as JSON: "),
    "Infinity": (someone(score=[*SCORES, float("inf")]), "is not readable as JSON: "),
    "1e999": (text(clip([])).replace(b'"label_index": 0', b'"label_index": 1e999'), "is not readable as JSON: "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_words_that_help(fault: str) -> None:
    value, words = FAULTS[fault]
    refused(lambda: parse(value), NAMES[2], words)


@pytest.mark.parametrize(
    "name", ["short", "__u6odV5hrI_000001_000011", "ünicode-123", "__u6odV5hr.", "kinetics_test_label"]
)
def test_other_files_are_reported_by_name(name: str) -> None:
    with pytest.raises(BadFile, match="the name is not the 11 characters of a video's id. Move the file away."):
        parse(clip([]), name)


def test_finding_clips_compiles_nothing() -> None:
    script = "import sys, prep.readers.kinetics; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"


# --- a folder ---


def test_both_halves_are_found_with_their_labels(raw: Path) -> None:
    result = find(FindRequest(raw, FACTS))
    assert names_and_labels(result) == {name: index for index, name in enumerate(NAMES)}
    assert result.bad == ()
    assert result.notes == (
        ("kinetics_train_label.json", "lists 2 clips with a skeleton, of which 2 are here"),
        ("kinetics_val_label.json", "lists 3 clips with a skeleton, of which 3 are here"),
    )
    recordings = [read(source, load_bytes(source), FACTS) for source in result.sources]
    assert [recording.label for recording in recordings] == [0, 1, 2, 3, 4]


def test_one_half_alone_is_fine_and_zips_may_stay_packed(raw: Path, tmp_path: Path) -> None:
    assert list(names_and_labels(find(FindRequest(raw / "kinetics_val", FACTS))).values()) == [-1, -1, -1]
    with zipfile.ZipFile(tmp_path / "kinetics_train.zip", "w") as archive:
        for path in sorted((raw / "kinetics_train").iterdir()):
            archive.write(path, f"kinetics_train/{path.name}")
            path.unlink()
    result = find(FindRequest(raw, FACTS))
    assert list(names_and_labels(result).items())[:2] == [(NAMES[0], 0), (NAMES[1], 1)]
    assert result.sources[1].member == "kinetics_train/-abc_DEF-12.json"


def test_clips_that_are_not_here_are_counted_and_no_fault(raw: Path) -> None:
    (raw / "kinetics_val" / "__u6odV5hrI.json").unlink()
    result = find(FindRequest(raw, FACTS))
    assert (len(result.sources), result.bad) == (4, ())
    assert result.notes[1][1] == "lists 3 clips with a skeleton, of which 2 are here"


def test_clips_without_a_skeleton_are_left_out_and_counted(raw: Path) -> None:
    change(raw / "kinetics_val_label.json", lambda rows: rows | {NAMES[3]: rows[NAMES[3]] | {"has_skeleton": False}})
    result = find(FindRequest(raw, FACTS))
    assert [source.name for source in result.sources] == [*NAMES[:3], NAMES[4]]
    assert result.bad == ()
    note = "lists 2 clips with a skeleton, of which 2 are here; 1 that are here have none and are left out"
    assert result.notes[1][1] == note


def test_a_clip_that_no_label_file_lists_says_its_own_label(raw: Path) -> None:
    change(raw / "kinetics_val_label.json", lambda rows: without(rows, NAMES[3]))
    result = find(FindRequest(raw, FACTS))
    assert names_and_labels(result)[NAMES[3]] == -1
    assert read(result.sources[3], load_bytes(result.sources[3]), FACTS).label == 3


ROWS = {
    "unknown class": ({"label": "flying"}, "`label` is 'flying', but `label_index` 3 is 'applauding'. Fetch"),
    "label -1": ({"label_index": -1}, "`label_index` is -1; it must be 0 to 399. Fetch the file again."),
    "label 400": ({"label_index": 400}, "`label_index` is 400; it must be 0 to 399. Fetch the file again."),
    "has_skeleton 1": ({"has_skeleton": 1}, "a row has has_skeleton (true or false), label and label_index. Fetch"),
}


@pytest.mark.parametrize("fault", ROWS)
def test_a_wrong_row_of_a_label_file_is_bad_and_the_others_are_not(raw: Path, fault: str) -> None:
    changed, words = ROWS[fault]
    change(raw / "kinetics_val_label.json", lambda rows: rows | {NAMES[3]: rows[NAMES[3]] | changed})
    result = find(FindRequest(raw, FACTS))
    assert [source.name for source in result.sources] == [*NAMES[:3], NAMES[4]]
    ((name, reason),) = result.bad
    assert name == NAMES[3]
    assert reason.startswith(f"{NAMES[3]} in kinetics_val_label.json: ")
    assert words in reason


def test_label_files_that_disagree_are_bad_and_those_that_agree_are_not(raw: Path) -> None:
    both = {**labelled(**{NAMES[3]: 3, NAMES[4]: 0})}
    change(raw / "kinetics_train_label.json", lambda rows: rows | both)
    assert find(FindRequest(raw, FACTS)).bad == (
        (NAMES[4], f"{NAMES[4]}: the two label files disagree about it. Fetch them again."),
    )


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": ', b"[" * 5000])
def test_an_unreadable_label_file_is_named_and_its_clips_are_found(raw: Path, data: bytes) -> None:
    (raw / "kinetics_val_label.json").write_bytes(data)
    result = find(FindRequest(raw, FACTS))
    assert list(names_and_labels(result).values()) == [0, 1, -1, -1, -1]
    ((name, reason),) = result.bad
    assert name == "kinetics_val_label.json"
    assert reason.startswith("kinetics_val_label: is not ")
    assert reason.endswith("Fetch the file again. Or move it away: clips contain their labels too.")


def test_one_name_in_both_halves_is_an_error_that_names_both(raw: Path) -> None:
    (raw / "kinetics_val" / f"{NAMES[0]}.json").write_bytes(b"{}")
    with pytest.raises(PrepError, match=r"--07WQ2iBlw\.json and .*--07WQ2iBlw\.json have the same name\. Move one"):
        find(FindRequest(raw, FACTS))


def test_label_files_alone_are_no_clips(raw: Path, tmp_path: Path) -> None:
    for path in raw.rglob("*.json"):
        if path.stem not in LABEL_FILES:
            path.unlink()
    assert find(FindRequest(raw, FACTS)) == FindResult(())
    with pytest.raises(PrepError, match="holds no kinetics_train/<id>.json or kinetics_val/<id>.json"):
        detect_format("", raw, FACTS, {}, tmp_path / "scratch")


# --- facts, the command, real files ---


def test_the_facts_agree_with_the_format() -> None:
    openpose = layout(FACTS.layout)
    assert (len(FACTS.classes), FACTS.fps, FACTS.unit, FACTS.labels) == (400, 30, openpose.unit, "files")
    assert (len(openpose.joints), openpose.coordinates) == (18, 3)
    assert list(FACTS.classes) == sorted(FACTS.classes)
    assert FACTS.classes == tuple(shared("data/facts/kinetics400.txt").read_text().splitlines())


def test_the_command_builds_and_lists_what_is_bad(raw: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FSPREP_HOME", str(tmp_path / "home"))
    change(raw / "kinetics_train" / f"{NAMES[1]}.json", lambda clip: clip | {"label": "parkour", "label_index": 207})
    build = ["fsprep", "build", "kinetics", "--raw", str(raw), "--workers", "1", "--out", str(tmp_path / "k.zarr")]
    stopped = Shell()(build)
    assert stopped.exit_code == 3
    assert "1 bad; everything else is converted" in stopped.output
    assert "-abc_DEF-12: is labelled 207 (parkour) inside and 1 (air drumming) in the label file." in stopped.output
    done = Shell()([*build, "--allow-bad"])
    assert done.exit_code == 0, done.output
    assert "4 clips, 8 frames of (M, V, C) = (2, 18, 3)" in done.output
    assert Shell()(["fsprep", "verify", str(tmp_path / "k.zarr")]).exit_code == 0


def test_real_clips_are_as_measured() -> None:
    result = find(FindRequest(shared("data/kinetics-skeleton"), FACTS))
    assert result.bad == ()
    assert result.notes[0][1].startswith("lists 19796 clips with a skeleton, of which ")
    read_all = {source.name: read(source, load_bytes(source), FACTS) for source in result.sources}
    facts = {name: (one.label, one.frames, int(one.bodies_per_frame.max())) for name, one in read_all.items()}
    assert facts == {
        "__NrybzYzUg": (0, 299, 2),
        "__PYrzYbzKE": (173, 299, 11),
        "__U_scuxNlQ": (58, 299, 2),
        "__lt03EF4ao": (208, 249, 9),
        "__u6odV5hrI": (207, 299, 2),
    }
    for one in read_all.values():
        missing = one.joints[..., 2] == 0
        assert not one.joints[missing].any()
        assert 0.12 < missing.mean() < 0.76
        assert one.joints.max() < 1.2
    own = [read(replace(source, label=-1), load_bytes(source), FACTS).label for source in result.sources]
    assert own == [source.label for source in result.sources]
