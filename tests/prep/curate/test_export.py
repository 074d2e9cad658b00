"""Export: what plain numpy and h5py read is what the store holds, and our importers read it back."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.shared import shared
from helpers.shell import Shell
from helpers.stores import embed, make_store
from helpers.synthetic_formats import imported

from prep.curate import export as exporting
from prep.curate.export import Exported, FileFormat, export
from prep.curate.hdf5_file import Hdf5File
from prep.errors import PrepError
from prep.progress import Step, result
from prep.store.arrays import SMALL
from prep.store.read import Store, open_store

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(exporting, "STEP", 100)
    return open_store(make_store(tmp_path / "own.zarr", clips_per_class=2, bodies=1))


def clip(store: Store, row: int) -> np.ndarray:
    return store.joints(int(store.offsets[row]), int(store.offsets[row + 1]))


def test_hdf5(store: Store, tmp_path: Path) -> None:
    steps = list(export(store, "hdf5", tmp_path / "a.h5"))
    assert steps[-1] == Step(store.frames, store.frames)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["joints"][()], store.joints())
        for name in ("body_mask", "origin", *SMALL):
            np.testing.assert_array_equal(file[name][()], store.read(name))
        assert file.attrs["licence"] == store.info.licence
        assert json.loads(file.attrs["info"])["preprocessing"] == "agcn"


def test_embeddings_stay_behind(store: Store, tmp_path: Path) -> None:
    result(export(store, "hdf5", tmp_path / "bare.h5"))
    result(export(embed(Path(store.path)), "hdf5", tmp_path / "full.h5"))
    with h5py.File(tmp_path / "bare.h5") as bare, h5py.File(tmp_path / "full.h5") as full:
        assert set(full) == set(bare) == {"joints", "body_mask", "origin", *SMALL}


def test_npz(store: Store, tmp_path: Path) -> None:
    result(export(store, "npz", tmp_path / "a.npz", frames=50))
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
    exported = result(export(store, "npy", tmp_path / "a", frames=20))
    long = int((np.diff(store.offsets) > 20).sum())
    assert exported == Exported(cut=long, written=True)
    assert long > 0
    data = np.load(tmp_path / "a" / "data.npy")
    assert data.shape == (48, 3, 20, 25, 1)
    for row in range(48):
        expected = clip(store, row)[:20]
        np.testing.assert_array_equal(data[row].transpose(1, 3, 2, 0)[: len(expected)], expected)
    assert np.load(tmp_path / "a" / "label.npy").tolist() == store.label.tolist()
    assert (tmp_path / "a" / "names.txt").read_text().split() == list(store.names)
    assert store.info.licence in (tmp_path / "a" / "LICENCE.txt").read_text()


@pytest.mark.parametrize(("file_format", "importer"), [("hdf5", "hdf5"), ("npz", "mamp_npz"), ("npy", "dastm_npy")])
def test_each_file_format_is_read_back(store: Store, tmp_path: Path, file_format: FileFormat, importer: str) -> None:
    result(export(store, file_format, tmp_path / "a"))
    again = imported(importer, tmp_path / "a", "demo", tmp_path / "s.zarr")
    assert again.names == store.names
    np.testing.assert_array_equal(again.offsets, store.offsets)
    np.testing.assert_array_equal(again.label, store.label)
    np.testing.assert_array_equal(again.joints(), store.joints())


FORMATS = ("hdf5", "npz", "npy")


def contents(path: Path) -> dict[str, bytes]:
    paths = [path] if path.is_file() else sorted(path.rglob("*"))
    return {file.name: file.read_bytes() for file in paths if file.is_file()}


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_stopped_export_leaves_nothing_and_starts_again(
    store: Store, tmp_path: Path, file_format: FileFormat
) -> None:
    stopped = export(store, file_format, tmp_path / "a")
    next(stopped)
    stopped.close()
    assert list(tmp_path.iterdir()) == [Path(store.path)]
    assert result(export(store, file_format, tmp_path / "a")).written


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_killed_export_is_cleared_away(store: Store, tmp_path: Path, file_format: FileFormat) -> None:
    working = tmp_path / "a.exporting"
    (working / "complete").mkdir(parents=True)
    (working / "complete" / "data.npy").write_bytes(b"of another export")
    (working / "complete.0123.writing").write_bytes(b"half")
    assert result(export(store, file_format, tmp_path / "a")).written
    assert not working.exists()


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_finished_export_is_already_there(store: Store, tmp_path: Path, file_format: FileFormat) -> None:
    out = tmp_path / "a"
    assert result(export(store, file_format, out)).written
    before = contents(out)
    assert result(export(store, file_format, out)) == Exported(cut=0, written=False)
    assert contents(out) == before
    other = open_store(make_store(tmp_path / "other.zarr", clips_per_class=2, bodies=1, seed=1))
    rule = f"a: exists, and is not the {file_format} export of this store with these options. Choose another --out"
    with pytest.raises(PrepError, match=rule):
        result(export(other, file_format, out))
    if file_format != "hdf5":
        with pytest.raises(PrepError, match=rule):
            result(export(store, file_format, out, frames=20))
    wrong: FileFormat = "npz" if file_format == "hdf5" else "hdf5"
    with pytest.raises(PrepError, match=f"exists, and is not the {wrong} export"):
        result(export(store, wrong, out))
    assert contents(out) == before


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("steps", [1, 5])
def test_a_second_export_into_one_file_is_refused_and_the_first_is_right(
    store: Store, tmp_path: Path, file_format: FileFormat, steps: int
) -> None:
    result(export(store, file_format, tmp_path / "alone"))
    first = export(store, file_format, tmp_path / "a")
    for _ in range(steps):
        next(first)
    with pytest.raises(PrepError, match="another command is writing here"):
        result(export(store, file_format, tmp_path / "a"))
    assert result(first).written
    assert list(contents(tmp_path / "a").values()) == list(contents(tmp_path / "alone").values())


# In a process of its own: HDF5 used to end it with a segmentation fault.
LIMITED = """
import resource, signal, sys
from cli.fsprep import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    "limit", [pytest.param(100, marks=pytest.mark.slow), 3_000, pytest.param(250_000, marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_a_size_limit_is_one_sentence(store: Store, tmp_path: Path, file_format: FileFormat, limit: int) -> None:
    line = ["export", store.path, "--format", file_format, "--out", str(tmp_path / "a")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *line], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2, done.stderr
    message = f"Error: {tmp_path / 'a'}: the disk is full, or a size limit was reached. Free some space"
    assert done.stderr.startswith(message), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.zarr"]
    assert result(export(store, file_format, tmp_path / "a")).written


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_errors_of_the_disk_reach_the_caller_after_hdf5_has_closed_its_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    class Full:
        """The disk is full after some writes."""

        def __init__(self, raw: io.FileIO) -> None:
            self.raw, self.writes = raw, 0

        def write(self, data: memoryview) -> int:
            self.writes += 1
            if self.writes > 5:
                raise OSError(code, "no")
            return self.raw.write(data)

        def __getattr__(self, name: str) -> object:
            return getattr(self.raw, name)

    class OnFullDisk(Hdf5File):
        def __init__(self, raw: io.FileIO) -> None:
            super().__init__(Full(raw))  # type: ignore[arg-type]

    monkeypatch.setattr(exporting, "Hdf5File", OnFullDisk)
    words = "the disk is full" if code == errno.ENOSPC else "cannot be written .Read-only file system."
    with pytest.raises(PrepError, match=words):
        result(export(store, "hdf5", tmp_path / "a"))
    assert list(tmp_path.iterdir()) == [Path(store.path)]


def test_a_store_without_frames(tmp_path: Path) -> None:
    store = open_store(make_store(tmp_path / "own.zarr", clips_per_class=1, frames=(0, 1)))
    for file_format, importer in (("hdf5", "hdf5"), ("npz", "mamp_npz"), ("npy", "dastm_npy")):
        result(export(store, file_format, tmp_path / file_format))  # type: ignore[arg-type]
        again = imported(importer, tmp_path / file_format, "demo", tmp_path / f"{file_format}.zarr")
        assert (len(again), again.frames) == (24, 0)


def test_the_command(store: Store, tmp_path: Path) -> None:
    shell = Shell()
    done = shell(
        ["fsprep", "export", store.path, "--format", "npz", "--out", str(tmp_path / "a.npz"), "--frames", "20"]
    )
    assert done.exit_code == 0
    assert "clips were longer than 20 frames and were cut. Terms: CC0-1.0" in done.output
    same = ["fsprep", "export", store.path, "--format", "npz", "--out", str(tmp_path / "a.npz"), "--frames", "20"]
    again = shell(same)
    assert (again.exit_code, again.output) == (0, f"Already there.\n{done.output}")
    other = shell([*same[:-1], "21", "--json"])
    assert (other.exit_code, "exists, and is not the npz export" in other.stderr) == (2, True)
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
    assert json.loads(done.stdout)["info"]["file_format"] == "mamp_npz"


@pytest.mark.slow
def test_the_real_nw_ucla_there_and_back(tmp_path: Path) -> None:
    own = imported("nw_ucla", shared("data/nw_ucla.zip"), "nw_ucla", tmp_path / "own.zarr", preprocessing="ctrgcn")
    result(export(own, "hdf5", tmp_path / "a.h5"))
    again = imported("hdf5", tmp_path / "a.h5", "nw_ucla", tmp_path / "s.zarr")
    assert (len(again), again.names) == (1484, own.names)
    for name in ("joints", "body_mask", "offsets", "label", "subject", "camera", "repetition"):
        np.testing.assert_array_equal(again.read(name), own.read(name))
