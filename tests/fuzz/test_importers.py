"""Arrays and pickles that are broken give plain values or an error of our own, in bounded time and memory.

`pytest -m fuzz` runs FUZZ_INPUTS (100,000) inputs for each target, the normal run 120.
"""

from __future__ import annotations

import io
import os
import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.fuzzing import BYTES_PER_COMPRESSED_BYTE, FEW, Target, fuzz
from helpers.mutations import broken_bytes, broken_value
from helpers.synthetic_formats import annotation, clips, find

from prep.errors import PrepError
from prep.formats import FindResult
from prep.untrusted.arrays import from_npy, npz_names, open_npz, read_all


def arrays() -> list[Any]:
    return [
        np.ones((2, 3, 5), np.float32),
        np.asfortranarray(np.eye(3)),
        np.arange(3, dtype=">i2"),
        np.array(["S001", "b"]),
        np.array([b"ab", b"c"]),
        np.array(2.5),
        np.zeros((0, 3)),
        np.array([None]),
        np.zeros(2, [("a", "f4")]),
    ]


def npy_bytes(_: Path) -> Target:
    seeds = []
    for array in arrays():
        for version in ((1, 0), (2, 0), (3, 0)):
            file = io.BytesIO()
            np.lib.format.write_array(file, array, version)
            seeds.append(file.getvalue())
    return Target(lambda rng: broken_bytes(seeds, rng), lambda data: from_npy(data, "here"))


def npz_file(folder: Path) -> Target:
    path, scratch, seeds = folder / "a.npz", folder / "scratch", []
    for save in (np.savez, np.savez_compressed):
        for x in arrays():
            save(path, x=x, y=np.arange(3))
            seeds.append(path.read_bytes())

    def read(data: bytes) -> Any:
        path.write_bytes(data)
        shutil.rmtree(scratch, ignore_errors=True)
        return [read_all(array) for array in open_npz(path, npz_names(path), scratch).values()]

    return Target(lambda rng: broken_bytes(seeds, rng), read, PrepError, BYTES_PER_COMPRESSED_BYTE)


def annotations(folder: Path) -> Target:
    """Broken values in pyskl's annotations, so that the pickles themselves are valid."""
    path, scratch = folder / "a.pkl", folder / "scratch"
    entries = [annotation(clip) for clip in clips(3)]
    flat = {**entries[0], "keypoint": np.ones((1, 5, 25, 2), np.float16), "keypoint_score": np.ones((1, 5, 25))}
    seeds = [entries, {"split": {"train": ["a"]}, "annotations": [*entries, None]}, [{**flat, "img_shape": (9, 16)}]]

    def read(data: bytes) -> FindResult:
        path.write_bytes(data)
        shutil.rmtree(scratch, ignore_errors=True)
        return find("pyskl_pkl", path, "ntu120", scratch)

    def make(rng: random.Random) -> bytes:
        return pickle.dumps(broken_value(seeds, rng))

    return Target(make, read, PrepError)


def names_and_labels(folder: Path) -> Target:
    """Broken values in the label file of a folder of st-gcn."""
    np.save(folder / "train_data.npy", np.zeros((3, 3, 5, 25, 2), np.float32))
    names, labels = ["a", "b.skeleton", "c"], [0, 1, 119]
    seeds = [(names, labels), [names, labels, [5, 5, 5]], (np.array(names), np.array(labels)), [names, [0.0, 1.0, 2]]]

    def read(data: bytes) -> FindResult:
        (folder / "train_label.pkl").write_bytes(data)
        return find("stgcn_npy", folder, "ntu120", folder)

    def make(rng: random.Random) -> bytes:
        return pickle.dumps(broken_value([list(seed) for seed in seeds], rng))

    return Target(make, read, PrepError)


TARGETS: dict[str, Callable[[Path], Target]] = {
    "npy": npy_bytes,
    "npz": npz_file,
    "pyskl_pkl": annotations,
    "label_pkl": names_and_labels,
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_hundred_broken_files(name: str, tmp_path: Path) -> None:
    counts = fuzz(name, TARGETS[name](tmp_path), FEW)
    assert counts["refused"] > 20


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_broken_files_by_the_hundred_thousand(name: str, tmp_path: Path) -> None:
    inputs = int(os.environ.get("FUZZ_INPUTS", "100000"))
    counts = fuzz(name, TARGETS[name](tmp_path), inputs)
    assert min(counts.values()) > 0
