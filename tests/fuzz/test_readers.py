"""Readers of broken files return a recording or raise an error of their own, in bounded time and memory.

`pytest -m fuzz -s` runs FUZZ_INPUTS (100,000) inputs for each target and prints how many were accepted and refused, the
longest time and the largest memory. The normal run takes 120 inputs for each target, and hypothesis makes structures.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import plain_kinetics, synthetic_kinect, synthetic_ntu, synthetic_own, synthetic_pku, synthetic_video
from helpers.fuzzing import BYTES_PER_BYTE, BYTES_PER_COMPRESSED_BYTE, FEW, Target, fuzz, is_accepted
from helpers.mutations import VALUES, broken_bytes, broken_json
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from manifests.custom import read_custom
from manifests.facts import dataset
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest
from prep.readers import kinetics, msr_pairs, ntu, nw_ucla, nw_ucla_frames, own, pku_mmd
from prep.untrusted.pickles import UnsafePickle, loads
from prep.video.decoders import _decoder as decoder
from prep.video.request import BadVideo
from prep.video.sampling import segment_centres


def source(name: str, ending: str, label: int = -1) -> Source:
    return Source(name, f"{name}{ending}", "", 0, "", label)


def json_of(seeds: list[Any], share: float = 0.6) -> Callable[[random.Random], bytes]:
    """A maker of broken JSON: a share of broken values, the rest broken bytes."""
    texts = [json.dumps(seed).encode() for seed in seeds]
    return lambda rng: broken_json(seeds, rng) if rng.random() < share else broken_bytes(texts, rng)


def bytes_of(seeds: list[bytes]) -> Callable[[random.Random], bytes]:
    return lambda rng: broken_bytes(seeds, rng)


def skeletons(_: Path) -> Target:
    people = [(72057594037944738 + seed, synthetic_ntu.person(seed)[0]) for seed in range(3)]
    seeds = [synthetic_ntu.text(frames) for frames in ([[people[0]]], [[people[0]], [], people[1:]], [], [[]])]
    seeds.append(synthetic_ntu.text([people[:1]] * 3, end="\r\n"))
    return Target(bytes_of(seeds), lambda data: ntu.read(synthetic_ntu.source(), data, dataset("ntu120")))


def nw_ucla_json(_: Path) -> Target:
    rng, name = np.random.default_rng(0), "a08_s03_e01_v02"
    seeds = [
        {"file_name": name, "skeletons": rng.normal(0, 1, (frames, 20, 3)).round(3).tolist(), "label": 7}
        for frames in (0, 1, 3)
    ]
    return Target(json_of(seeds), lambda data: nw_ucla.read(source(name, ".json"), data, dataset("nw_ucla")))


def kinetics_json(_: Path) -> Target:
    frames = [[plain_kinetics.pose(1)], [], [plain_kinetics.pose(1), plain_kinetics.pose(2, x=0.9)]]
    seeds = [plain_kinetics.clip(shown) for shown in ([], frames[:1], frames)]

    def read(data: bytes) -> Recording:
        return kinetics.read(source("-bcdefghij_", ".json"), data, dataset("kinetics"))

    for seed in seeds:  # compiles what only a good clip reaches
        read(plain_kinetics.text(seed))
    return Target(json_of(seeds), read)


def kinetics_labels(folder: Path) -> Target:
    data = dataset("kinetics")
    names = [f"-bcdefghij{number}" for number in range(3)]
    for name in names:
        (folder / f"{name}.json").write_text("{}")
    seed = {name: {"has_skeleton": True, "label": data.classes[n], "label_index": n} for n, name in enumerate(names)}

    def find(text: bytes) -> Any:
        (folder / "kinetics_val_label.json").write_bytes(text)
        return kinetics.find(FindRequest(folder, data))

    return Target(json_of([seed]), find, PrepError)


def pku_lines(folder: Path) -> Target:
    seeds = [synthetic_pku.skeleton_text(synthetic_pku.recording(frames, frames)) for frames in (1, 2, 3)]
    stamps = itertools.count()

    def read(text: bytes) -> Any:
        path = folder / "0002-L.txt"
        path.write_bytes(text)
        one = Source("0002-L_001", str(path), "", len(text), str(next(stamps)), 3, (0, 1))
        return pku_mmd.read(one, pku_mmd.load(one), dataset("pku_mmd"))

    return Target(bytes_of(seeds), read)


def pku_labels(folder: Path) -> Target:
    for name in ("skeletons", "labels"):
        (folder / name).mkdir()
    (folder / "skeletons" / "0002-L.txt").write_bytes(synthetic_pku.skeleton_text(synthetic_pku.recording(1)))
    seeds = [
        synthetic_pku.label_text(rows) for rows in ([(7, 1, 10, 1), (51, 21, 40, 2), (1, 40, 60, 1)], [(1, 1, 1, 1)])
    ]

    def find(text: bytes) -> Any:
        (folder / "labels" / "0002-L.txt").write_bytes(text)
        return pku_mmd.find(FindRequest(folder, dataset("pku_mmd"), pku_mmd.Options()))

    return Target(bytes_of(seeds), find, PrepError)


def msr_text(_: Path) -> Target:
    people = synthetic_kinect.people(2)
    seeds = [synthetic_kinect.msr_text([people[0], np.zeros((0, 20, 3)), people[1]])]
    return Target(
        bytes_of(seeds), lambda data: msr_pairs.read(source("a01_s01_e01", ".txt"), data, dataset("msr_pairs"))
    )


def nw_ucla_texts(_: Path) -> Target:
    bodies = synthetic_kinect.people(3)[:, 0]
    frames = [synthetic_kinect.frame_text(bodies[0]), synthetic_kinect.frame_text(bodies[1], bodies[2])]
    seeds = [nw_ucla_frames.NEXT_FRAME.join(frames[:count]) for count in (1, 2)]
    one = Source("a01_s01_e01_v01", "view_1/a01_s01_e01", "", 0, "", rows=(0, 2))
    return Target(bytes_of(seeds), lambda data: nw_ucla_frames.read(one, data, dataset("nw_ucla")))


class Evil:
    """Its pickle calls a function that leaves a folder behind."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("the-pickle-was-run",)


