"""The pickles of pyskl and mmaction2, 3D and 2D: unpacked once; unusable annotations are listed."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_formats import SyntheticClip, annotation, assert_holds, clips, find, imported

from prep.building.build import BadFiles
from prep.errors import PrepError
from prep.untrusted.pickles import UnsafePickle


def write(path: Path, annotations: list[Any], protocol: int = 4, split: bool = True) -> Path:
    content = {"split": {"xsub_train": [], "xsub_val": []}, "annotations": annotations} if split else annotations
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("split", [True, False])
def test_3d(tmp_path: Path, protocol: int, split: bool) -> None:
    several = [replace(clip, joints=clip.joints.astype(np.float16)) for clip in clips(6)]
    path = write(tmp_path / "ntu120_3danno.pkl", [annotation(clip) for clip in several], protocol, split)
    assert_holds(imported("pyskl_pkl", path, "ntu120", tmp_path / "s.zarr"), several)


def test_2d_in_parts_of_the_image_with_scores(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    annotations, several = [], []
    for index in range(3):
        pixels = rng.uniform(0, 1000, (2, 4 + index, 17, 2)).astype(np.float16)
        score = rng.uniform(0, 1, (2, 4 + index, 17)).astype(np.float16)
        pixels[1, 0], score[1, 0] = 0, 0
        name = f"S001C001P001R001A00{index + 1}"
        size = {"img_shape": (1080, 1920), "original_shape": (1080, 1920)}
        about = {"frame_dir": name, "label": index, "total_frames": 4 + index}
        annotations.append({**about, **size, "keypoint": pixels, "keypoint_score": score})
        parts = pixels.astype(np.float32) / np.array([1920, 1080], np.float32)
        joints = np.concatenate([parts, score[..., None].astype(np.float32)], axis=3).transpose(1, 0, 2, 3)
        several.append(SyntheticClip(name, index, joints))
    path = write(tmp_path / "ntu60_hrnet.pkl", annotations)
    store = imported("pyskl_pkl", path, "ntu60_2d", tmp_path / "s.zarr")
    assert_holds(store, several)
    assert store.info.layout.name == "coco17"
    rule = r"S001C001P001R001A001: ntu60_hrnet.pkl: a keypoint has shape .*2D file for its 3D one\?"
    with pytest.raises(BadFiles, match=rule):
        imported("pyskl_pkl", path, "ntu60", tmp_path / "t.zarr")


def test_whole_numbers_and_paths_as_names_are_read(tmp_path: Path) -> None:
    clip = annotation(clips(1)[0])
    whole = {
        **clip,
        "frame_dir": "raw/train/b.skeleton",
        "keypoint": np.ones((1, 2, 25, 3), np.int32),
        "total_frames": 2,
    }
    result = find("pyskl_pkl", write(tmp_path / "a.pkl", [clip, whole]), "ntu60", tmp_path / "scratch")
    assert ([source.name for source in result.sources], result.bad) == ([clip["frame_dir"], "b"], ())


@pytest.mark.parametrize(("bodies", "words"), [(0, "shows no person"), (9, "shows 9 people; a clip has at most 8.")])
def test_the_number_of_bodies_is_its_own_reason(tmp_path: Path, bodies: int, words: str) -> None:
    clip = {**annotation(clips(1)[0]), "keypoint": np.ones((bodies, 2, 25, 3), np.float16), "total_frames": 2}
    ((_, reason),) = find("pyskl_pkl", write(tmp_path / "a.pkl", [clip]), "ntu60", tmp_path / "scratch").bad
    assert words in reason


def test_none_is_counted_and_unusable_annotations_are_named(tmp_path: Path) -> None:
    good, wrong = annotation(clips(1)[0]), annotation(clips(2)[1])
    variants = [
        {**wrong, "frame_dir": "beyond", "label": 120},
        {**wrong, "frame_dir": "cut", "total_frames": 9999},
        {**wrong, "frame_dir": "shape", "keypoint": np.zeros((1, 3, 24, 3), np.float16)},
        {**wrong, "frame_dir": "flat", "keypoint": [1, 2]},
        {"frame_dir": "bare"},
        "text",
    ]
    path = write(tmp_path / "a.pkl", [None, good, *variants, None])
    result = find("pyskl_pkl", path, "ntu120", tmp_path / "scratch")
    assert [source.name for source in result.sources] == [good["frame_dir"]]
    assert [name for name, _ in result.bad] == sorted(["beyond", "cut", "shape", "flat", "bare", "annotation 7"])
    assert result.notes == (("a.pkl", "2 annotations are None"),)


def test_it_is_unpacked_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, scratch = write(tmp_path / "a.pkl", [annotation(clip) for clip in clips(3)]), tmp_path / "scratch"
    first = find("pyskl_pkl", path, "ntu120", scratch)
    with monkeypatch.context() as patch:
        patch.setattr("prep.untrusted.pickles.load", lambda path: pytest.fail("read again"))
        assert find("pyskl_pkl", path, "ntu120", scratch) == first
    write(path, [annotation(clip) for clip in clips(4)])
    assert len(find("pyskl_pkl", path, "ntu120", scratch).sources) == 4


def laughs(depth: int) -> list[Any]:
    """A list whose text doubles with each of its levels, though it takes few bytes in a pickle."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


