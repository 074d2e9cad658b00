"""CTR-GCN's npz gives joints, labels and names back; the real files give the same store as our preprocessing."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.shared import shared
from helpers.synthetic_formats import SyntheticClip, assert_holds, clips, ctrgcn, find, flat, imported, one_hot

from manifests.facts import dataset
from prep.building.build import BadFiles
from prep.errors import PrepError
from prep.preprocessing.quality import NAN

NAMES = [
    "S001C001P001R001A007",
    "S001C002P003R001A050",
    "S002C003P001R002A055",
    "S002C002P002R001A001",
    "S003C001P003R001A002",
    "S004C003P008R002A003",
]


def numbered(several: list[SyntheticClip], part: str) -> list[SyntheticClip]:
    return [SyntheticClip(f"{part}-{row:06d}", clip.label, clip.joints) for row, clip in enumerate(several, 1)]


def divided(several: list[SyntheticClip], split: str) -> tuple[list[SyntheticClip], list[SyntheticClip]]:
    """The order of the public code, written again: by value of the group, then by name."""
    ordered = sorted(several, key=lambda clip: clip.name)
    train, test = {
        "xsub": ([1, 2, 4, 5, 8], [3, 6, 7]),
        "xview": ([2, 3], [1]),
        "xset": ([2, 4], [1, 3]),
    }[split]
    at = {"xsub": slice(9, 12), "xview": slice(5, 8), "xset": slice(1, 4)}[split]
    take = lambda values: [clip for value in values for clip in ordered if int(clip.name[at]) == value]  # noqa: E731
    return take(train), take(test)


@pytest.mark.parametrize(("data", "doubled"), [("ntu60", False), ("ntu120", True)])
def test_joints_and_labels_without_names(tmp_path: Path, data: str, doubled: bool) -> None:
    train, test = clips(5), clips(4, seed=1)
    path = ctrgcn(tmp_path / "a.npz", train, test, len(dataset(data).classes), doubled)
    store = imported("ctrgcn_npz", path, data, tmp_path / "s.zarr")
    assert_holds(store, [*numbered(train, "train"), *numbered(test, "test")])
    assert store.bodies.tolist() == [1, 1, 2, 1, 1, 1, 2, 1, 1]
    assert (store.info.file_format, store.info.preprocessing) == ("ctrgcn_npz", "imported")


@pytest.mark.parametrize("split", ["xsub", "xview", "xset"])
def test_names_are_rebuilt_from_the_list_and_the_split(tmp_path: Path, split: str) -> None:
    several = clips(6, names=NAMES)
    (tmp_path / "names.txt").write_text("".join(f"{name}\n" for name in sorted(NAMES)))
    ctrgcn(tmp_path / "a.npz", *divided(several, split))
    store = imported(
        "ctrgcn_npz", tmp_path, "ntu120", tmp_path / "s.zarr", names=str(tmp_path / "names.txt"), split=split
    )
    assert_holds(store, several)
    assert store.subject.tolist() == [int(name[9:12]) for name in sorted(NAMES)]


def test_a_wrong_split_or_list_is_noticed_by_counts_and_labels(tmp_path: Path) -> None:
    several = clips(6, names=NAMES)
    names = tmp_path / "names.txt"
    names.write_text("\n".join(sorted(NAMES)))
    path = ctrgcn(tmp_path / "a.npz", *divided(several, "xsub"))
    with pytest.raises(PrepError, match="has 3 clips for the train part, the file 4"):
        find("ctrgcn_npz", path, "ntu120", tmp_path, names=str(names), split="xset")
    train, test = divided(several, "xsub")
    path = ctrgcn(tmp_path / "b.npz", train[::-1], test)
    with pytest.raises(PrepError, match="the name says 0.*is not the list, or the split not the one"):
        find("ctrgcn_npz", path, "ntu120", tmp_path, names=str(names), split="xsub")
    with pytest.raises(PrepError, match="names and split belong together"):
        find("ctrgcn_npz", path, "ntu120", tmp_path, names=str(names))
    with pytest.raises(PrepError, match="cannot be read as a list"):
        find("ctrgcn_npz", path, "ntu120", tmp_path, names=str(tmp_path / "no.txt"), split="xsub")


def test_the_real_files_give_the_store_of_our_preprocessing(tmp_path: Path) -> None:
    raw = shared("data/ntu/nturgb+d_skeletons")
    own = imported("ntu", raw, "ntu120", tmp_path / "own.zarr", preprocessing="ctrgcn")
    several = []
    for name, label, start, stop in zip(own.names, own.label, own.offsets, own.offsets[1:], strict=False):
        joints = own.joints(int(start), int(stop))
        several.append(SyntheticClip(name, int(label), joints if joints[:, 1].any() else joints[:, :1]))
    (tmp_path / "names.txt").write_text("\n".join(own.names))
    ctrgcn(tmp_path / "a.npz", *divided(several, "xsub"))
    options = {"names": str(tmp_path / "names.txt"), "split": "xsub"}
    store = imported("ctrgcn_npz", tmp_path / "a.npz", "ntu120", tmp_path / "s.zarr", **options)
    assert store.names == own.names
    for name in ("joints", "body_mask", "offsets", "label", "subject", "camera", "setup", "repetition", "bodies"):
        np.testing.assert_array_equal(store.read(name), own.read(name))
    assert len(store) == 7
    assert store.bodies.max() == 2


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    ctrgcn(tmp_path / "a.npz", clips(1), clips(1))
    os.mkfifo(tmp_path / "b.npz")
    assert len(find("ctrgcn_npz", tmp_path, "ntu120", tmp_path / "scratch").sources) == 2
    with pytest.raises(PrepError, match="b.npz: is a named pipe"):
        find("ctrgcn_npz", tmp_path / "a.npz", "ntu120", tmp_path, names=str(tmp_path / "b.npz"), split="xsub")


def test_compressed_files_are_unpacked_once(tmp_path: Path) -> None:
    train, test = clips(3), clips(3, seed=1)
    plain, packed = tmp_path / "plain.npz", tmp_path / "packed.npz"
    ctrgcn(plain, train, test)
    with np.load(plain) as arrays:
        np.savez_compressed(packed, **arrays)
    result = find("ctrgcn_npz", packed, "ntu120", tmp_path / "scratch")
    assert {Path(source.path).parent for source in result.sources} == {tmp_path / "scratch"}
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "scratch").iterdir())
    assert find("ctrgcn_npz", packed, "ntu120", tmp_path / "scratch") == result
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "scratch").iterdir()) == before
    one = imported("ctrgcn_npz", plain, "ntu120", tmp_path / "one.zarr")
    other = imported("ctrgcn_npz", packed, "ntu120", tmp_path / "other.zarr")
    assert one.array_digests == other.array_digests


def test_rows_with_a_wrong_label_or_number_are_bad_and_the_others_stay(tmp_path: Path) -> None:
    train = clips(5)
    x, y = flat(train), one_hot(train, 120)
    y[0, 3] = 1
    y[1] = 0
    y[2, train[2].label] = 0.5
    x[3, 2, 7] = np.inf
    x[4, 2, 7] = np.nan
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:1], y_test=one_hot(train[:1], 120))
    with pytest.raises(BadFiles) as caught:
        imported("ctrgcn_npz", tmp_path, "ntu120", tmp_path / "s.zarr")
    reasons = dict(caught.value.bad)
    assert list(reasons) == [f"train-{row:06d}" for row in (1, 2, 3, 4)]
    assert "2 ones" in reasons["train-000001"]
    assert "0 ones" in reasons["train-000002"]
    assert "other numbers" in reasons["train-000003"]
    assert "no coordinate" in reasons["train-000004"]
    store = imported("ctrgcn_npz", tmp_path, "ntu120", tmp_path / "s.zarr", allow_bad=True)
    assert store.names == ("test-000001", "train-000005")
    assert (store.quality & NAN).tolist() == [0, NAN]


@pytest.mark.parametrize("kind", ["<f8", ">f4", "<f2"])
def test_other_types_of_numbers_are_converted(tmp_path: Path, kind: str) -> None:
    train = [SyntheticClip(clip.name, clip.label, clip.joints.round(1)) for clip in clips(3)]
    x = np.stack(flat(train)).astype(kind)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=one_hot(train, 120))
    store = imported("ctrgcn_npz", tmp_path, "ntu120", tmp_path / "s.zarr")
    assert_holds(store, numbered(train, "train"), tolerance=0 if kind != "<f2" else 2e-3)


def test_fortran_order(tmp_path: Path) -> None:
    train = clips(3)
    np.savez(tmp_path / "a.npz", x_train=np.asfortranarray(flat(train)), y_train=np.asfortranarray(one_hot(train, 120)))
    assert_holds(imported("ctrgcn_npz", tmp_path, "ntu120", tmp_path / "s.zarr"), numbered(train, "train"))


@pytest.mark.parametrize(
    ("arrays", "data", "words"),
    [
        ({"x_train": np.zeros((2, 9, 150))}, "ntu120", "has `x_train` and no `y_train`"),
        ({"x_train": np.zeros((2, 9, 150)), "y_train": np.zeros((2, 60))}, "ntu120", "of 60 classes, ntu120 has 120"),
        ({"x_train": np.zeros((2, 9, 150)), "y_train": np.zeros((3, 120))}, "ntu120", "for 2 clips"),
        ({"x_train": np.array([{}]), "y_train": np.zeros((1, 120))}, "ntu120", "holds Python objects"),
    ],
)
def test_files_that_contradict_themselves(tmp_path: Path, arrays: dict, data: str, words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(PrepError, match=words):
        find("ctrgcn_npz", tmp_path, data, tmp_path)


@pytest.mark.parametrize("shape", [(9, 149), (9, 75 * 9), (9, 2, 75)])
def test_a_row_of_another_shape_is_bad(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.ones((1, *shape)), y_train=np.eye(120)[:1])
    with pytest.raises(PrepError, match="no clip could be read|bad"):
        imported("ctrgcn_npz", tmp_path, "ntu120", tmp_path / "s.zarr")


def test_members_that_would_leave_the_folder_are_not_looked_at(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("../../x_train.npy", "/y_train.npy"):
            data = io.BytesIO()
            np.save(data, np.zeros((1, 9, 150)))
            archive.writestr(name, data.getvalue())
    assert find("ctrgcn_npz", tmp_path / "a.npz", "ntu120", tmp_path / "scratch").sources == ()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.npz"]


def test_several_files_in_a_folder_are_not_mixed(tmp_path: Path) -> None:
    for name in ("NTU120_CSub", "NTU120_CSet"):
        ctrgcn(tmp_path / f"{name}.npz", clips(1), clips(1))
    with pytest.raises(PrepError, match="holds NTU120_CSet.npz, NTU120_CSub.npz. Name the file"):
        find("ctrgcn_npz", tmp_path, "ntu120", tmp_path)
