"""A store to a file that other code reads: HDF5 with every clip as it is, or padded arrays as npz or npy.

    hdf5  every array of the store but embeddings under its own name, clips end to end, gzip; prep/importers/hdf5.py
          reads it back
    npz   x float32 (N, T, M * V * C), y float32 one-hot (N, classes), names, frames (N), licence: CTR-GCN's and MAMP's
          form, read back by prep/importers/mamp_npz.py
    npy   a folder: data.npy float32 (N, C, T, V, M), label.npy, frame.npy (lengths), names.txt, LICENCE.txt: 2s-AGCN's
          and DASTM's form, read back by prep/importers/dastm_npy.py

Clips shorter than T are filled with zeros at the end, longer ones cut, and counted. No pickle is written. Everything is
written beside its name, in bounded memory, and renamed when whole.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.errors import PrepError
from prep.importers.hdf5 import FORMAT
from prep.store.read import SMALL, Store

Format = Literal["hdf5", "npz", "npy"]
Fill = Callable[[NDArray[np.float32]], NDArray[np.float32]]
STEP = 32_768  # frames read at once
_CHUNK = 1_024


@dataclass(frozen=True)
class Exported:
    """`done` of `total` frames; `cut` clips had more than T frames so far."""

    done: int
    total: int
    cut: int = 0


def export(store: Store, form: Format, out: Path, frames: int = 0) -> Iterator[Exported]:
    """Write `store` to `out`, padded to `frames` frames (0: the longest clip's) where the form has room for that.

    Raises PrepError where something is there already, and for `frames` with hdf5; StoreError for a damaged store.
    """
    if out.exists():
        raise PrepError(f"{out}: is there already. Choose another --out, or move it away.")
    if form == "hdf5" and frames:
        raise PrepError("hdf5 keeps every clip's own length; leave out --frames.")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".writing")
    if temporary.is_dir():
        shutil.rmtree(temporary)
    if form == "hdf5":
        yield from _hdf5(store, temporary)
    else:
        lengths = np.diff(store.offsets)
        length = frames or max(1, int(lengths.max(initial=0)))
        yield from (_npz if form == "npz" else _npy)(store, temporary, length)
    temporary.rename(out)


def _hdf5(store: Store, path: Path) -> Iterator[Exported]:
    import h5py

    info, total = store.info, store.frames
    with h5py.File(path, "w") as file:
        facts = {"format": FORMAT, "licence": info.licence, "citation": info.citation, "digest": store.digest}
        file.attrs.update(facts | {"info": json.dumps(asdict(info))})
        for name in SMALL:
            file.create_dataset(name, data=store.read(name))
        file.create_dataset("body_mask", data=store.body_mask)
        packing: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
        chunks = {"chunks": (min(_CHUNK, total), *store.shape), **packing} if total else {}
        joints = file.create_dataset("joints", (total, *store.shape), "<f4", **chunks)
        for start in range(0, total, STEP):
            stop = min(start + STEP, total)
            joints[start:stop] = store.joints(start, stop)
            yield Exported(stop, total)


def _npz(store: Store, path: Path, length: int) -> Iterator[Exported]:
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


def _npy(store: Store, path: Path, length: int) -> Iterator[Exported]:
    bodies, joints, channels = store.shape
    path.mkdir()
    with (path / "data.npy").open("wb") as file:
        _begin(file, np.dtype("<f4"), (len(store), channels, length, joints, bodies))
        yield from _padded(store, length, file, lambda clip: clip.transpose(3, 0, 2, 1))
    np.save(path / "label.npy", store.label.astype(np.int64), allow_pickle=False)
    np.save(path / "frame.npy", _lengths(store, length), allow_pickle=False)
    (path / "names.txt").write_text("".join(f"{name}\n" for name in store.names), encoding="utf-8")
    (path / "LICENCE.txt").write_text(_terms(store) + "\n", encoding="utf-8")


def _padded(store: Store, length: int, file: IO[bytes], arrange: Fill) -> Iterator[Exported]:
    """Write every clip, cut or filled with zeros to `length` frames and arranged."""
    done = cut = 0
    for clip in _clips(store):
        filled = np.zeros((length, *store.shape), "<f4")
        filled[: len(clip)] = clip[:length]
        file.write(np.ascontiguousarray(arrange(filled)).data.cast("B"))
        done, cut = done + len(clip), cut + (len(clip) > length)
        yield Exported(done, store.frames, cut)


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
    return (
        f"{store.info.title}. {store.info.licence}. {store.info.citation}. Store {store.digest}, {store.info.recipe}."
    )


@contextmanager
def _member(
    archive: zipfile.ZipFile, name: str, kind: np.dtype[Any], shape: tuple[int, ...]
) -> Generator[IO[bytes], None, None]:
    """An uncompressed array in a zip, its header written."""
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        _begin(file, kind, shape)
        yield file


def _begin(file: IO[bytes], kind: np.dtype[Any], shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": kind.str, "fortran_order": False, "shape": shape})
