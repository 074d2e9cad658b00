"""The demo dataset: the content of its files, continued runs, and folders that are refused."""

from __future__ import annotations

import errno
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from manifests.facts import dataset
from prep import files
from prep.demo.generate import CLASSES, MOST, SKELETONS, VIDEOS, generate, plan
from prep.errors import PrepError
from prep.files import LOCK, locked
from prep.formats import FindRequest
from prep.progress import Step, result
from prep.readers import ntu

FIELDS = {"setup": slice(1, 4), "camera": slice(5, 8), "subject": slice(9, 12), "repetition": slice(13, 16)}


def rows(path: Path) -> list[list[list[str]]]:
    """A plain second reading of the format: frames of bodies of their 26 lines (the body's own, then 25 joints)."""
    lines = path.read_text(encoding="ascii").splitlines()
    frames, at = [], 1
    for _ in range(int(lines[0])):
        bodies = int(lines[at])
        block = lines[at + 1 : at + 1 + 27 * bodies]
        assert all(block[27 * body + 1] == "25" for body in range(bodies))
        frames.append([[block[27 * body], *block[27 * body + 2 : 27 * body + 27]] for body in range(bodies)])
        at += 1 + 27 * bodies
    assert at == len(lines)
    return frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("demo") / "raw"
    assert [step.done for step in generate(where, clips=72)] == list(range(1, 73))
    return where


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_classes_are_the_manifest_s() -> None:
    assert dataset("demo").classes == CLASSES


def test_plan_is_even_unique_and_grows() -> None:
    names = plan(960)
    assert plan(100) == names[:100]
    assert set(Counter(name[-4:] for name in names).values()) == {40}
    for field, most in {"camera": 3, "subject": 20, "repetition": 2, "setup": 4}.items():
        counts = Counter(name[FIELDS[field]] for name in names)
        assert len(counts) == most
        assert max(counts.values()) - min(counts.values()) <= 24
    everything = plan(MOST)
    assert len(set(everything)) == MOST > 100_000
    assert {len(name) for name in everything} == {20}


@pytest.mark.parametrize("clips", [0, -3, MOST + 1])
def test_impossible_numbers_of_clips(clips: int) -> None:
    with pytest.raises(PrepError, match=f"clips = {clips}: a demo has between 1 and {MOST} clips"):
        plan(clips)


def test_negative_seed(tmp_path: Path) -> None:
    with pytest.raises(PrepError, match="seed = -1: a seed is 0 or more"):
        result(generate(tmp_path / "raw", clips=1, seed=-1))


def test_text_has_the_format_of_ntu(folder: Path) -> None:
    paths = sorted((folder / SKELETONS).iterdir())
    assert [path.stem for path in paths] == sorted(plan(72))
    for path in paths:
        frames = rows(path)
        assert 30 <= len(frames) <= 120
        for body in (body for frame in frames for body in frame):
            head, joints = body[0].split(), np.array([line.split() for line in body[1:]], float)
            assert len(head) == 10
            assert int(head[0]) > 2**56
            assert joints.shape == (25, 12)
            assert set(joints[:, 11]) <= {1, 2}
            assert 0.8 < joints[:, 2].min() <= joints[:, 2].max() < 6
            np.testing.assert_allclose(joints[:, 3], 256 + 366 * joints[:, 0] / joints[:, 2], atol=1e-3)
            np.testing.assert_allclose(joints[:, 6], 539.5 - 1081 * joints[:, 1] / joints[:, 2], atol=1e-3)


def test_the_reader_agrees_with_the_plain_reading(folder: Path) -> None:
    for source in ntu.find(FindRequest(folder, dataset("demo"))).sources[:24]:
        recording = ntu.read(source, Path(source.path).read_bytes(), dataset("demo"))
        plain = [body for frame in rows(Path(source.path)) for body in frame]
        expected = np.array([[line.split()[:3] for line in body[1:]] for body in plain], np.float32)
        np.testing.assert_array_equal(recording.joints, expected)
        assert recording.body_id.tolist() == [int(body[0].split()[0]) for body in plain]


def test_a_person_before_the_camera_has_the_right_shoulder_at_larger_x(folder: Path) -> None:
    """As in real recordings: the image is a mirror."""
    for name in (name for name in plan(72) if name[5:8] == "002" and name[-4:] != "A020"):
        body = rows(folder / SKELETONS / f"{name}.skeleton")[-1][-1]
        assert float(body[1 + 8].split()[0]) > float(body[1 + 4].split()[0])


