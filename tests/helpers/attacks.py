"""Files made to exhaust readers and importers: their writers, and the table of attacks for each file format."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from helpers import synthetic_own
from scipy.io import savemat

from prep.importers.hdf5 import EXPORT_FORMAT
from prep.untrusted.files import ANY_RATIO_SIZE

MIB = 2**20
UCLA, NTU = "a01_s01_e00_v01.json", "S001C001P001R001A001.skeleton"
PACKED = ANY_RATIO_SIZE - 99  # bytes of a member, whose zip may be as small as can be
LISTS, PAIRS, DIGITS = b"[],", b"[1,2],", b"1 "


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_all(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        write(folder / name, data)
    return folder


def zipped(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def many(what: bytes, size: int) -> bytes:
    return what * (size // len(what))


def listed(what: bytes, size: int) -> bytes:
    return b'{"file_name": "a", "label": 1, "data": [], "skeletons": [' + many(what, size)[:-1] + b"]}"


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


# Pickles


def laughs(depth: int = 40) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


def annotations(names: int = 1, frames: int = 2, **fields: Any) -> bytes:
    """Annotations that share one keypoint array, which the pickle holds once."""
    keypoint = np.ones((1, frames, 25, 3), np.float16)
    clip = {"label": 0, "keypoint": keypoint, "total_frames": frames}
    return pickle.dumps([{"frame_dir": f"a{number}", **clip, **fields} for number in range(names)], 2)


def one_hash(count: int = 100_000) -> bytes:
    """A dictionary whose keys are multiples of 2^61 - 1, the modulus of hashes; packed by hand, as it takes hours."""
    keys = (int(number * (2**61 - 1)).to_bytes(11, "little") for number in range(count))
    return b"\x80\x02}(" + b"".join(b"\x8a\x0b" + key + b"N" for key in keys) + b"u."


def small_numbers(count: int, columns: int = 2) -> bytes:
    """(names, labels), each a list of so many zeros of two bytes."""
    column = b"](" + b"K\x00" * count + b"e"
    return b"\x80\x02" + column * columns + (b"\x86." if columns == 2 else b".")


def txt2npy(slots: int, frames: int, dtype: str = "<f2") -> bytes:
    """One dictionary whose bodies are the same array, which the pickle holds once."""
    body = np.ones((frames, 25, 3), dtype)
    content = {"file_name": "a", "nbodys": [1] * frames, "njoints": 25}
    content |= {f"skel_body{slot}": body for slot in range(slots)}
    file = io.BytesIO()
    np.save(file, np.array(content, dtype=object), allow_pickle=True)
    return file.getvalue()


# Custom datasets


def own(folder: Path, name: str, data: bytes) -> Path:
    """A custom dataset with one clip of this ending and content."""
    path = synthetic_own.write_own(folder)
    clip = folder / "clips" / "a02_s3_e0.npy"
    clip.unlink()
    for other in (folder / "clips").iterdir():
        if name in (".txt", ".csv"):  # tables are clips where there are no arrays
            other.unlink()
    write(clip.with_name(f"a02_s3_e0{name}"), data)
    return path


def own_table(folder: Path, size: int) -> Path:
    """A custom dataset whose table of labels names clips that do not exist."""
    path = synthetic_own.write_own(folder, 'labels = "name"', 'labels = "labels.csv"')
    rows = (b"%x,1\n" % number for number in range(size // 7))
    write(folder / "labels.csv", b"name,label\n" + b"".join(rows))
    return path


def own_npz(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, joints=array)
    return file.getvalue()


def mat(compressed: bool = True, **arrays: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, arrays, do_compression=compressed)
    return file.getvalue()


def mat_spent(bomb: int) -> bytes:
    """Level 5: a first element unpacks to exactly as much as the file allows, a second one to `bomb` bytes."""
    second, size = zlib.compress(bytes(bomb)), 0
    for _ in range(20):  # the size of the file depends on the first element, and this on the size
        first = zlib.compress(bytes(100 * size))
        size = len(header := mat()[:128]) + 16 + len(first) + len(second)
    return header + b"".join(np.array([15, len(packed)], "<u4").tobytes() + packed for packed in (first, second))


def mat_hdf5(write_arrays: Callable[[h5py.File], None]) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as content:
        write_arrays(content)
    return file.getvalue()


def links(count: int) -> Callable[[h5py.File], None]:
    def write_arrays(file: h5py.File) -> None:
        array = file.create_dataset("a", data=np.zeros(3))
        for number in range(count):
            file[f"b{number}"] = array

    return write_arrays


def absent(shape: tuple[int, ...], dtype: str) -> Callable[[h5py.File], None]:
    """An array whose chunks were never written."""

    def write_arrays(file: h5py.File) -> None:
        file.create_dataset("joints", shape, dtype, chunks=(*shape[:-1], 1000))

    return write_arrays


# Importers


def hdf5(path: Path, clips: int) -> Path:
    """Arrays of zeros for so many clips, packed a thousand to one."""
    with h5py.File(path, "w") as file:
        file.attrs["format"] = EXPORT_FORMAT
        shapes = {"joints": (1, 1, 25, 3), "origin": (1, 3), "to_recorded": (clips, 3, 3), "names": (clips, 8)}
        for name in ("label", "subject", "camera", "setup", "repetition", "offsets"):
            shapes[name] = (clips + (name == "offsets"),)
        for name, shape in shapes.items():
            dtype = {"names": "u1", "offsets": "i8", "label": "i4"}.get(name, "f4" if len(shape) > 1 else "i2")
            chunks = tuple(min(side, 2**18) for side in shape)
            file.create_dataset(name, data=np.zeros(shape, dtype), chunks=chunks, compression=1)
        file["offsets"][-1] = 1
    return path


def parts(folder: Path, rows: int, shape: tuple[int, ...], suffix: str) -> Path:
    """A folder of `train<suffix>.npy` whose labels and names are numbers of two bytes."""
    column = b"](" + b"K\x00" * rows + b"e"
    files = {f"train{suffix}.npy": npy(np.zeros((rows, *shape), "i1")), "train_label.pkl": b"\x80\x02" + column * 2}
    files["train_label.pkl"] += b"\x86."
    return write_all(folder, files)


def dastm(folder: Path, rows: int, shape: tuple[int, ...], names: bytes = b"") -> Path:
    files = {"data.npy": npy(np.zeros((rows, *shape), "i1"))}
    files |= {f"{name}.npy": npy(np.zeros(rows, "i1")) for name in ("label", "frame")}
    return write_all(folder, files | ({"names.txt": names} if names else {}))


# PKU-MMD, and the folders of Northwestern-UCLA


def pku(folder: Path, skeletons: bytes, labels: bytes = b"1,1,2,1\n") -> Path:
    return write_all(folder, {"skeletons/0002-L.txt": skeletons, "labels/0002-L.txt": labels})


def frames(count: int, content: bytes, listed_as: bytes = b"") -> dict[str, bytes]:
    """The files of one clip with so many frames."""
    folder = "view_1/a01_s01_e01"
    files = {f"{folder}/frame_{number}_tc_{number}_skeletons.txt": content for number in range(count)}
    return files | ({f"{folder}/fileList.txt": listed_as} if listed_as else {})


PKU_LINE = b"0 " * 149 + b"0\n"
PERSON = b"1\n" + b"0,0,0,0\n" * 20
Attack = tuple[str, str, Callable[[Path], Path]]

# name: (format, dataset, a function that writes the input below a folder and returns what to read)
RAW: dict[str, Attack] = {
    "ucla, zip of 40 MB": ("nw_ucla", "nw_ucla", lambda p: zipped(p / "a.zip", {UCLA: listed(LISTS, 40 * MIB)})),
    "ucla, zip of lists": ("nw_ucla", "nw_ucla", lambda p: zipped(p / "a.zip", {UCLA: listed(LISTS, PACKED)})),
    "ucla, zip of pairs": ("nw_ucla", "nw_ucla", lambda p: zipped(p / "a.zip", {UCLA: listed(PAIRS, PACKED)})),
    "ucla, lists": ("nw_ucla", "nw_ucla", lambda p: write(p / UCLA, listed(LISTS, 6 * MIB))),
    "ucla, pairs": ("nw_ucla", "nw_ucla", lambda p: write(p / UCLA, listed(PAIRS, 3 * MIB))),
    "ucla frames, digits": ("nw_ucla_frames", "nw_ucla", lambda p: write_all(p, frames(64, many(DIGITS, 65_000)))),
    "ucla frames, breaks": ("nw_ucla_frames", "nw_ucla", lambda p: write_all(p, frames(64, many(b"\f\n", 65_000)))),
    "ucla frames, lines": ("nw_ucla_frames", "nw_ucla", lambda p: write_all(p, frames(64, many(b"0\n", 65_000)))),
    "ucla frames, zip": ("nw_ucla_frames", "nw_ucla", lambda p: zipped(p / "a.zip", frames(20_000, PERSON))),
    "ucla frames, zip of empty": ("nw_ucla_frames", "nw_ucla", lambda p: zipped(p / "a.zip", frames(20_000, b""))),
    "ucla frames, list": (
        "nw_ucla_frames",
        "nw_ucla",
        lambda p: write_all(p, frames(9, PERSON, b"".join(b"%d 1\n" % number for number in range(130_000)))),
    ),
    "kinetics, pairs": ("kinetics", "kinetics", lambda p: write(p / "-bcdefghij0.json", listed(PAIRS, 3 * MIB))),
    "kinetics, label file": (
        "kinetics",
        "kinetics",
        lambda p: write_all(
            p,
            {
                "-bcdefghij0.json": b"{}",
                "kinetics_val_label.json": b"{"
                + b",".join(b'"%x":0' % number for number in range(3 * MIB // 9))
                + b"}",
            },
        ),
    ),
    "ntu, zip by bzip2": ("ntu", "ntu60", lambda p: zipped(p / "a.zip", {NTU: bytes(16 * MIB)}, zipfile.ZIP_BZIP2)),
    "ntu, zip by lzma": ("ntu", "ntu60", lambda p: zipped(p / "a.zip", {NTU: bytes(16 * MIB)}, zipfile.ZIP_LZMA)),
    "ntu, digits": ("ntu", "ntu60", lambda p: write(p / NTU, many(DIGITS, 6 * MIB))),
    "ntu, a billion frames": ("ntu", "ntu60", lambda p: write(p / NTU, b"1000000000\n" + many(b"0\n", 6 * MIB))),
    "msr, digits": ("msr_pairs", "msr_pairs", lambda p: write(p / "a01_s01_e01.txt", many(DIGITS, 6 * MIB))),
    "msr, empty frames": (
        "msr_pairs",
        "msr_pairs",
        lambda p: write(p / "a01_s01_e01.txt", b"100000 20\n" + b"0\n" * 100_000),
    ),
    "pku, digits": ("pku_mmd", "pku_mmd", lambda p: pku(p, many(DIGITS, 6 * MIB))),
    "pku, short lines": ("pku_mmd", "pku_mmd", lambda p: pku(p, many(b"0 0 0 0 0\n", 6 * MIB))),
    "pku, UTF-16": ("pku_mmd", "pku_mmd", lambda p: pku(p, many(PKU_LINE, 3 * MIB).decode().encode("utf-16"))),
    "pku, whole file per label": ("pku_mmd", "pku_mmd", lambda p: pku(p, PKU_LINE * 20_000, b"1,1,20000,1\n" * 5_000)),
    "pku, wrong labels": ("pku_mmd", "pku_mmd", lambda p: pku(p, PKU_LINE * 9, b"1\n" * 32_000)),
}
OWN: dict[str, Attack] = {
    "own json, pairs": ("own", "", lambda p: own(p, ".json", b"[" + many(PAIRS, 3 * MIB)[:-1] + b"]")),
    "own npz, 60 MB": ("own", "", lambda p: own(p, ".npz", own_npz(np.zeros((200_000, 25, 3), "f4")))),
    "own npz, 4 MB": ("own", "", lambda p: own(p, ".npz", own_npz(np.zeros((13_000, 25, 3), "f4")))),
    "own npz, 2 MB that fit": ("own", "", lambda p: own(p, ".npz", own_npz(np.zeros((49_000, 2, 7, 3), "i1")))),
    "own npy": ("own", "", lambda p: own(p, ".npy", npy(np.ones((90_000, 25, 3), "i1")))),
    "own npy, small numbers": ("own", "", lambda p: own(p, ".npy", npy(np.ones((90_000, 8, 7, 3), "i1")))),
    "own mat, zeros": ("own", "", lambda p: own(p, ".mat", mat(joints=np.zeros((99_000, 2, 7, 3), "i1")))),
    "own mat, 40 MB": ("own", "", lambda p: own(p, ".mat", mat(joints=np.zeros((99_000, 7, 3))))),
    "own mat, after the limit": ("own", "", lambda p: own(p, ".mat", mat_spent(512 * MIB))),
    "own mat, small numbers": (
        "own",
        "",
        lambda p: own(p, ".mat", mat(False, joints=np.ones((90_000, 8, 7, 3), "i1"))),
    ),
    "own mat, cells": ("own", "", lambda p: own(p, ".mat", mat(joints=np.full(20_000, 0, object)))),
    "own mat, many arrays": ("own", "", lambda p: own(p, ".mat", mat(**{f"a{n}": 1.0 for n in range(10_000)}))),
    "own mat 7.3, links": ("own", "", lambda p: own(p, ".mat", mat_hdf5(links(5_000)))),
    "own mat 7.3, absent": ("own", "", lambda p: own(p, ".mat", mat_hdf5(absent((3, 7, 99_000), "i1")))),
    "own txt, digits": ("own", "", lambda p: own(p, ".txt", many(DIGITS, MIB) + b"\n" + many(DIGITS, 6 * MIB))),
    "own txt, long lines": ("own", "", lambda p: own(p, ".txt", (many(DIGITS, MIB - 9) + b"\n") * 6)),
    "own txt, short lines": ("own", "", lambda p: own(p, ".txt", b"1\n" * 3 * MIB)),
    "own txt, empty lines": ("own", "", lambda p: own(p, ".txt", b"\n" * 2 * MIB)),
    "own csv, commas": ("own", "", lambda p: own(p, ".csv", (b"," * (MIB - 9) + b"1\n") * 6)),
    "own, table of labels": ("own", "", lambda p: own_table(p, 3 * MIB)),
}
IMPORTED: dict[str, Attack] = {
    "pyskl, nested label": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", annotations(label=laughs()))),
    "pyskl, nested name": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", annotations(frame_dir=laughs()))),
    "pyskl, keys of one hash": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", one_hash())),
    "pyskl, empty lists": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", b"(" + b"]" * (MIB // 4) + b"l.")),
    "pyskl, one array for all": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", annotations(9_000, 2_000))),
    "hdf5, a million clips": ("hdf5", "ntu60", lambda p: hdf5(p / "a.h5", 1_000_000)),
    "hdf5, 100,000 clips": ("hdf5", "ntu60", lambda p: hdf5(p / "a.h5", 100_000)),
    "txt2npy, one body": ("txt2npy", "ntu60", lambda p: write(p / f"{NTU}.npy", txt2npy(8, 6_000))),
    "txt2npy, zip": ("txt2npy", "ntu60", lambda p: zipped(p / "a.zip", {f"{NTU}.npy": txt2npy(8, 12_000)})),
    "txt2npy, frames": (
        "txt2npy",
        "ntu60",
        lambda p: write(p / f"{NTU}.npy", txt2npy(0, 0).replace(b"]", b"](" + b"K\x00" * MIB + b"e", 1)),
    ),
    **{
        f"{name}, {what}": (name, "ntu60", make)
        for name, suffix in (("agcn_npy", "_data_joint"), ("stgcn_npy", "_data"))
        for what, make in (
            ("clips of a byte", lambda p, suffix=suffix: parts(p, 500_000, (1, 1, 1, 1), suffix)),
            ("clips of nothing", lambda p, suffix=suffix: parts(p, 1_000_000, (3, 0, 25, 2), suffix)),
            (
                "labels",
                lambda p, suffix=suffix: (
                    write_all(p, {f"train{suffix}.npy": npy(np.zeros((2, 3, 5, 25, 2)))})
                    and write(
                        p / "train_label.pkl", b"\x80\x02" + (b"](" + b"K\x00" * MIB + b"e") * 2 + b"\x86."
                    ).parent
                ),
            ),
        )
    },
    "dastm, clips of a byte": ("dastm_npy", "ntu60", lambda p: dastm(p, 500_000, (1, 1, 1, 1))),
    "dastm, clips of nothing": ("dastm_npy", "ntu60", lambda p: dastm(p, 1_000_000, (3, 0, 25, 2))),
    "dastm, names": ("dastm_npy", "ntu60", lambda p: dastm(p, 2, (3, 5, 25, 2), b"\n" * 3 * MIB)),
    **{
        f"{name}, {what}": (name, data, make)
        for name, data, x, y in (
            ("ctrgcn_npz", "ntu60", "x_train", "y_train"),
            ("mamp_npz", "pku_mmd", "x_train", "y_train"),
            ("skeletonx_npz", "ntu60", "x_aux", "y_aux"),
        )
        for what, make in (
            ("clips of a byte", lambda p, x=x, y=y: _sets(p, x, y, (2 * MIB, 1, 1), (2 * MIB,))),
            ("clips of nothing", lambda p, x=x, y=y: _sets(p, x, y, (MIB, 0, 150), (MIB,))),
            ("labels", lambda p, x=x, y=y: _sets(p, x, y, (9, 5, 150), (256 * MIB,))),
            ("wide labels", lambda p, x=x, y=y: _sets(p, x, y, (4 * MIB, 1, 1), (4 * MIB, 60))),
        )
    },
    "mamp_npz, names": ("mamp_npz", "pku_mmd", lambda p: _names(p, "x", "y", "names")),
    "skeletonx_npz, names": ("skeletonx_npz", "ntu60", lambda p: _names(p, "x_aux", "y_aux", "name_aux")),
}
ATTACKS: dict[str, Attack] = RAW | OWN | IMPORTED


def _sets(folder: Path, x: str, y: str, joints: tuple[int, ...], labels: tuple[int, ...]) -> Path:
    return npz(folder / "a.npz", **{x: np.zeros(joints, "i1"), y: np.zeros(labels, "i1")}).parent


def _names(folder: Path, x: str, y: str, names: str) -> Path:
    """Names of 40,000 bytes, almost all of them zeros."""
    arrays = {x: np.zeros((4_000, 5, 150), "i1"), y: np.zeros(4_000, "i1"), names: np.zeros(4_000, "U9999")}
    return npz(folder / "a.npz", **arrays).parent
