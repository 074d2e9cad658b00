"""Peak memory and time of every reader and importer under files made to exhaust them; `-s` shows the table."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers import synthetic_own
from helpers.peak import largest_size

from manifests.custom import read_custom
from manifests.facts import dataset
from manifests.strict import InvalidValue
from prep.errors import PrepError
from prep.formats import FindRequest, format_named
from prep.importers.hdf5 import EXPORT_FORMAT

pytestmark = pytest.mark.slow
MIB = 2**20
# Text read as nested lists, or as a pickle, takes the most; a packed member may become 4 MiB whatever its size.
BYTES_PER_BYTE, FIXED_BYTES, SLOWEST = 100, 96 * MIB, 20.0


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(path: Path, name: str, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, data)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def laughs(depth: int = 40) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


def annotation(**fields: Any) -> bytes:
    clip = {"frame_dir": "a", "label": 0, "keypoint": np.ones((1, 2, 25, 3), np.float16), "total_frames": 2}
    return pickle.dumps([{**clip, **fields}], 2)


def one_hash(count: int = 100_000) -> bytes:
    """A dictionary whose keys are multiples of 2^61 - 1, the modulus of hashes; packed by hand, as it takes hours."""
    keys = (int(number * (2**61 - 1)).to_bytes(11, "little") for number in range(count))
    return b"\x80\x02}(" + b"".join(b"\x8a\x0b" + key + b"N" for key in keys) + b"u."


def own(folder: Path, name: str, data: bytes) -> Path:
    path = synthetic_own.write_own(folder)
    (clip,) = (folder / "clips" if (folder / "clips").is_dir() else path.parent).rglob("a02_s3_e0.npy")
    clip.unlink()
    write(clip.with_name(f"a02_s3_e0{name}"), data)
    return path


def npz(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, joints=array)
    return file.getvalue()


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


UCLA, NTU = "a01_s01_e00_v01.json", "S001C001P001R001A001.skeleton"
LISTS, PAIRS, DIGITS = b"[],", b"[1,2],", b"1 "


def many(what: bytes, size: int) -> bytes:
    return what * (size // len(what))


def listed(what: bytes, size: int) -> bytes:
    return b'{"file_name": "a", "label": 1, "data": [], "skeletons": [' + many(what, size)[:-1] + b"]}"


# name: (format, dataset, a function that writes the input below a folder and returns what to read)
ATTACKS: dict[str, tuple[str, str, Callable[[Path], Path]]] = {
    "pickle, nested label": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", annotation(label=laughs()))),
    "pickle, nested name": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", annotation(frame_dir=laughs()))),
    "pickle, keys of one hash": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", one_hash())),
    "pickle, empty lists": ("pyskl_pkl", "ntu60", lambda p: write(p / "a.pkl", b"(" + b"]" * (MIB // 4) + b"l.")),
    "zip, 40 MB of lists": ("nw_ucla", "nw_ucla", lambda p: zipped(p / "a.zip", UCLA, listed(LISTS, 40 * MIB))),
    "zip, 4 MB of lists": ("nw_ucla", "nw_ucla", lambda p: zipped(p / "a.zip", UCLA, listed(LISTS, 4 * MIB - 99))),
    "zip, 4 MB of pairs": ("nw_ucla", "nw_ucla", lambda p: zipped(p / "a.zip", UCLA, listed(PAIRS, 4 * MIB - 99))),
    "zip, bzip2": ("ntu", "ntu60", lambda p: zipped(p / "a.zip", NTU, bytes(16 * MIB), zipfile.ZIP_BZIP2)),
    "zip, lzma": ("ntu", "ntu60", lambda p: zipped(p / "a.zip", NTU, bytes(16 * MIB), zipfile.ZIP_LZMA)),
    "json, lists": ("nw_ucla", "nw_ucla", lambda p: write(p / UCLA, listed(LISTS, 6 * MIB))),
    "json, pairs": ("nw_ucla", "nw_ucla", lambda p: write(p / UCLA, listed(PAIRS, 3 * MIB))),
    "kinetics, pairs": ("kinetics", "kinetics", lambda p: write(p / "-bcdefghij0.json", listed(PAIRS, 3 * MIB))),
    "ntu, digits": ("ntu", "ntu60", lambda p: write(p / NTU, many(DIGITS, 6 * MIB))),
    "ntu, a billion frames": ("ntu", "ntu60", lambda p: write(p / NTU, b"1000000000\n" + many(b"0\n", 6 * MIB))),
    "msr, digits": ("msr_pairs", "msr_pairs", lambda p: write(p / "a01_s01_e01.txt", many(DIGITS, 6 * MIB))),
    "own json, pairs": ("own", "", lambda p: own(p, ".json", b"[" + many(PAIRS, 3 * MIB)[:-1] + b"]")),
    "own npz, 60 MB": ("own", "", lambda p: own(p, ".npz", npz(np.zeros((200_000, 25, 3), "f4")))),
    "own npz, 4 MB": ("own", "", lambda p: own(p, ".npz", npz(np.zeros((13_000, 25, 3), "f4")))),
    "own npy": ("own", "", lambda p: own(p, ".npy", npy(np.ones((90_000, 25, 3), "i1")))),
    "hdf5, a million clips": ("hdf5", "ntu60", lambda p: hdf5(p / "a.h5", 1_000_000)),
    "hdf5, 100,000 clips": ("hdf5", "ntu60", lambda p: hdf5(p / "a.h5", 100_000)),
}


def read_all(name: str, data: str, path: Path, folder: Path, send: Any) -> None:
    """Child: find and read everything; send the growth of the memory and the seconds."""
    facts = dataset(data) if data else read_custom(path).data
    file_format = format_named(name)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, start = largest_size(), time.perf_counter()
    with suppress(PrepError, InvalidValue):
        for source in file_format.find(FindRequest(path, facts, file_format.parse_options({}), folder / "x")).sources:
            with suppress(PrepError):
                file_format.read(source, file_format.load(source), facts)
    send.send((largest_size() - before, time.perf_counter() - start))


@pytest.mark.filterwarnings("ignore:This process")
def test_memory_and_time_are_bounded_by_the_bytes_given(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    rows, wrong = [""], []
    print()
    for number, (attack, (name, data, make)) in enumerate(ATTACKS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = make(folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        receive, send = context.Pipe(duplex=False)
        child = context.Process(
            target=read_all,
            args=(name, data, path if path.suffix in (".toml", ".pkl", ".h5") else folder, folder, send),
        )
        child.start()
        send.close()
        peak, seconds = receive.recv()
        child.join()
        rows.append(
            f"{attack:26} {size:12,} bytes: peak {peak / MIB:7.1f} MiB, {peak / size:9.1f} a byte, {seconds:6.2f} s"
        )
        print(rows[-1], flush=True)
        if peak > FIXED_BYTES + BYTES_PER_BYTE * size or seconds > SLOWEST:
            wrong.append(rows[-1])
    assert not wrong
