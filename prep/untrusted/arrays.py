"""Arrays in .npy and .npz files of unknown origin: nothing in a header is believed before the file bears it out.

A header is matched word by word rather than evaluated, arrays of objects (pickles) and of records are refused, and the
numbers must fill the file, or the member of the zip, to the byte. Rows are read by position, so an array may be larger
than the memory. Member names never become paths.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import BadFile, PrepError

# numpy's own bound on the text of a header (numpy.lib.format).
LONGEST_HEADER = 10_000
# Labels and names are read whole, joints are not.
LARGEST_WHOLE = 2**30
# Deflate packs at most 1,032 to 1.
MOST_PACKED = 1_100
MOST_SIDES = 8
MOST_EMPTY = 2**20  # a side of an array without numbers, which the file's length cannot bear out
_STEP = 4 * 2**20
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_HEADER = re.compile(
    r"\{\s*'descr':\s*'([^']{1,40})',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([0-9L, ]*)\),?\s*\}\s*"
)
_TYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[US][0-9]{1,4})")


@dataclass(frozen=True)
class ArrayAt:
    """Where the numbers of one array lie: `path` from byte `offset` on, of this dtype and shape."""

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    fortran: bool = False

    @property
    def bytes(self) -> int:
        """All its bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        """The bytes of one row of the first axis."""
        return math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize


def npy(path: Path) -> ArrayAt:
    """The array of a .npy file. Raises PrepError where it is absent, of objects, cut off or anything but one array."""
    with _opened(path) as file:
        return _header(file, str(path), str(path), os.fstat(file.fileno()).st_size)


def keys(path: Path) -> list[str]:
    """The names of the arrays of a .npz, sorted. Raises PrepError."""
    return sorted(_members(path))


def npz(path: Path, wanted: Sequence[str], scratch: Path | None) -> dict[str, ArrayAt]:
    """The arrays of a .npz with these names, as far as there are such, every byte checked against the zip's sums.

    What is stored lies where it is; what is compressed is unpacked into `scratch`, once for each state of the file.
    Raises PrepError.
    """
    members = _members(path)
    return {name: _checked(path, members[name], name, scratch) for name in wanted if name in members}


def stored(path: Path, name: str) -> ArrayAt:
    """One uncompressed array of a .npz, its sum not checked again. Raises PrepError."""
    members = _members(path)
    if name not in members:
        raise BadFile(f"{path}: has no array `{name}` any more. Run again.")
    return _stored(path, members[name])


def rows(at: ArrayAt, start: int, stop: int) -> NDArray[Any]:
    """Rows start : stop of the first axis, read now. A Fortran-ordered array is read number by number, slowly.

    Raises BadFile where the file no longer has them.
    """
    if not (at.shape and 0 <= start <= stop <= at.shape[0]):
        raise BadFile(f"{at.path}: has no rows {start} to {stop} any more. Run again.")
    try:
        if at.fortran:
            whole = np.memmap(at.path, np.dtype(at.dtype), "r", at.offset, at.shape, "F")
            return np.array(whole[start:stop], order="C")
        with open(at.path, "rb") as file:
            file.seek(at.offset + start * at.row_bytes)
            data = file.read((stop - start) * at.row_bytes)
    except (OSError, ValueError) as error:
        raise BadFile(f"{at.path}: cannot be read ({error}). Run again.") from error
    if len(data) != (stop - start) * at.row_bytes:
        raise BadFile(f"{at.path}: has become shorter. Run again.")
    return np.frombuffer(data, at.dtype).reshape(stop - start, *at.shape[1:])


def whole(at: ArrayAt) -> NDArray[Any]:
    """All of a small array. Raises PrepError above 1 GiB."""
    if at.bytes > LARGEST_WHOLE:
        raise PrepError(f"{at.path}: an array of shape {at.shape} where labels or names belong. Fetch it again.")
    if not at.shape:
        return rows(ArrayAt(at.path, at.offset, at.dtype, (1,)), 0, 1)[0]
    return rows(at, 0, at.shape[0])


def to_npy(array: NDArray[Any]) -> bytes:
    """An array as the bytes of a .npy file, with its dtype and shape, in C order."""
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape})
    return file.getvalue() + array.tobytes()


def from_npy(data: bytes, where: str) -> NDArray[Any]:
    """The array that `to_npy` packed. Raises BadFile, naming `where`, for anything else.

    >>> from_npy(to_npy(np.arange(3)), "here").tolist()
    [0, 1, 2]
    """
    at = _header(BytesIO(data), where, where, len(data))
    flat = np.frombuffer(data, at.dtype, offset=at.offset)
    return flat.reshape(at.shape, order="F" if at.fortran else "C")


def object_header(data: bytes, where: str) -> int:
    """The length of the header of a .npy that holds one pickled object. Raises BadFile for any other array."""
    text, length = _header_text(BytesIO(data), where)
    match = _HEADER.fullmatch(text)
    if match is None or match[1] != "|O" or match[3].strip():
        raise BadFile(f"{where}: is not one object in a .npy, as NTURGB-D's txt2npy.py writes it. Fetch it again.")
    return length


def stamp(path: Path) -> str:
    """Changes when the file does: its size and time. Raises PrepError where it is absent."""
    try:
        about = path.stat()
    except OSError as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error
    return f"{about.st_size}-{about.st_mtime_ns}"


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".writing")
    with temporary.open("wb") as file:
        yield file
    temporary.replace(path)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error


