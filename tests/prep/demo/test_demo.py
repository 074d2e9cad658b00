"""The demo data set: what its files hold, that a run can be broken off and repeated, and what is refused."""

from __future__ import annotations

import errno
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from manifests.facts import dataset
from prep.demo.generate import CLASSES, MOST, SKELETONS, VIDEOS, Written, generate, plan
from prep.errors import PrepError
from prep.formats import Request
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
        generate(tmp_path / "raw", clips=1, seed=-1)


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
    for source in ntu.find(Request(folder, dataset("demo"))).sources[:24]:
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
        assert list(generate(tmp_path / name, clips=24, seed=seed))[-1] == Written(24, 24, plan(24)[-1])
    first = {f"{name}.skeleton" for name in plan(24)}
    kept = {name: data for name, data in contents(folder).items() if name in first}
    again, other = contents(tmp_path / "again" / SKELETONS), contents(tmp_path / "other" / SKELETONS)
    assert again == kept
    assert again.keys() == other.keys()
    assert not set(again.values()) & set(other.values())


def test_a_broken_run_goes_on(tmp_path: Path) -> None:
    list(islice(generate(tmp_path / "broken", clips=12), 7))
    half = tmp_path / "broken" / SKELETONS / f".{plan(8)[-1]}.skeleton.part"
    half.write_text("103\n1\n72057594")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "broken" / SKELETONS).glob("S*")}
    list(generate(tmp_path / "broken", clips=12))
    list(generate(tmp_path / "whole", clips=12))
    assert len(kept) == 7
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_a_longer_plan_enlarges_and_a_shorter_is_refused(tmp_path: Path) -> None:
    list(generate(tmp_path / "raw", clips=2))
    list(generate(tmp_path / "raw", clips=4))
    assert len(list((tmp_path / "raw" / SKELETONS).iterdir())) == 4
    with pytest.raises(PrepError, match=r"holds 1 clips beyond the 3 asked for, S001C001P001R001A004 the first\. Ask"):
        generate(tmp_path / "raw", clips=3)


@pytest.mark.parametrize(
    ("other", "words"),
    [({"seed": 5}, "seed 0, without videos, not with version 1, seed 5"), ({"videos": True}, "with videos. Ask for")],
)
def test_another_demo_s_folder_is_refused(tmp_path: Path, other: dict[str, int], words: str) -> None:
    list(generate(tmp_path / "raw", clips=1))
    with pytest.raises(PrepError) as caught:
        generate(tmp_path / "raw", clips=1, **other)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.skeleton").write_text("0\n")
    with pytest.raises(PrepError, match=r"holds `real.skeleton` but no demo.json, so it is not a demo folder"):
        generate(tmp_path, clips=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(PrepError, match="cannot be written"):
        generate(tmp_path / "file", clips=1)


@pytest.mark.parametrize("mark", ["", "[]", '{"seed": 0}', "{}"])
def test_a_broken_mark_is_refused(tmp_path: Path, mark: str) -> None:
    (tmp_path / "demo.json").write_text(mark)
    with pytest.raises(PrepError, match=r"not the mark of a demo\. Delete"):
        generate(tmp_path, clips=1)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = generate(tmp_path / "raw", clips=3)
    next(steps)

    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(PrepError, match=r"raw: the disk is full\. Free some space and run the same again"):
        next(steps)
    assert [path.stem for path in (tmp_path / "raw" / SKELETONS).iterdir()] == [plan(1)[0]]


def test_videos_have_the_frames_of_their_skeletons(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    for step in generate(tmp_path / "raw", clips=3, videos=True):
        video = cv2.VideoCapture(str(tmp_path / "raw" / VIDEOS / f"{step.name}_rgb.avi"))
        images = []
        while (answer := video.read())[0]:
            images.append(answer[1])
        assert {image.shape for image in images} == {(180, 320, 3)}
        assert len(images) == len(rows(tmp_path / "raw" / SKELETONS / f"{step.name}.skeleton"))
        assert video.get(cv2.CAP_PROP_FPS) == 30
        assert np.abs(images[-1].astype(int) - images[len(images) // 2]).max() > 50


def test_a_video_cut_short_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    monkeypatch.setattr("prep.demo.video.pictures", lambda *_: iter([]))
    with pytest.raises(PrepError, match=r"raw: cannot be written: 0 of \d+ frames arrived; is the disk full\?"):
        list(generate(tmp_path / "raw", clips=1, videos=True))
    assert not list((tmp_path / "raw" / VIDEOS).iterdir())


def test_videos_without_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(PrepError, match=r"pip install 'fewshot-skeleton\[video\]'"):
        generate(tmp_path / "raw", clips=1, videos=True)
    assert not (tmp_path / "raw").exists()
