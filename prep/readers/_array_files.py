"""The array in one file of a custom dataset: .npy, .npz, .mat, .json, or a table of numbers in .txt or .csv.

Files are validated before memory is allocated for them. An array of objects, a header that announces more than the
file holds, or packed numbers beyond the size of a clip make a file unusable. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.clip import Source
from prep.errors import BadFile
from prep.readers._mat import MatError, from_mat
from prep.readers._nested import NotNumbers, Ragged, nested, numbers
from prep.untrusted.arrays import from_npy
from prep.untrusted.files import LARGEST as MOST_BYTES
from prep.untrusted.files import ZIP_ERRORS, check_ratio, most_unpacked, without_mark
from prep.untrusted.json_text import parse_lists

ARRAYS, TABLES = (".npy", ".npz", ".json", ".mat"), (".txt", ".csv")
KEY = "joints"
MOST_FRAMES = 100_000
LONGEST_LINE = 2**20  # bytes
MOST_JSON = 64 * 2**20  # bytes; larger arrays are better in .npy


def array_in(source: Source, data: bytes) -> NDArray[Any]:
    """The array in the file, of any type and shape; (frames, numbers) for a table. Raises BadFile."""
    ending = PurePosixPath(source.member or source.path).suffix.lower()
    if ending == ".npy":
        return from_npy(data, source.name)
    if ending == ".npz":
        return from_npy(_member(source, data), source.name)
    if ending == ".mat":
        try:
            return from_mat(data, KEY, most_unpacked(len(data)))
        except MatError as error:
            raise bad_file(source, str(error), f"Save it in MATLAB as save(file, '{KEY}', '-v7')") from error
    return _table(source, data) if ending in TABLES else _nested(source, data)


def bad_file(source: Source, what: str, remedy: str = "Write the file again") -> BadFile:
    """The error for one file: its name, the rule that it breaks, the remedy."""
    return BadFile(f"{source.name}: {what.rstrip('.')}. {remedy}.")


def _member(source: Source, data: bytes) -> bytes:
    """The bytes of `joints.npy` in a .npz. Raises BadFile."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entry = archive.getinfo(f"{KEY}.npy")
            if entry.file_size > MOST_BYTES:
                raise bad_file(source, f"`{KEY}` announces {entry.file_size} bytes; a clip has at most {MOST_BYTES}")
            check_ratio(entry, f"{source.name}: `{KEY}`")
            with archive.open(entry) as file:
                return file.read(entry.file_size + 1)
    except KeyError as error:
        raise bad_file(source, f"holds no array `{KEY}`", f"Save it as numpy.savez(file, {KEY}=array)") from error
    except ZIP_ERRORS as error:
        raise bad_file(source, f"is not a readable .npz ({str(error)[:200]})") from error


def _nested(source: Source, data: bytes) -> NDArray[Any]:
    """Nested lists in JSON, or in an object under `joints`; null is a missing number. Raises BadFile."""
    value = parse_lists(data, source.name, MOST_JSON)
    if isinstance(value, dict):
        if KEY not in value:
            raise bad_file(source, f"is an object without `{KEY}`", f'Write only the lists, or {{"{KEY}": ...}}')
        value = value[KEY]
    try:
        return numbers(nested(value), missing=True)
    except Ragged as error:
        remedy = "Give every frame all joints; null where missing"
        raise bad_file(source, "holds lists of unequal length", remedy) from error
    except NotNumbers as error:
        raise bad_file(source, "holds what is not a number") from error


def _table(source: Source, data: bytes) -> NDArray[np.float64]:
    """(frames, numbers) of a text table, separated by `,`, `;` or blanks; a first line without a number is a header.

    An empty cell is a missing number. Empty lines count for nothing. Raises BadFile.
    """
    rows: list[NDArray[np.float64]] = []
    for number, line in enumerate(io.BytesIO(without_mark(data, source.name)), 1):
        if len(line) > LONGEST_LINE or len(rows) > MOST_FRAMES:
            raise bad_file(source, f"line {number} is beyond {MOST_FRAMES} frames, or {LONGEST_LINE} bytes long")
        cells = _cells(line)
        row = [_number(cell) for cell in cells]
        if None not in row:
            rows += [np.array(row, np.float64)] if row else []
        elif rows or any(_number(cell) is not None for cell in cells if cell):
            word = cells[row.index(None)].decode("latin-1")[:40]
            raise bad_file(source, f"line {number} has `{word}`, which is not a number", "Write one line per frame")
        if rows and row and None not in row and len(row) != len(rows[0]):
            rule = f"line {number} has {len(row)} numbers, the first line has {len(rows[0])}"
            raise bad_file(source, rule, "Give every frame all joints; nan where missing")
    return np.stack(rows) if rows else np.zeros((0, 0))


def _cells(line: bytes) -> list[bytes]:
    r"""The cells of one line, without blanks around them.

    >>> _cells(b"1, ,3\n"), _cells(b"1 2\t3\n"), _cells(b" \n")
    ([b'1', b'', b'3'], [b'1', b'2', b'3'], [])
    """
    for separator in (b",", b";"):
        if separator in line:
            cells = [cell.strip() for cell in line.split(separator)]
            return cells if any(cells) else []
    return line.split()


def _number(cell: bytes) -> float | None:
    """The number in a cell, NaN for an empty one, None for anything else."""
    try:
        return float(cell) if cell else float("nan")
    except ValueError:
        return None