def _header(file: IO[bytes], path: str, where: str, end: int, start: int = 0) -> ArrayAt:
    """The array whose header `file` is about to read, from byte `start` to byte `end` of `path`."""
    text, length = _header_text(file, where)
    match = _HEADER.fullmatch(text)
    if match is None:
        raise BadFile(f"{where}: its header is not that of a plain array: {text[:80]!r}. Fetch it again.")
    if match[1].startswith("|O"):
        raise BadFile(f"{where}: holds Python objects, which could run code. Save it again as a plain array.")
    if not _TYPE.fullmatch(match[1]):
        raise BadFile(f"{where}: holds `{match[1]}`; numbers and text are read. Save it again as a plain array.")
    sides = [side.strip().rstrip("L") for side in match[3].split(",") if side.strip()]
    if len(sides) > MOST_SIDES or not all(side.isdigit() and len(side) < 20 for side in sides):
        raise BadFile(f"{where}: its header has the shape ({match[3][:80]}). Fetch it again.")
    shape = tuple(int(side) for side in sides)
    at = ArrayAt(path, start + length, np.dtype(match[1]).str, shape, match[2] == "True")
    if at.bytes != end - at.offset or (at.bytes == 0 and max(shape) > MOST_EMPTY):
        rule = f"its header promises {at.bytes} bytes of shape {shape}, {end - at.offset} are there"
        raise BadFile(f"{where}: {rule}. It is cut off or damaged; fetch it again.")
    return at


def _header_text(file: IO[bytes], where: str) -> tuple[str, int]:
    """The text of a .npy header and the bytes before the numbers."""
    magic = file.read(8)
    wide = magic[6:7] in (b"\2", b"\3")
    if magic[:6] != b"\x93NUMPY" or not (wide or magic[6:7] == b"\1"):
        raise BadFile(f"{where}: does not begin like a .npy file of version 1 to 3. Fetch it again.")
    size = file.read(4 if wide else 2)
    length = int.from_bytes(size, "little")
    text = file.read(min(length, LONGEST_HEADER))
    if length > LONGEST_HEADER or len(text) != length:
        raise BadFile(f"{where}: its header is cut off or longer than {LONGEST_HEADER} bytes. Fetch it again.")
    return text.decode("latin-1"), 8 + len(size) + length


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The arrays of a zip by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise PrepError(f"{path}: is not a readable .npz ({error}). Fetch it again.") from error
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        if entry.filename.endswith(".npy"):
            name = entry.filename.removesuffix(".npy")
            if name in found:
                raise PrepError(f"{path}: holds two arrays `{name}`. Fetch it again.")
            found[name] = entry
    return found


def _checked(path: Path, entry: zipfile.ZipInfo, name: str, scratch: Path | None) -> ArrayAt:
    if entry.compress_type != zipfile.ZIP_STORED:
        return _unpacked(path, entry, name, scratch)
    at = _stored(path, entry)
    seen = scratch / f"{stamp(path)}-{name}.checked" if scratch else None
    if seen is None or not seen.exists():
        _check_sum(path, entry, at)
        if seen is not None:
            with written(seen) as file:
                file.write(b"the sum of the zip is right\n")
    return at


def _stored(path: Path, entry: zipfile.ZipInfo) -> ArrayAt:
    """Where an uncompressed member's numbers lie in the zip itself."""
    where = f"{path}: {entry.filename}"
    with _opened(path) as file:
        file.seek(entry.header_offset)
        local = file.read(_LOCAL.size)
        fits = len(local) == _LOCAL.size and local[:4] == b"PK\3\4"
        _, _, flags, method, *_, name_length, extra_length = _LOCAL.unpack(local) if fits else (b"",) * 11
        if not fits or method != zipfile.ZIP_STORED or flags & 1 or entry.compress_size != entry.file_size:
            raise BadFile(f"{where}: the zip contradicts itself, or is encrypted. Fetch it again.")
        start = entry.header_offset + _LOCAL.size + name_length + extra_length
        end = start + entry.file_size
        if end > os.fstat(file.fileno()).st_size:
            raise BadFile(f"{where}: the zip ends before it. Fetch it again.")
        file.seek(start)
        return _header(file, str(path), where, end, start)


def _check_sum(path: Path, entry: zipfile.ZipInfo, at: ArrayAt) -> None:
    with _opened(path) as file:
        file.seek(at.offset + at.bytes - entry.file_size)
        total, left = 0, entry.file_size
        while left:
            piece = file.read(min(left, _STEP))
            total, left = zlib.crc32(piece, total), left - len(piece)
            if not piece:
                break
    if left or total != entry.CRC:
        raise BadFile(f"{path}: {entry.filename}: damaged, its sum (CRC) is wrong. Fetch it again.")


def _unpacked(path: Path, entry: zipfile.ZipInfo, name: str, scratch: Path | None) -> ArrayAt:
    where = f"{path}: {entry.filename}"
    if scratch is None:
        raise PrepError(f"{where}: is compressed, and there is no folder to unpack it into.")
    # Named by place in the zip, not by the member's name.
    target = scratch / f"{stamp(path)}-{entry.header_offset}.npy"
    if not target.exists():
        if entry.file_size > MOST_PACKED * max(entry.compress_size, 1):
            raise BadFile(f"{where}: promises {entry.file_size} bytes from {entry.compress_size}. Fetch it again.")
        try:
            with zipfile.ZipFile(path) as archive, archive.open(entry) as packed, written(target) as file:
                _copy(packed, file.write, where, entry.file_size)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise BadFile(f"{where}: cannot be unpacked ({error}). Fetch it again.") from error
    return npy(target)


def _copy(packed: IO[bytes], write: Callable[[bytes], object], where: str, size: int) -> None:
    """A member in pieces, after its header has been found to agree with the size that the zip announces."""
    first = packed.read(_STEP)
    _header(BytesIO(first), where, where, size)
    write(first)
    while piece := packed.read(_STEP):
        write(piece)