def test_same_seed_same_bytes_other_seed_other_bytes(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("again", 0), ("other", 1)):
        assert list(generate(tmp_path / name, clips=24, seed=seed))[-1] == Step(24, 24, note=plan(24)[-1])
    first = {f"{name}.skeleton" for name in plan(24)}
    kept = {name: data for name, data in contents(folder).items() if name in first}
    again, other = contents(tmp_path / "again" / SKELETONS), contents(tmp_path / "other" / SKELETONS)
    assert again == kept
    assert again.keys() == other.keys()
    assert not set(again.values()) & set(other.values())


def test_a_stopped_run_is_continued(tmp_path: Path) -> None:
    list(islice(generate(tmp_path / "stopped", clips=12), 7))
    half = tmp_path / "stopped" / SKELETONS / f"{plan(8)[-1]}.skeleton.0a1b.writing"
    half.write_text("103\n1\n72057594")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "stopped" / SKELETONS).glob("S*.skeleton")}
    assert result(generate(tmp_path / "stopped", clips=12)) == 12
    result(generate(tmp_path / "whole", clips=12))
    assert len(kept) == 7
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


@pytest.mark.parametrize("leftover", [LOCK, ".demo.json.0a1b.writing"])
def test_a_run_that_was_killed_at_once_is_continued(tmp_path: Path, leftover: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / leftover).touch()
    result(generate(tmp_path / "raw", clips=1))
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [".demo.json", SKELETONS]


def test_one_writer_per_folder(tmp_path: Path) -> None:
    with locked(tmp_path / "raw"), pytest.raises(PrepError, match="another command is writing here"):
        result(generate(tmp_path / "raw", clips=1))


def test_a_longer_plan_adds_clips_and_a_shorter_one_is_refused(tmp_path: Path) -> None:
    result(generate(tmp_path / "raw", clips=2))
    result(generate(tmp_path / "raw", clips=4))
    assert len(list((tmp_path / "raw" / SKELETONS).iterdir())) == 4
    words = r"holds 1 clips beyond the 3 requested, S001C001P001R001A004 the first\. Request"
    with pytest.raises(PrepError, match=words):
        result(generate(tmp_path / "raw", clips=3))


@pytest.mark.parametrize(
    ("other", "words"),
    [({"seed": 5}, "seed 0, without videos, not with version 1, seed 5"), ({"videos": True}, "with videos. Use the")],
)
def test_a_demo_with_other_settings_is_refused(tmp_path: Path, other: dict[str, int], words: str) -> None:
    result(generate(tmp_path / "raw", clips=1))
    with pytest.raises(PrepError) as caught:
        result(generate(tmp_path / "raw", clips=1, **other))  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.skeleton").write_text("0\n")
    with pytest.raises(PrepError, match=r"holds `real.skeleton` but no .demo.json, so it is not a demo folder"):
        result(generate(tmp_path, clips=1))
    (tmp_path / "file").write_text("")
    with pytest.raises(PrepError, match=r"file: is a file\. Give --out a folder"):
        result(generate(tmp_path / "file", clips=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "real.skeleton"]


@pytest.mark.parametrize("text", ["", "[]", '{"seed": 0}', "{}"])
def test_broken_settings_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / ".demo.json").write_text(text)
    with pytest.raises(PrepError, match=r"not the settings of a demo\. Delete"):
        result(generate(tmp_path, clips=1))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = generate(tmp_path / "raw", clips=3)
    next(steps)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(files, "flush", full)
        with pytest.raises(PrepError, match=r"raw: the disk is full.*Free some space and run the same command"):
            next(steps)
    assert [path.stem for path in (tmp_path / "raw" / SKELETONS).iterdir()] == [plan(1)[0]]
    assert result(generate(tmp_path / "raw", clips=3)) == 3


def test_videos_have_the_frames_of_their_skeletons(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    for step in generate(tmp_path / "raw", clips=3, videos=True):
        video = cv2.VideoCapture(str(tmp_path / "raw" / VIDEOS / f"{step.note}_rgb.avi"))
        images = []
        while (answer := video.read())[0]:
            images.append(answer[1])
        assert {image.shape for image in images} == {(180, 320, 3)}
        assert len(images) == len(rows(tmp_path / "raw" / SKELETONS / f"{step.note}.skeleton"))
        assert video.get(cv2.CAP_PROP_FPS) == 30
        assert np.abs(images[-1].astype(int) - images[len(images) // 2]).max() > 50


def test_a_video_cut_short_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    monkeypatch.setattr("prep.demo.video.frames", lambda *_: iter([]))
    with pytest.raises(PrepError, match=r"only 0 of \d+ frames were written; the disk may be full"):
        result(generate(tmp_path / "raw", clips=1, videos=True))
    assert not list((tmp_path / "raw" / VIDEOS).iterdir())


def test_videos_without_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(PrepError, match=r"pip install 'fewshot-skeleton\[video\]'"):
        result(generate(tmp_path / "raw", clips=1, videos=True))
    assert not (tmp_path / "raw").exists()
