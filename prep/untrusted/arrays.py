"""Arrays in .npy and .npz files of unknown origin. No header is believed before the size of the file confirms it.

numpy parses the header, from at most LONGEST_HEADER bytes. Arrays of objects (pickles) and of records are refused, and
the numbers must fill the file, or the member of the zip, exactly. Rows are read by position, so an array may be larger
than the memory. Names of members never become paths.

Compressed members are unpacked once; uncompressed ones are read inside the zip: unpacking these too takes 1.45 times as
long and as much disk space again, 20 GB for NTU RGB+D 120.
"""

from __future__ import annotations

import math
import os
import struct
import tokenize
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import BadFile, PrepError
from prep.files import atomic_write, writing
from prep.untrusted.files import ANY_RATIO_SIZE, ZIP_ERRORS, check_regular
from prep.untrusted.files import HIGHEST_RATIO as MOST_UNPACKED

# numpy needs 300 bytes for 8 sides of 19 digits.
LONGEST_HEADER = 1_024
# Labels and names are read as a whole, joints are not.
LARGEST_IN_MEMORY = 2**30
# Deflate compresses at most 1,032 to 1.
HIGHEST_RATIO = 1_100
MOST_SIDES = 8
MOST_EMPTY = 2**20  # for a side of an array without numbers, which the size of the file cannot confirm
LONGEST_TEXT = 40_000  # bytes
_CHUNK = 4 * 2**20
# What numpy raises for texts that are not a header: it evaluates them as Python literals.
_HEADER_ERRORS = (
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
)


@dataclass(frozen=True)
class ArrayOnDisk:
    """An array that has not been read: its numbers start at byte `offset` of `path`."""

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    fortran: bool = False

    @property
    def size(self) -> int:
        """The size of the array in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def row_size(self) -> int:
        """The size of one row of the first axis in bytes."""
        return math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize


def open_npy(path: Path) -> ArrayOnDisk:
    """The array of a .npy file. Raises PrepError if it is absent, holds objects, or is truncated or damaged."""
    with _opened(path) as file:
        return _array(file, str(path), str(path), os.fstat(file.fileno()).st_size)


def npz_names(path: Path) -> list[str]:
    """The sorted names of the arrays of a .npz file. Raises PrepError."""
    return sorted(_members(path))


def open_npz(path: Path, names: Sequence[str], scratch: Path) -> dict[str, ArrayOnDisk]:
    """Those arrays of a .npz file that have one of these names, once the checksum (CRC) of each is verified.

    Compressed arrays are unpacked into `scratch`, once for each state of the file. Raises PrepError.
    """
    members = _members(path)
    return {name: _verified(path, members[name], scratch) for name in names if name in members}


def open_stored(path: Path, name: str) -> ArrayOnDisk:
    """One uncompressed array of a .npz file, its checksum not verified again. Raises PrepError."""
    members = _members(path)
    if name not in members:
        raise BadFile(f"{path}: has no array `{name}` any more. Run again.")
    return _stored(path, members[name])


def read_rows(array: ArrayOnDisk, start: int, stop: int) -> NDArray[Any]:
    """Rows start : stop of the first axis, in C order. In a Fortran-ordered array, which is mapped, this is slow.

    Raises BadFile if the file does not have these rows any more.
    """
    if not (array.shape and 0 <= start <= stop <= array.shape[0]):
        raise BadFile(f"{array.path}: has no rows {start} to {stop} any more. Run again.")
    shape = (stop - start, *array.shape[1:])
    try:
        if array.fortran:
            mapped = np.memmap(array.path, np.dtype(array.dtype), "r", array.offset, array.shape, "F")
            return np.array(mapped[start:stop], order="C")
        first = array.offset + start * array.row_size
        numbers = np.fromfile(array.path, array.dtype, math.prod(shape), offset=first)
    except (OSError, ValueError) as error:
        raise BadFile(f"{array.path}: cannot be read ({error}). Run again.") from error
    if numbers.size != math.prod(shape):
        raise BadFile(f"{array.path}: has become shorter. Run again.")
    return numbers.reshape(shape)


def read_all(array: ArrayOnDisk, packed: int = LARGEST_IN_MEMORY) -> NDArray[Any]:
    """The whole array. Raises PrepError above 1 GiB, and far above the size `packed` of the file that it comes from."""
    if array.size > min(LARGEST_IN_MEMORY, max(ANY_RATIO_SIZE, MOST_UNPACKED * packed)):
        raise PrepError(f"{array.path}: an array of shape {array.shape} where labels or names belong. Fetch it again.")
    if not array.shape:
        return read_rows(replace(array, shape=(1,)), 0, 1)[0]
    return read_rows(array, 0, array.shape[0])


def to_npy(array: NDArray[Any]) -> bytes:
    """An array as the bytes of a .npy file in C order."""
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape})
    return file.getvalue() + array.tobytes()


def from_npy(data: bytes, where: str) -> NDArray[Any]:
    """The array in the bytes of a .npy file. Raises BadFile, naming `where`, for anything else.

    >>> from_npy(to_npy(np.arange(3)), "here").tolist()
    [0, 1, 2]
    """
    array = _array(BytesIO(data), where, where, len(data))
    numbers = np.frombuffer(data, array.dtype, offset=array.offset)
    return numbers.reshape(array.shape, order="F" if array.fortran else "C")


def object_offset(data: bytes, where: str) -> int:
    """Where the pickle starts in a .npy file of one pickled object. Raises BadFile for any other array."""
    shape, _, dtype, offset = _header(data[: LONGEST_HEADER + 12], where)
    if shape != () or not dtype.hasobject:
        raise BadFile(f"{where}: is not one object in a .npy, as NTURGB-D's txt2npy.py writes it. Fetch it again.")
    return offset


def stamp(path: Path) -> str:
    """Size and modification time of a file: it changes when the file does. Raises PrepError if it is absent."""
    try:
        status = path.stat()
    except OSError as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error
    return f"{status.st_size}-{status.st_mtime_ns}"


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        check_regular(path)
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error


def _array(file: IO[bytes], path: str, where: str, end: int, start: int = 0) -> ArrayOnDisk:
    """The array between bytes `start`, where `file` stands, and `end` of `path`; only its header is read."""
    shape, fortran, dtype, length = _header(file.read(LONGEST_HEADER + 12), where)
    if dtype.hasobject:
        raise BadFile(f"{where}: holds Python objects, which could run code. Save it again as a plain array.")
    numbers, text = dtype.kind in "biuf" and dtype.itemsize <= 8, dtype.kind in "SU"
    if not (numbers or (text and 0 < dtype.itemsize <= LONGEST_TEXT)):
        raise BadFile(f"{where}: holds `{dtype.str}`; numbers and text are read. Save it again as a plain array.")
    if len(shape) > MOST_SIDES or not all(type(side) is int and 0 <= side < 2**63 for side in shape):
        raise BadFile(f"{where}: its header has the shape {str(shape)[:80]}. Fetch it again.")
    array = ArrayOnDisk(path, start + length, dtype.str, shape, fortran)
    if array.size != end - array.offset or (array.size == 0 and max(shape) > MOST_EMPTY):
        rule = f"its header promises {array.size} bytes of shape {shape}, {end - array.offset} are there"
        raise BadFile(f"{where}: {rule}. It is truncated or damaged; fetch it again.")
    return array


def _header(head: bytes, where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, Fortran order, dtype and length of a .npy header, as numpy parses it. Raises BadFile."""
    file = BytesIO(head)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError("its version is not 1 to 3")
        # Version 3 is version 2 with field names in UTF-8, and records are refused.
        parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 2 wrote (2L, 3L), about which numpy warns
            shape, fortran, dtype = parse(file, max_header_size=LONGEST_HEADER)
    except _HEADER_ERRORS as error:
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise BadFile(f"{where}: does not begin with the header of a plain .npy ({reason}). Fetch it again.") from error
    return shape, fortran, dtype, file.tell()


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The arrays of a zip by name."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except ZIP_ERRORS as error:
        raise PrepError(f"{path}: is not a readable .npz ({error}). Fetch it again.") from error
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        if entry.filename.endswith(".npy"):
            name = entry.filename.removesuffix(".npy")
            if name in members:
                raise PrepError(f"{path}: holds two arrays `{name}`. Fetch it again.")
            members[name] = entry
    return members


