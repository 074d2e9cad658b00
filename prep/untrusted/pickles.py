"""Pickles of unknown origin, read as plain data: no code of a pickle is executed, and its memory stays bounded.

The standard library's remedy, `pickle.Unpickler` with `find_class`, keeps the first half of this promise only: nine
bytes make its C machine fill 16 GB. Here its Python machine runs with an allow-list (_pickle_machine.py), which takes
5 s more for 114,000 clips.

Memory: a length is checked against the rest of the file before it is read, and arrays may use the bytes of the file at
most four times. What is left are the steps of the machine, at most about 150 bytes for each byte of the file and
MOST_READS reads in all; well-formed files take one to three times their size.
"""

from __future__ import annotations

import pickle
import struct
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from prep.errors import PrepError
from prep.untrusted._pickle_machine import KnownName, Machine, UnfinishedType, UnsafePickle
from prep.untrusted.files import check_regular

_PICKLE_ERRORS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)


def load(path: Path) -> Any:
    """The value in a pickle file. Raises UnsafePickle, and PrepError if the file cannot be read."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            return _read(file, path.stat().st_size, str(path), boxed=False)
    except OSError as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error


def loads(data: bytes, where: str, boxed: bool = False) -> Any:
    """The value in a pickle's bytes; `boxed` allows one object in an array without axes. Raises UnsafePickle.

    >>> loads(pickle.dumps(["a", 1.5]), "here")
    ['a', 1.5]
    """
    return _read(BytesIO(data), len(data), where, boxed)


def _read(file: IO[bytes], size: int, where: str, boxed: bool) -> Any:
    try:
        value = Machine(file, size, boxed).load()
        _check_plain(value)
    except UnsafePickle as error:
        raise UnsafePickle(f"{where}: {error} Nothing of it was run. Get the file as plain arrays.") from error
    except _PICKLE_ERRORS as error:
        raise UnsafePickle(f"{where}: is no readable pickle ({type(error).__name__}: {str(error)[:200]}).") from error
    return value


def _check_plain(value: Any) -> None:
    """Raise UnsafePickle if a name or an unfinished dtype is left over. Not recursive: values may be deep."""
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if type(part) in (list, tuple, dict):
            if id(part) not in seen:
                seen.add(id(part))
                waiting += part.values() if type(part) is dict else part
        elif type(part) in (KnownName, UnfinishedType):
            raise UnsafePickle("it holds a function or a class.")
        elif type(part) is np.ndarray and part.dtype == object:
            waiting += [part.item()]
