"""2s-AGCN's folders, the flip of Kinetics included."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_formats import assert_holds, channels_first, clips, find, imported, npy_pkl

from manifests.facts import dataset
from prep.errors import PrepError
from prep.untrusted.pickles import UnsafePickle


@pytest.mark.parametrize("protocol", range(6))
def test_both_parts_with_names(tmp_path: Path, protocol: int) -> None:
    several = clips(6)
    npy_pkl(tmp_path / "xsub", {"train": several[:4], "val": several[4:]}, "_data_joint", protocol)
    store = imported("agcn_npy", tmp_path / "xsub", "ntu120", tmp_path / "s.zarr")
    assert_holds(store, several)
    assert store.subject.tolist() == [1, 2, 3, 4, 5, 6]


def test_the_flip_of_kinetics_is_undone(tmp_path: Path) -> None:
    """x - 0.5 and y - 0.5, as st-gcn stores them, though the file has 0.5 - y; unseen joints stay at zero."""
    facts = replace(dataset("ntu120"), layout="openpose18", pattern=".*", labels="files", unit="image")
    several = [
        replace(clip, name=f"-_{row:03d}{clip.name[:5]}") for row, clip in enumerate(clips(4, joints=18, seed=3))
    ]
    for clip in several:
        clip.joints[:, :, 5] = 0
    x = channels_first(several)
    x[:, 1] = -x[:, 1]
    (tmp_path / "k").mkdir()
    np.save(tmp_path / "k" / "val_data_joint.npy", x)
    names, labels = [f"{clip.name}.json" for clip in several], [clip.label for clip in several]
    (tmp_path / "k" / "val_label.pkl").write_bytes(pickle.dumps((names, labels, [300] * 4)))
    store = imported("agcn_npy", tmp_path / "k", facts, tmp_path / "s.zarr")
    assert_holds(store, several)
    assert not np.signbit(store.joints()[store.joints() == 0]).any()


class Exploit:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_a_pickle_with_code_is_refused_and_nothing_of_it_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    npy_pkl(tmp_path / "x", {"train": clips(2)}, "_data_joint")
    (tmp_path / "x" / "train_label.pkl").write_bytes(pickle.dumps((["a", "b"], [Exploit(), 1])))
    with pytest.raises(UnsafePickle, match="train_label.pkl.*posix.system.*Nothing of it was run"):
        find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((["a"], [0]), "1 names for train_data_joint.npy"),
        ((["a", "b"], [0]), "not one label for each of the 2 clips"),
        ((["a", "a"], [0, 1]), "holds two clips `a`"),
        ({"a": 0}, "is not .names, labels."),
        ((1, 2), "is not .names, labels."),
        ((np.array("a"), [0, 1]), "is not .names, labels."),
        ((["a", "b"], None), "is not .names, labels."),
    ],
)
def test_names_and_labels_that_do_not_fit(tmp_path: Path, value: object, words: str) -> None:
    npy_pkl(tmp_path / "x", {"train": clips(2)}, "_data_joint")
    (tmp_path / "x" / "train_label.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(PrepError, match=words):
        find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)


@pytest.mark.parametrize("name", [7, "b\nc", "b\x9b", "", "..", "../b", "b" * 201, 10**1000])
def test_a_row_without_a_usable_name_is_bad_and_the_others_are_read(tmp_path: Path, name: object) -> None:
    npy_pkl(tmp_path / "x", {"train": clips(2)}, "_data_joint")
    (tmp_path / "x" / "train_label.pkl").write_bytes(pickle.dumps((["a", name], [0, 1])))
    result = find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)
    assert [source.name for source in result.sources] == ["a"]
    ((_, reason),) = result.bad
    assert "train_label.pkl: " in reason
    assert "is not the name of a clip. Fetch the file again." in reason or "has more than 200 characters" in reason


def test_paths_bytes_and_blanks_are_names(tmp_path: Path) -> None:
    names = [
        "raw/nturgb+d/S001C001P001R001A001.skeleton",
        b"S001C001P001R001A002",
        "C:\\x\\S001C001P001R001A003.NPY",
        " d ",
    ]
    npy_pkl(tmp_path / "x", {"train": clips(4)}, "_data_joint")
    (tmp_path / "x" / "train_label.pkl").write_bytes(pickle.dumps((names, [0, 1, 2, 3])))
    result = find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)
    assert [source.name for source in result.sources] == [*(f"S001C001P001R001A00{n}" for n in (1, 2, 3)), "d"]


def test_a_label_that_does_not_exist_is_bad(tmp_path: Path) -> None:
    npy_pkl(tmp_path / "x", {"train": clips(3)}, "_data_joint")
    (tmp_path / "x" / "train_label.pkl").write_bytes(pickle.dumps((["a", "b", "c"], [0, 120, "0"])))
    result = find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)
    assert [source.name for source in result.sources] == ["a"]
    assert [name for name, _ in result.bad] == ["b", "c"]


def test_a_label_of_any_size_is_bad(tmp_path: Path) -> None:
    npy_pkl(tmp_path / "x", {"train": clips(4)}, "_data_joint")
    laughs: list = []
    for _ in range(40):
        laughs = [laughs, laughs]
    (tmp_path / "x" / "train_label.pkl").write_bytes(pickle.dumps((["a", "b", "c", "d"], [0, laughs, 10**5000, None])))
    start = time.perf_counter()
    result = find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)
    assert time.perf_counter() - start < 5
    assert [reason.split(" does")[0] for _, reason in result.bad] == ["label a list", "label a large int", "label None"]


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    npy_pkl(tmp_path / "x", {"train": clips(2)}, "_data_joint")
    for name in ("train_label.pkl", "val_data_joint.npy"):
        (tmp_path / "x" / name).unlink(missing_ok=True)
        os.mkfifo(tmp_path / "x" / name)
    with pytest.raises(PrepError, match="train_label.pkl: is a named pipe"):
        find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)


def test_another_layout_is_refused(tmp_path: Path) -> None:
    npy_pkl(tmp_path / "x", {"train": clips(2, joints=18)}, "_data_joint")
    with pytest.raises(PrepError, match="of 18 joints with 3 numbers; ntu120 has 25 joints"):
        imported("agcn_npy", tmp_path / "x", "ntu120", tmp_path / "s.zarr")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    npy_pkl(tmp_path / "x", {"train": clips(2)}, "_data_joint")
    path = tmp_path / "x" / "train_data_joint.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PrepError, match="its header promises 360000 bytes.*359999 are there"):
        find("agcn_npy", tmp_path / "x", "ntu120", tmp_path)
