"""pyskl's and mmaction2's pickles, 3D and 2D; unpacked once; what is unusable is named."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_formats import Made, annotation, assert_holds, clips, find, imported

from prep.errors import PrepError
from prep.untrusted.pickles import UnsafePickle


def write(path: Path, annotations: list[Any], protocol: int = 4, split: bool = True) -> Path:
    held = {"split": {"xsub_train": [], "xsub_val": []}, "annotations": annotations} if split else annotations
    path.write_bytes(pickle.dumps(held, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("split", [True, False])
def test_3d(tmp_path: Path, protocol: int, split: bool) -> None:
    several = [replace(made, joints=made.joints.astype(np.float16)) for made in clips(6)]
    path = write(tmp_path / "ntu120_3danno.pkl", [annotation(made) for made in several], protocol, split)
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
        several.append(Made(name, index, joints))
    path = write(tmp_path / "ntu60_hrnet.pkl", annotations)
    store = imported("pyskl_pkl", path, "ntu60_2d", tmp_path / "s.zarr")
    assert_holds(store, several)
    assert store.info.layout.name == "coco17"
    with pytest.raises(
        PrepError, match="none of the 3 clips can be used.*Another data set, or a 2D file for its 3D one"
    ):
        imported("pyskl_pkl", path, "ntu60", tmp_path / "t.zarr")


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
    found = find("pyskl_pkl", path, "ntu120", tmp_path / "scratch")
    assert [source.name for source in found.sources] == [good["frame_dir"]]
    assert [name for name, _ in found.bad] == sorted(["beyond", "cut", "shape", "flat", "bare", "annotation 7"])
    assert found.notes == (("a.pkl", "2 annotations are None"),)


def test_it_is_unpacked_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, scratch = write(tmp_path / "a.pkl", [annotation(made) for made in clips(3)]), tmp_path / "scratch"
    first = find("pyskl_pkl", path, "ntu120", scratch)
    with monkeypatch.context() as patch:
        patch.setattr("prep.untrusted.pickles.load", lambda path: pytest.fail("read again"))
        assert find("pyskl_pkl", path, "ntu120", scratch) == first
    write(path, [annotation(made) for made in clips(4)])
    assert len(find("pyskl_pkl", path, "ntu120", scratch).sources) == 4


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