def _verified(path: Path, entry: zipfile.ZipInfo, scratch: Path) -> ArrayOnDisk:
    """The array of a member after all its bytes were read once, which verifies its checksum."""
    # Named by the position in the zip, not by the untrusted name of the member.
    target = scratch / f"{stamp(path)}-{entry.header_offset}.npy"
    if entry.compress_type != zipfile.ZIP_STORED:
        if not target.exists():
            scratch.mkdir(parents=True, exist_ok=True)
            with writing(target) as temporary, temporary.open("wb") as file:
                for chunk in _chunks(path, entry):
                    file.write(chunk)
        return open_npy(target)
    verified = target.with_suffix(".verified")
    if not verified.exists():
        for _ in _chunks(path, entry):
            pass
        scratch.mkdir(parents=True, exist_ok=True)
        atomic_write(verified, "The checksum of this member is right.\n")
    return _stored(path, entry)


def _chunks(path: Path, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a member. Raises BadFile, before the first if the header contradicts the size, for damaged ones."""
    where = f"{path}: {entry.filename}"
    if entry.file_size > HIGHEST_RATIO * max(entry.compress_size, 1):
        raise BadFile(f"{where}: promises {entry.file_size} bytes from {entry.compress_size}. Fetch it again.")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as member:
            chunk = member.read(_CHUNK)
            _array(BytesIO(chunk), where, where, entry.file_size)
            while chunk:
                yield chunk
                chunk = member.read(_CHUNK)
    except ZIP_ERRORS as error:
        raise BadFile(f"{where}: cannot be unpacked ({error}). Fetch it again.") from error


def _stored(path: Path, entry: zipfile.ZipInfo) -> ArrayOnDisk:
    """The array of an uncompressed member inside the zip: after its local header (APPNOTE.TXT of PKWARE, 4.3.7)."""
    where = f"{path}: {entry.filename}"
    with _opened(path) as file:
        file.seek(entry.header_offset)
        local = file.read(30)
        if len(local) < 30 or entry.compress_size != entry.file_size:
            raise BadFile(f"{where}: the zip is truncated or contradicts itself. Fetch it again.")
        start = entry.header_offset + 30 + sum(struct.unpack("<HH", local[26:]))
        file.seek(start)
        return _array(file, str(path), where, start + entry.file_size, start)