def pickles(_: Path) -> Target:
    annotation = {
        "frame_dir": "S001C001P001R001A001",
        "label": 0,
        "keypoint": np.ones((1, 2, 25, 3), np.float16),
        "total_frames": 2,
    }
    plain: list[Any] = [
        {"split": {"xsub_train": ["a", "b"]}, "annotations": [annotation, None, dict(annotation)]},
        (["S001.skeleton", "-x.json"], [0, 399]),
        [1, 2**70, 1.5, "ü", b"\xff", (1, 2, 3, 4), {"a": [None, True]}, np.float32(1), np.arange(3, dtype=">i4")],
        [np.array("word"), np.zeros((0, 3)), np.asfortranarray(np.eye(2))],
    ]
    unsafe = [Evil(), {"a": {1, 2}}, slice(1), np.array([None]), [os.mkdir], complex(1, 2), bytearray(b"a")]
    seeds = [pickle.dumps(value, protocol) for value in (*plain, *unsafe) for protocol in range(6)]
    codes = [
        getattr(pickle, name) for name in pickle.__all__ if name.isupper() and isinstance(getattr(pickle, name), bytes)
    ]

    def make(rng: random.Random) -> bytes:
        data = broken_bytes(seeds, rng)
        if rng.random() < 0.3:
            at = rng.randrange(len(data) + 1)
            data = data[:at] + b"".join(rng.choices(codes, k=rng.randrange(1, 20))) + data[at:]
        return data

    return Target(make, lambda data: loads(data, "here", boxed=True), UnsafePickle)


def own_files(folder: Path, ending: str) -> Target:
    facts = read_custom(synthetic_own.write_own(folder)).data
    arrays = [synthetic_own.joints(1, 3, frames) for frames in (1, 3)]
    arrays.append(np.stack([arrays[1], 0 * arrays[1]], axis=1))
    arrays.append(arrays[1].astype(np.float16))
    texts = []
    for array in (*arrays, np.asfortranarray(arrays[1]), np.array(["a", "b"]), np.zeros(0)):
        file = io.BytesIO()
        if ending == ".npy":
            np.save(file, array)
        elif ending == ".mat":
            savemat(file, {"joints": array}, do_compression=len(texts) % 2 == 0)
        elif ending == ".csv":
            rows = array.reshape(len(array), -1) if array.dtype.kind == "f" and array.size else []
            file.write(b"x,y\n" + b"\n".join(b",".join(b"%g" % number for number in row) for row in rows))
        else:
            (np.savez if len(texts) % 2 else np.savez_compressed)(file, joints=array, other=np.arange(3))
        texts.append(file.getvalue())
    nested = [array.astype(float).round(3).tolist() for array in arrays] + [
        {"joints": arrays[0].astype(float).tolist()}
    ]
    one = source("a02_s3_e0", ending, 1)
    memory = BYTES_PER_COMPRESSED_BYTE if ending in (".npz", ".mat") else BYTES_PER_BYTE
    return Target(
        json_of(nested) if ending == ".json" else bytes_of(texts),
        lambda data: own.read(one, data, facts),
        BadFile,
        memory,
    )


