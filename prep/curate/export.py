"""A store to a file that other code reads: HDF5 with clips of their own lengths, or padded arrays as npz or npy.

    hdf5  every array of the store but embeddings under its own name, clips end to end, gzip; prep/importers/hdf5.py
          reads it back
    npz   x float32 (N, T, M * V * C), y float32 one-hot (N, classes), names, frames (N), licence: the file format of
          CTR-GCN and MAMP, read back by prep/importers/mamp_npz.py
    npy   a folder: data.npy float32 (N, C, T, V, M), label.npy, frame.npy (lengths), names.txt, LICENCE.txt: the file
          format of 2s-AGCN and DASTM, read back by prep/importers/dastm_npy.py

Clips shorter than T are padded with zeros at the end, longer clips are cut. No pickle is written. The output is written
in `<out>.exporting`, in bounded memory, and moved to its name when it is complete. One command at a time writes it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.curate.hdf5_file import Hdf5File
from prep.errors import PrepError
from prep.files import clear, disk_errors, locked, publish, remove, writing
from prep.importers.hdf5 import EXPORT_FORMAT
from prep.progress import Step, Work
from prep.store.arrays import SMALL
from prep.store.read import Store

FileFormat = Literal["hdf5", "npz", "npy"]
Arrange = Callable[[NDArray[np.float32]], NDArray[np.float32]]
STEP = 32_768  # frames read at once
_CHUNK = 1_024
# What h5py, numpy and zipfile raise for a file that is none of theirs.
_UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Exported:
    """`cut` clips had more than T frames; `written` is False if the same export was there already."""

    cut: int
    written: bool


def export(store: Store, file_format: FileFormat, out: Path, frames: int = 0) -> Work[Exported]:
    """Write `store` to `out`; npz and npy are padded to T = `frames` frames (0: the longest clip's length).

    Raises PrepError for `frames` with hdf5, while another command writes to `out`, and if something else than this
    export is at `out`; StoreError for a damaged store.
    """
    padded = file_format != "hdf5"
    if frames and not padded:
        raise PrepError("hdf5 keeps every clip's own length; leave out --frames.")
    lengths = np.diff(store.offsets)
    length = frames or max(1, int(lengths.max(initial=0)))
    cut = int((lengths > length).sum()) if padded else 0
    working = out.with_name(f"{out.name}.exporting")
    if working.exists() or not out.exists():
        with disk_errors(out), locked(working):
            if not out.exists():
                yield from _write(store, file_format, out, working / "complete", length)
                return Exported(cut, written=True)
            clear(working)
    if not _is_export(out, store, file_format, length):
        rule = f"exists, and is not the {file_format} export of this store with these options"
        raise PrepError(f"{out}: {rule}. Choose another --out, or move it away.")
    return Exported(cut, written=False)


def _write(store: Store, file_format: FileFormat, out: Path, complete: Path, length: int) -> Work[None]:
    remove(complete)
    with writing(complete) as temporary:
        if file_format == "hdf5":
            yield from _hdf5(store, temporary)
        else:
            yield from (_npz if file_format == "npz" else _npy)(store, temporary, length)
    publish(complete, out)


def _is_export(out: Path, store: Store, file_format: FileFormat, length: int) -> bool:
    """Whether `out` is what this export writes, by the digest of the store and by T that stand in it."""
    try:
        if file_format == "hdf5":
            import h5py

            with h5py.File(out, "r") as file:
                return bool(file.attrs["format"] == EXPORT_FORMAT and file.attrs["digest"] == store.digest)
        if file_format == "npz":
            with zipfile.ZipFile(out) as archive, archive.open("x.npy") as x, archive.open("licence.npy") as licence:
                np.lib.format.read_magic(x)
                shape, *_ = np.lib.format.read_array_header_1_0(x)
                return shape[1] == length and str(np.lib.format.read_array(licence, allow_pickle=False)) == _terms(
                    store
                )
        shape = np.load(out / "data.npy", mmap_mode="r", allow_pickle=False).shape
        return shape[2] == length and (out / "LICENCE.txt").read_text(encoding="utf-8").rstrip("\n") == _terms(store)
    except (*_UNREADABLE, IndexError):
        return False


def _hdf5(store: Store, path: Path) -> Work[None]:
    import h5py

    with path.open("w+b", buffering=0) as raw:
        target = Hdf5File(raw)
        with h5py.File(target, "w") as file:
            for step in _hdf5_arrays(store, file):
                target.check()
                yield step
        target.check()


def _hdf5_arrays(store: Store, file: Any) -> Iterator[Step]:
    info, total = store.info, store.frames
    facts = {"format": EXPORT_FORMAT, "licence": info.licence, "citation": info.citation, "digest": store.digest}
    file.attrs.update(facts | {"info": json.dumps(asdict(info))})
    for name in SMALL:
        file.create_dataset(name, data=store.read(name))
    file.create_dataset("body_mask", data=store.body_mask)
    file.create_dataset("origin", data=store.origin())
    compression: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
    chunks = {"chunks": (min(_CHUNK, total), *store.shape), **compression} if total else {}
    joints = file.create_dataset("joints", (total, *store.shape), "<f4", **chunks)
    for start in range(0, total, STEP):
        stop = min(start + STEP, total)
        joints[start:stop] = store.joints(start, stop)
        yield Step(stop, total)


def _npz(store: Store, path: Path, length: int) -> Work[None]:
    bodies, joints, channels = store.shape
    shape = (len(store), length, bodies * joints * channels)
    with zipfile.ZipFile(path, "w") as archive:
        with _member(archive, "x", np.dtype("<f4"), shape) as file:
            yield from _padded(store, length, file, lambda clip: clip.reshape(length, -1))
        with _member(archive, "y", np.dtype("<f4"), (len(store), len(store.info.classes))) as file:
            for label in store.label:
                file.write((np.arange(len(store.info.classes)) == label).astype("<f4").tobytes())
        small = {"names": np.array(store.names), "frames": _lengths(store, length)}
        for name, array in {**small, "licence": np.array(_terms(store))}.items():
            with _member(archive, name, array.dtype, array.shape) as file:
                file.write(array.tobytes())


def _npy(store: Store, path: Path, length: int) -> Work[None]:
    bodies, joints, channels = store.shape
    path.mkdir()
    with (path / "data.npy").open("wb") as file:
        _write_header(file, np.dtype("<f4"), (len(store), channels, length, joints, bodies))
        yield from _padded(store, length, file, lambda clip: clip.transpose(3, 0, 2, 1))
    np.save(path / "label.npy", store.label.astype(np.int64), allow_pickle=False)
    np.save(path / "frame.npy", _lengths(store, length), allow_pickle=False)
    (path / "names.txt").write_text("".join(f"{name}\n" for name in store.names), encoding="utf-8")
    (path / "LICENCE.txt").write_text(_terms(store) + "\n", encoding="utf-8")


def _padded(store: Store, length: int, file: IO[bytes], arrange: Arrange) -> Iterator[Step]:
    """Write every clip, cut or padded to `length` frames and arranged."""
    done = 0
    for clip in _clips(store):
        padded = np.zeros((length, *store.shape), "<f4")
        padded[: len(clip)] = clip[:length]
        file.write(np.ascontiguousarray(arrange(padded)).data.cast("B"))
        done += len(clip)
        yield Step(done, store.frames)


def _clips(store: Store) -> Iterator[NDArray[np.float32]]:
    """The clips (L, M, V, C) in order, some thousand frames read at once."""
    offsets, first = store.offsets, 0
    while first < len(store):
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + STEP, "right")) - 1)
        joints = store.joints(int(offsets[first]), int(offsets[last]))
        for clip in range(first, last):
            yield joints[offsets[clip] - offsets[first] : offsets[clip + 1] - offsets[first]]
        first = last


def _lengths(store: Store, length: int) -> NDArray[np.int64]:
    return np.minimum(np.diff(store.offsets), length).astype(np.int64)


def _terms(store: Store) -> str:
    info = store.info
    return f"{info.title}. {info.licence}. {info.citation}. Store {store.digest}, {info.preprocessing}."


@contextmanager
def _member(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> Generator[IO[bytes], None, None]:
    """An uncompressed array in a zip, its header written."""
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        _write_header(file, dtype, shape)
        yield file


def _write_header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": dtype.str, "fortran_order": False, "shape": shape})
