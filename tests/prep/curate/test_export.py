"""Export: what plain numpy and h5py read is what the store has, and our importers read it back."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.shared import shared
from helpers.shell import Shell
from helpers.stores import embed, make_store
from helpers.synthetic_formats import imported

from prep.curate import export as exporting
from prep.curate.export import export
from prep.errors import PrepError
from prep.store.read import SMALL, Store, open_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(exporting, "STEP", 100)
    return open_store(make_store(tmp_path / "own.zarr", clips_per_class=2, bodies=1))


def clip(store: Store, row: int) -> np.ndarray:
    return store.joints(int(store.offsets[row]), int(store.offsets[row + 1]))


def test_hdf5(store: Store, tmp_path: Path) -> None:
    records = list(export(store, "hdf5", tmp_path / "a.h5"))
    assert (records[-1].done, records[-1].total) == (store.frames, store.frames)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["joints"][()], store.joints())
        for name in ("body_mask", *SMALL):
            np.testing.assert_array_equal(file[name][()], store.read(name))
        assert file.attrs["licence"] == store.info.licence
        assert json.loads(file.attrs["info"])["recipe"] == "agcn"


def test_embeddings_stay_behind(store: Store, tmp_path: Path) -> None:
    list(export(store, "hdf5", tmp_path / "bare.h5"))
    list(export(embed(Path(store.path)), "hdf5", tmp_path / "full.h5"))
    with h5py.File(tmp_path / "bare.h5") as bare, h5py.File(tmp_path / "full.h5") as full:
        assert set(full) == set(bare) == {"joints", "body_mask", *SMALL}


def test_npz(store: Store, tmp_path: Path) -> None:
    list(export(store, "npz", tmp_path / "a.npz", frames=50))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert file["x"].shape == (48, 50, 75)
        assert file["names"].tolist() == list(store.names)
        assert file["y"].argmax(1).tolist() == store.label.tolist()
        assert (file["y"].sum(1) == 1).all()
        assert store.info.licence in str(file["licence"])
        for row in range(48):
            np.testing.assert_array_equal(file["x"][row, : file["frames"][row]].reshape(-1, 1, 25, 3), clip(store, row))
            assert not file["x"][row, file["frames"][row] :].any()


def test_npy_cuts_and_counts(store: Store, tmp_path: Path) -> None:
    records = list(export(store, "npy", tmp_path / "a", frames=20))
    long = int((np.diff(store.offsets) > 20).sum())
    assert records[-1].cut == long > 0
    data = np.load(tmp_path / "a" / "data.npy")
    assert data.shape == (48, 3, 20, 25, 1)
    for row in range(48):
        expected = clip(store, row)[:20]
        np.testing.assert_array_equal(data[row].transpose(1, 3, 2, 0)[: len(expected)], expected)
    assert np.load(tmp_path / "a" / "label.npy").tolist() == store.label.tolist()
    assert (tmp_path / "a" / "names.txt").read_text().split() == list(store.names)
    assert store.info.licence in (tmp_path / "a" / "LICENCE.txt").read_text()


@pytest.mark.parametrize(("form", "importer"), [("hdf5", "hdf5"), ("npz", "mamp_npz"), ("npy", "dastm_npy")])
def test_each_form_is_read_back(store: Store, tmp_path: Path, form: exporting.Form, importer: str) -> None:
    list(export(store, form, tmp_path / "a"))
    again = imported(importer, tmp_path / "a", "demo", tmp_path / "s.zarr")
    assert again.names == store.names
    np.testing.assert_array_equal(again.offsets, store.offsets)
    np.testing.assert_array_equal(again.label, store.label)
    np.testing.assert_array_equal(again.joints(), store.joints())


@pytest.mark.parametrize("form", ["hdf5", "npz", "npy"])
def test_nothing_is_overwritten_and_a_rest_is_no_hindrance(
    store: Store, tmp_path: Path, form: exporting.Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = export(store, form, tmp_path / "a")
    next(stopped)
    stopped.close()
    assert not (tmp_path / "a").exists()
    list(export(store, form, tmp_path / "a"))
    assert not (tmp_path / "a.writing").exists()
    with pytest.raises(PrepError, match="is there already. Choose another --out"):
        list(export(store, form, tmp_path / "a"))


def test_a_store_without_frames(tmp_path: Path) -> None:
    store = open_store(make_store(tmp_path / "own.zarr", clips_per_class=1, frames=(0, 1)))
    for form, importer in (("hdf5", "hdf5"), ("npz", "mamp_npz"), ("npy", "dastm_npy")):
        list(export(store, form, tmp_path / form))  # type: ignore[arg-type]
        again = imported(importer, tmp_path / form, "demo", tmp_path / f"{form}.zarr")
        assert (len(again), again.frames) == (24, 0)


def test_the_command(store: Store, tmp_path: Path) -> None:
    shell = Shell()
    done = shell(
        ["fsprep", "export", store.path, "--format", "npz", "--out", str(tmp_path / "a.npz"), "--frames", "20"]
    )
    assert done.exit_code == 0
    assert "clips were longer than 20 frames and are cut. Terms: CC0-1.0" in done.output
    again = shell(["fsprep", "export", store.path, "--format", "npz", "--out", str(tmp_path / "a.npz"), "--json"])
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)
    wrong = shell(["fsprep", "export", store.path, "--format", "hdf5", "--out", str(tmp_path / "b"), "--frames", "20"])
    assert (wrong.exit_code, "leave out --frames" in wrong.stderr) == (2, True)
    built = [
        "fsprep",
        "build",
        "demo",
        "--from",
        "mamp_npz",
        str(tmp_path / "a.npz"),
        "--out",
        str(tmp_path / "n.zarr"),
    ]
    done = shell([*built, "--workers", "1", "--json"])
    assert json.loads(done.stdout)["info"]["form"] == "mamp_npz"


@pytest.mark.slow
def test_the_real_nw_ucla_there_and_back(tmp_path: Path) -> None:
    own = imported("nw_ucla", shared("data/nw_ucla.zip"), "nw_ucla", tmp_path / "own.zarr", recipe="ctrgcn")
    list(export(own, "hdf5", tmp_path / "a.h5"))
    again = imported("hdf5", tmp_path / "a.h5", "nw_ucla", tmp_path / "s.zarr")
    assert (len(again), again.names) == (1484, own.names)
    for name in ("joints", "body_mask", "offsets", "label", "subject", "camera", "repetition"):
        np.testing.assert_array_equal(again.read(name), own.read(name))