def videos(folder: Path, kinds: Sequence[str]) -> Target:
    seeds = [synthetic_video.write_video(folder, kind, frames=24).read_bytes() for kind in kinds]
    path = folder / "v"

    def read(data: bytes) -> Any:
        path.write_bytes(data)
        video = synthetic_video.video_of(path)
        info = decoder.probe(video)
        indexes = segment_centres(0, info.frames, 4)
        return decoder.frames(video, info, indexes, (0, 0, min(info.width, 64), min(info.height, 64)))

    return Target(bytes_of(seeds), read, BadVideo, BYTES_PER_COMPRESSED_BYTE, 0.1)


def images(folder: Path) -> Target:
    frame = synthetic_video.image(5)
    seeds = [cv2.imencode(ending, frame)[1].tobytes() for ending in (".jpg", ".png")]
    path = folder / "0001.jpg"

    def read(data: bytes) -> Any:
        path.write_bytes(data)
        video = replace(synthetic_video.video_of(path), image_folder=True)
        return decoder.frames(video, decoder.probe(video), [0])

    return Target(bytes_of(seeds), read, BadVideo, BYTES_PER_COMPRESSED_BYTE)


TARGETS: dict[str, Callable[[Path], Target]] = {
    "skeleton": skeletons,
    "nw_ucla": nw_ucla_json,
    "kinetics": kinetics_json,
    "kinetics_labels": kinetics_labels,
    "pku_mmd": pku_lines,
    "pku_mmd_labels": pku_labels,
    "pickle": pickles,
    "msr_pairs": msr_text,
    "nw_ucla_frames": nw_ucla_texts,
    "own_npy": lambda folder: own_files(folder, ".npy"),
    "own_npz": lambda folder: own_files(folder, ".npz"),
    "own_mat": lambda folder: own_files(folder, ".mat"),
    "own_csv": lambda folder: own_files(folder, ".csv"),
    "own_json": lambda folder: own_files(folder, ".json"),
    "avi": lambda folder: videos(folder, ["mpeg4_avi", "h264_avi", "mjpeg_avi"]),
    "mp4": lambda folder: videos(folder, ["mpeg4_b_mp4", "h264_mp4", "h264_mkv"]),
    "images": images,
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_hundred_broken_files(name: str, tmp_path: Path) -> None:
    counts = fuzz(name, TARGETS[name](tmp_path), FEW)
    assert counts["refused"] > 20
    assert counts["accepted"] + counts["refused"] == FEW


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_broken_files_by_the_hundred_thousand(name: str, tmp_path: Path) -> None:
    target = TARGETS[name](tmp_path)
    inputs = int(int(os.environ.get("FUZZ_INPUTS", "100000")) * target.share)
    counts = fuzz(name, target, inputs)
    assert sum(counts.values()) == inputs
    assert min(counts.values()) > 0
    assert not Path("the-pickle-was-run").exists()


ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
TREES = st.recursive(
    ATOMS | st.sampled_from(VALUES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
JSON_READERS = {
    "nw_ucla": (nw_ucla_json, ("skeletons", "file_name", "label")),
    "kinetics": (kinetics_json, ("data", "label", "label_index")),
    "own": (lambda folder: own_files(folder, ".json"), ("joints",)),
}


@pytest.mark.parametrize("name", JSON_READERS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_json_in_any_place(name: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    make, keys = JSON_READERS[name]
    target = _made(name, make, tmp_path_factory)
    value = data.draw(st.fixed_dictionaries(dict.fromkeys(keys, TREES)) | TREES)
    with suppress(BadFile):
        is_accepted(target.read(json.dumps(value).encode()))


_TARGETS: dict[str, Target] = {}


def _made(name: str, make: Callable[[Path], Target], folders: pytest.TempPathFactory) -> Target:
    if name not in _TARGETS:
        _TARGETS[name] = make(folders.mktemp(name))
    return _TARGETS[name]


NUMBERS = (
    st.integers(-5, 60).map(str)
    | st.integers().map(str)
    | st.floats().map(repr)
    | st.text("0123456789.-+e", max_size=30)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS, max_size=400), st.sampled_from(" \n\t"))
def test_any_numbers_in_a_skeleton_file(words: list[str], between: str) -> None:
    with suppress(BadFile):
        is_accepted(ntu.read(synthetic_ntu.source(), between.join(words).encode(), dataset("ntu120")))


PLAIN = st.recursive(
    ATOMS | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(PLAIN, st.integers(0, 5))
def test_any_plain_value_comes_out_of_a_pickle(value: Any, protocol: int) -> None:
    assert loads(pickle.dumps(value, protocol), "here") == value


@pytest.mark.parametrize("value", [Evil(), {1}, os.mkdir, slice(1), complex(1)], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("protocol", range(6))
def test_nothing_else_does(value: Any, protocol: int) -> None:
    with pytest.raises(UnsafePickle):
        loads(pickle.dumps([1, {"a": value}], protocol), "here")
    assert not Path("the-pickle-was-run").exists()
