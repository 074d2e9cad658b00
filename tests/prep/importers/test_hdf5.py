"""HDF5 as `fsprep export` writes it: everything back, and nothing that the file points at outside itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.stores import clip_name, info, make_store, write_clips
from helpers.synthetic_formats import find, imported

from prep.building.build import BadFiles
from prep.curate.export import export
from prep.errors import PrepError
from prep.progress import result
from prep.store.read import Store, open_store


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    store = open_store(make_store(tmp_path / "own.zarr", clips_per_class=3, bodies=1))
    result(export(store, "hdf5", tmp_path / "a.h5"))
    return tmp_path / "a.h5"


@pytest.mark.parametrize("bodies", [1, 2, 4])
def test_a_store_comes_back_whole(tmp_path: Path, bodies: int) -> None:
    own = open_store(make_store(tmp_path / "own.zarr", 1, (3, 6), name="ntu120", bodies=bodies))
    result(export(own, "hdf5", tmp_path / "a.h5"))
    preprocessing = "imported_all" if bodies > 2 else "imported"
    store = imported("hdf5", tmp_path / "a.h5", "ntu120", tmp_path / "s.zarr", preprocessing=preprocessing)
    order = np.argsort(own.names)
    assert store.names == tuple(sorted(own.names))
    for name in ("label", "subject", "camera", "setup", "repetition"):
        np.testing.assert_array_equal(store.read(name), own.read(name)[order])
    for row, clip in enumerate(order):
        expected = own.joints(int(own.offsets[clip]), int(own.offsets[clip + 1]))
        joints = store.joints(int(store.offsets[row]), int(store.offsets[row + 1]))
        np.testing.assert_array_equal(joints[:, :bodies], expected)
        assert not joints[:, bodies:].any()


def moved_store(path: Path) -> Store:
    """Two clips with a way back to recorded coordinates."""
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal((length, 1, 25, 3)).astype("f4") for length in (3, 5)]
    back = {"to_recorded": rng.standard_normal((2, 3, 3)).astype("f4"), "origin": rng.standard_normal((8, 3), "f4")}
    return open_store(write_clips(path, info("demo"), [clip_name("demo", n, n) for n in (1, 0)], [1, 0], clips, **back))


def test_the_way_back_to_recorded_coordinates_is_kept(tmp_path: Path) -> None:
    own = moved_store(tmp_path / "own.zarr")
    result(export(own, "hdf5", tmp_path / "a.h5"))
    store = imported("hdf5", tmp_path / "a.h5", "demo", tmp_path / "s.zarr")
    assert store.names == own.names[::-1]
    np.testing.assert_array_equal(store.to_recorded, own.to_recorded[::-1])
    np.testing.assert_array_equal(store.origin(), np.concatenate([own.origin(3), own.origin(0, 3)]))


def test_a_way_back_that_holds_no_coordinates_is_bad(tmp_path: Path) -> None:
    own = moved_store(tmp_path / "own.zarr")
    result(export(own, "hdf5", tmp_path / "a.h5"))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["origin"][6, 1] = np.nan
    with pytest.raises(BadFiles, match="`origin` or `to_recorded` holds no coordinates. Export the store again"):
        imported("hdf5", tmp_path / "a.h5", "demo", tmp_path / "s.zarr")


def replaced(path: Path, name: str, **how: Any) -> Path:
    with h5py.File(path, "r+") as file:
        shape, dtype = file[name].shape, file[name].dtype
        del file[name]
        file.create_dataset(name, **{"shape": shape, "dtype": dtype, **how})
    return path


def test_more_is_promised_than_there_is(exported: Path, tmp_path: Path) -> None:
    shape = (10**12, 1, 25, 3)
    replaced(exported, "joints", shape=shape, chunks=(1024, 1, 25, 3))
    with pytest.raises(PrepError, match="promises more than the file holds"):
        find("hdf5", exported, "demo", tmp_path)
    replaced(exported, "joints", shape=(8192, 1, 25, 3), chunks=(1024, 1, 25, 3), compression="lzf")
    with pytest.raises(PrepError, match="a custom filter"):
        find("hdf5", exported, "demo", tmp_path)


def test_nothing_outside_the_file_is_read(exported: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0" * 10_000_000)
    with h5py.File(exported, "r+") as file:
        shape = file["joints"].shape
        del file["joints"]
        file["joints"] = h5py.ExternalLink("other.h5", "joints")
    with pytest.raises(PrepError, match="`joints` is missing, or a link to elsewhere"):
        find("hdf5", exported, "demo", tmp_path)
    with h5py.File(exported, "r+") as file:
        del file["joints"]
        file["joints"] = h5py.SoftLink("/label")
    with pytest.raises(PrepError, match="link to elsewhere"):
        find("hdf5", exported, "demo", tmp_path)
    with h5py.File(exported, "r+") as file:
        del file["joints"]
        size = int(np.prod(shape)) * 4
        file.create_dataset("joints", shape, "<f4", external=[(str(secret), 0, size)])
    with pytest.raises(PrepError, match="lies in other files"):
        find("hdf5", exported, "demo", tmp_path)
    layout = h5py.VirtualLayout(shape, "<f4")
    layout[...] = h5py.VirtualSource("other.h5", "joints", shape)
    with h5py.File(exported, "r+") as file:
        del file["joints"]
        file.create_virtual_dataset("joints", layout)
    with pytest.raises(PrepError, match="lies in other files"):
        find("hdf5", exported, "demo", tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("offsets", np.zeros(73, np.int64), "do not fit each other"),
        ("offsets", np.arange(5), "do not fit each other"),
        ("label", np.zeros(3, np.int32), "do not fit each other"),
        ("label", np.zeros(72, "S3"), "not numbers"),
        ("names", np.full((72, 3), 65, np.uint8), "two clips of one name"),
        ("names", np.full((72, 3), 255, np.uint8), "two clips of one name"),
        ("origin", np.zeros((9, 3), np.float32), "origin and to_recorded do not fit joints of shape"),
        ("to_recorded", np.zeros((72, 3, 3), np.float64), "origin and to_recorded do not fit joints of shape"),
        ("joints", np.zeros((9, 1, 20, 3), np.float32), "are not those of demo"),
        ("joints", np.zeros((9, 1, 25, 3), np.float64), "are not those of demo"),
    ],
)
def test_arrays_that_do_not_fit(exported: Path, tmp_path: Path, name: str, value: np.ndarray, words: str) -> None:
    replaced(exported, name, shape=value.shape, dtype=value.dtype, data=value)
    with pytest.raises(PrepError, match=words):
        find("hdf5", exported, "demo", tmp_path)


def test_labels_that_do_not_exist_are_bad(exported: Path, tmp_path: Path) -> None:
    labels = np.zeros(72, np.int32)
    labels[:2] = 24, -1
    replaced(exported, "label", data=labels)
    assert len(find("hdf5", exported, "demo", tmp_path).bad) == 2


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"text")
    with pytest.raises(PrepError, match="is no HDF5 file of `fsprep export`"):
        find("hdf5", tmp_path / "a.h5", "demo", tmp_path)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["joints"] = np.zeros(3)
    with pytest.raises(PrepError, match="is not of the format"):
        find("hdf5", tmp_path / "b.h5", "demo", tmp_path)
    with pytest.raises(PrepError, match="holds a.h5, b.h5. Name the file"):
        find("hdf5", tmp_path, "demo", tmp_path)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.h5")
    assert find("hdf5", tmp_path, "demo", tmp_path).sources == ()
    assert find("hdf5", tmp_path / "a.h5", "demo", tmp_path).sources == ()