def pickled_list(items: list[bytes]) -> bytes:
    """A pickled list of items that are opcodes already: Python's own pickler is recursive."""
    return b"\x80\x04](" + b"".join(items) + b"e."


DEEP = b"]" * 100_001 + b"a" * 100_000
LONG = b"\x8b" + (50_000).to_bytes(4, "little") + b"\x01" * 50_000  # 120,000 digits


@pytest.mark.parametrize("field", ["frame_dir", "label", "total_frames", "keypoint", "img_shape", "keypoint_score"])
@pytest.mark.parametrize(
    "value",
    [
        laughs(40),
        np.arange(3),
        np.zeros(0),
        {"a": 1},
        "x" * 10**6,
        b"a/../b",
        1e308,
        None,
        [2**2000, 1],
        -1,
        np.float64(0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_odd_value_makes_one_bad_annotation(tmp_path: Path, field: str, value: Any) -> None:
    good, odd = (annotation(clip) for clip in clips(2))
    if field in ("img_shape", "keypoint_score"):
        odd |= {"keypoint": odd["keypoint"][..., :2], "img_shape": (9, 16), "keypoint_score": odd["keypoint"][..., 0]}
    start = time.perf_counter()
    result = find("pyskl_pkl", write(tmp_path / "a.pkl", [good, {**odd, field: value}]), "ntu120", tmp_path / "scratch")
    assert time.perf_counter() - start < 5
    assert [source.name for source in result.sources] == [good["frame_dir"]]
    ((_, reason),) = result.bad
    assert 10 < len(reason) < 300
    assert reason.isprintable()


@pytest.mark.parametrize("field", ["frame_dir", "label", "total_frames", "keypoint"])
@pytest.mark.parametrize("value", [DEEP, LONG], ids=["nested 100,000 deep", "120,000 digits"])
def test_deep_and_long_values_are_listed(tmp_path: Path, field: str, value: bytes) -> None:
    good, odd = (annotation(clip) for clip in clips(2))
    del odd[field]
    # Without PROTO, FRAME and STOP; the deep value is added to the dictionary under its key.
    first, second = (pickle.dumps(entry, 2)[2:-1] for entry in (good, odd))
    item = second + b"X" + len(field).to_bytes(4, "little") + field.encode() + value + b"s"
    (tmp_path / "a.pkl").write_bytes(pickled_list([first, item]))
    result = find("pyskl_pkl", tmp_path / "a.pkl", "ntu120", tmp_path / "scratch")
    assert [source.name for source in result.sources] == [good["frame_dir"]]
    ((_, reason),) = result.bad
    assert 10 < len(reason) < 300


@pytest.mark.parametrize("name", ["a\x9bb", "a\u202eb", "a\x1b[2Jb", "a\nb", "../a", ""])
def test_names_that_could_act_on_a_terminal_or_a_folder_are_bad(tmp_path: Path, name: str) -> None:
    good, odd = (annotation(clip) for clip in clips(2))
    path = write(tmp_path / "a.pkl", [good, {**odd, "frame_dir": name}])
    ((shown, reason),) = find("pyskl_pkl", path, "ntu120", tmp_path / "scratch").bad
    assert "is not the name of a clip" in reason
    assert shown.isprintable()
    assert reason.isprintable()


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pkl")
    assert find("pyskl_pkl", tmp_path, "ntu120", tmp_path / "scratch").sources == ()
    assert find("pyskl_pkl", tmp_path / "a.pkl", "ntu120", tmp_path / "scratch").sources == ()


class Exploit:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_hostile_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "a.pkl", [annotation(clips(1)[0]), Exploit()])
    with pytest.raises(UnsafePickle, match="posix.system"):
        find("pyskl_pkl", path, "ntu120", tmp_path / "scratch")
    assert not (tmp_path / "executed").exists()
    with pytest.raises(PrepError, match="holds two clips `S001C001P001R001A001`"):
        find("pyskl_pkl", write(path, [annotation(clips(1)[0])] * 2), "ntu120", tmp_path / "scratch")
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PrepError, match="holds no list of annotations"):
        find("pyskl_pkl", path, "ntu120", tmp_path / "scratch")
