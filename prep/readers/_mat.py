"""The numeric array in a MATLAB file: level 5 (saved as -v6 or -v7), or 7.3, which is HDF5.

Of a level 5 file only the element of one numeric array reaches scipy, after its size was compared with its bytes:
cells, structures, objects and functions are skipped. Format: "MAT-File Format", MathWorks, chapter 1. MATLAB stores
arrays in Fortran order, so the axes of a 7.3 file are reversed.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = 128
MOST_VARIABLES = 1_000
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC = range(6, 16)  # double, single, int8 ... uint64
_COMPLEX = 0x08
_ERRORS = (OSError, ValueError, TypeError, LookupError, RuntimeError, EOFError, struct.error, zlib.error, OverflowError)


class MatError(ValueError):
    """A .mat file that cannot be used; the text is a rule without the file's name."""


def from_mat(data: bytes, key: str, most_bytes: int) -> NDArray[Any]:
    """The numeric array called `key`, or the only one, of a .mat file. Raises MatError."""
    try:
        if HDF5_MAGIC in (data[:8], data[512:520]):
            return _from_hdf5(data, key, most_bytes)
        if data[126:128] not in (b"IM", b"MI"):
            raise MatError("is not a MATLAB file of level 5 or 7.3")
        return _from_level_5(data, key, most_bytes)
    except MatError:
        raise
    except _ERRORS as error:
        raise MatError(f"is a damaged MATLAB file ({str(error)[:120]})") from error


def _from_level_5(data: bytes, key: str, most_bytes: int) -> NDArray[Any]:
    from scipy.io import loadmat

    order = "<" if data[126:128] == b"IM" else ">"
    found = dict(_numeric_elements(data, order, most_bytes))
    name = _choose(list(found), key)
    content = loadmat(io.BytesIO(data[:HEADER] + found[name]), variable_names=[name])
    return np.asarray(content[name])


def _numeric_elements(data: bytes, order: str, most_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Name and bytes, unpacked, of every real numeric array that a level 5 file holds at its top level."""
    at = HEADER
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if size > len(data) - at - 8:
            raise MatError("is a MATLAB file that ends too early")
        element = data[at : at + 8 + size]
        at += 8 + size
        if most_bytes <= 0:  # zlib reads 0 as "no limit"
            raise MatError("holds arrays that are packed too small to be true")
        if kind == _COMPRESSED:
            inflate = zlib.decompressobj()
            element = inflate.decompress(element[8:], most_bytes)
            if inflate.unconsumed_tail:
                raise MatError(f"holds an array of more than {most_bytes} bytes")
        most_bytes -= len(element)
        name = _name_if_numeric(element, order)
        if name is not None:
            yield name, element


def _name_if_numeric(element: bytes, order: str) -> str | None:
    """The name of a numeric array; None for any other element. Raises MatError if it promises more than it holds."""
    kind, _, _, _, flags, _, _, sides = struct.unpack_from(f"{order}8I", element)
    array_class, bits = flags & 0xFF, flags >> 8 & 0xFF
    if kind != _MATRIX or array_class not in _NUMERIC or bits & _COMPLEX:
        return None
    shape = struct.unpack_from(f"{order}{min(sides, 256) // 4}i", element, 32)
    if min(shape, default=0) < 0 or math.prod(shape) > len(element):
        raise MatError(f"holds an array that promises the shape {shape[:8]} in {len(element)} bytes")
    at = 32 + -(-sides // 8) * 8
    tag, length = struct.unpack_from(f"{order}II", element, at)
    small = tag >> 16  # names of up to four letters lie in the tag itself
    text = element[at + 4 : at + 4 + small] if small else element[at + 8 : at + 8 + length]
    return text.decode("ascii", "replace")


def _from_hdf5(data: bytes, key: str, most_bytes: int) -> NDArray[Any]:
    import h5py

    with h5py.File(io.BytesIO(data), "r") as file:
        if len(file) > MOST_VARIABLES:
            raise MatError(f"holds {len(file)} variables; at most {MOST_VARIABLES} are read")
        arrays = {
            name: file[name]
            for name in file
            if isinstance(file.get(name, getlink=True), h5py.HardLink) and _is_numeric(file[name], h5py)
        }
        array = arrays[_choose(list(arrays), key)]
        if array.external or array.is_virtual or array.size * array.dtype.itemsize > most_bytes:
            raise MatError(f"holds an array of more than {most_bytes} bytes, or one that lies in other files")
        if array.chunks and math.prod(array.chunks) * array.dtype.itemsize > most_bytes:
            raise MatError(f"holds an array in pieces of more than {most_bytes} bytes")
        return np.asarray(array[()]).T


def _is_numeric(entry: Any, h5py: Any) -> bool:
    return isinstance(entry, h5py.Dataset) and entry.dtype.kind in "iuf" and "MATLAB_empty" not in entry.attrs


def _choose(names: list[str], key: str) -> str:
    if key in names:
        return key
    if len(names) != 1:
        listed = ", ".join(f"`{name:.40}`" for name in names[:8]) or "none"
        raise MatError(f"has no array `{key}`, and not exactly one array of real numbers instead ({listed})")
    return names[0]
