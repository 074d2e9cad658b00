"""Pickles of unknown origin, read as data: numbers, text, lists, tuples, dictionaries and plain arrays, nothing else.

No function that a pickle names is ever called. The operations of the pickle machine that make instances, ask for
persistent objects or extensions are not there at all; of the names that a pickle may look up only numpy's ways of
packing an array are known, and each is answered by this module, which checks type, shape and bytes before it makes
the array. Arrays of objects and of records are refused.

Memory: a length is checked against what is left of the file before it is read, the memo is a dictionary, and bytes
may be handed to arrays at most four times over. What is left is what the machine's own steps cost, at most about 150
bytes for each byte of the file and MOST_STEPS steps in all; well-formed files take one to three times their size.
The machine is the Python form of the standard library's: the one in C sets memory aside before it looks at the file.
"""

from __future__ import annotations

import math
import pickle
import re
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from prep.errors import BadFile, PrepError

# The largest file that is known to need it, two-dimensional poses of 113,945 clips, takes 10 million.
MOST_STEPS = 32_000_000
MOST_SIDES = 8
_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_KNOWN = {
    **{(module, name): name for module in _ARRAYS for name in ("_reconstruct", "scalar")},
    **{(module, "_frombuffer"): "_frombuffer" for module in ("numpy.core.numeric", "numpy._core.numeric")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("collections", "OrderedDict"): "OrderedDict",
    **{(module, "bytes"): "bytes" for module in ("builtins", "__builtin__")},
}
_ALLOWED = """
MARK STOP POP POP_MARK DUP PROTO FRAME NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
LIST EMPTY_LIST APPEND APPENDS TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT GLOBAL STACK_GLOBAL
PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
"""
_TYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[US][0-9]{1,4}|[?]|O8?)")
_BROKEN = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)


class UnsafePickle(BadFile):
    """A pickle holds something else than plain data, or is damaged."""


def load(path: Path) -> Any:
    """What a pickle file holds. Raises UnsafePickle, and PrepError where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size, str(path), boxed=False)
    except OSError as error:
        raise PrepError(f"{path}: cannot be read ({error}).") from error


def loads(data: bytes, where: str, boxed: bool = False) -> Any:
    """What a pickle's bytes hold; `boxed` allows one object in an array without axes. Raises UnsafePickle.

    >>> loads(pickle.dumps(["a", 1.5]), "here")
    ['a', 1.5]
    """
    return _read(BytesIO(data), len(data), where, boxed)


def _read(file: IO[bytes], size: int, where: str, boxed: bool) -> Any:
    machine = _Machine(_Bounded(file, size), size, boxed)
    try:
        value = machine.load()
        _check_plain(value)
    except UnsafePickle as error:
        raise UnsafePickle(f"{where}: {error} Nothing of it was run. Get the file as plain arrays.") from error
    except _BROKEN as error:
        raise UnsafePickle(f"{where}: is no readable pickle ({type(error).__name__}: {str(error)[:200]}).") from error
    return value


class _Bounded:
    """A file that refuses to read more than there is, rather than to set memory aside for it."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size

    def read(self, count: int) -> bytes:
        if count > self._left:
            raise UnsafePickle(f"it announces {count} bytes where {self._left} are left.")
        self._left -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline()
        self._left -= len(line)
        return line


class _Name:
    """A name that the pickle looked up and that is known here."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Type:
    """A numpy dtype in the making: its code, and the byte order that follows in a state of its own."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, ""

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order or "=")  # type: ignore[arg-type]


class _Machine(pickle._Unpickler):
    """Python's own pickle machine with an allow-list of operations."""

    def __init__(self, file: _Bounded, size: int, boxed: bool) -> None:
        super().__init__(file, fix_imports=False, encoding="latin1")
        self._allowance = 4 * size + 65_536
        self._boxed = boxed
        self._answers: dict[str, Callable[..., Any]] = {
            "_reconstruct": self._reconstruct,
            "scalar": self._scalar,
            "_frombuffer": self._frombuffer,
            "dtype": lambda code, *_: _Type(_code(code, boxed)),
            "encode": self._encode,
            "OrderedDict": dict,
            "bytes": bytes,
        }

    def load(self) -> Any:
        """As the library's, but for the count of steps and the answer to a step that is not allowed."""
        self._unframer = pickle._Unframer(self._file_read, self._file_readline)  # type: ignore[attr-defined]
        self.read, self.readline = self._unframer.read, self._unframer.readline
        self.metastack: list[Any] = []
        self.stack: list[Any] = []
        self.append, self.proto = self.stack.append, 0
        try:
            for _ in range(MOST_STEPS):
                step = _STEPS.get(self.read(1)[0])
                if step is None:
                    raise UnsafePickle("it makes an instance of a class, a set or the like, which is no plain data.")
                step(self)
        except pickle._Stop as stop:  # type: ignore[attr-defined]
            return stop.value
        raise UnsafePickle(f"it takes more than {MOST_STEPS} steps.")

    def find_class(self, module: str, name: str) -> _Name:
        known = _KNOWN.get((module, name))
        if known is None:
            raise UnsafePickle(f"it asks for `{f'{module}.{name}'[:80]}`, which is no plain data.")
        return _Name(known)

    def reduce(self) -> None:
        """Answer the call of a known name with these arguments."""
        arguments, called = self.stack.pop(), self.stack[-1]
        if type(called) is not _Name or type(arguments) is not tuple or called.name not in self._answers:
            raise UnsafePickle("it calls something that makes no array.")
        if called.name in ("OrderedDict", "bytes") and arguments:
            raise UnsafePickle(f"it calls `{called.name}` with arguments.")
        self.stack[-1] = self._answers[called.name](*arguments)

    def build(self) -> None:
        """Fill in an array or a dtype."""
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is _Type:
            target.order = _order(state)
        elif type(target) is np.ndarray:
            self._fill(target, state)
        else:
            raise UnsafePickle("it changes the inside of something that is no array.")

    def set_item(self) -> None:
        items = self.stack[-2:]
        del self.stack[-2:]
        _update(self.stack[-1], items)

    def set_items(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        _update(self.stack[-1], items)

    def dictionary(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.append({})
        _update(self.stack[-1], items)

    def _reconstruct(self, kind: Any, shape: Any, code: Any) -> Any:
        if type(kind) is not _Name or kind.name != "ndarray" or shape != (0,):
            raise UnsafePickle("it makes an array of a class of its own.")
        return np.empty(0, np.int8)

    def _scalar(self, kind: Any, raw: Any) -> Any:
        return self._array(kind, (), raw)[()]

    def _frombuffer(self, raw: Any, kind: Any, shape: Any, order: Any, *_: Any) -> Any:
        return self._array(kind, shape, raw, order == "F")

    def _encode(self, text: Any, code: Any) -> bytes:
        """Python 3 packs bytes as text in the older protocols."""
        if type(text) is not str or code not in ("latin1", "latin-1"):
            raise UnsafePickle("it encodes something else than bytes.")
        self._spend(len(text))
        return text.encode("latin1")

    def _fill(self, array: Any, state: Any) -> None:
        shape, kind, fortran, raw = state[-4:]
        if self._boxed and type(kind) is _Type and kind.code.startswith("O") and shape == () and type(raw) is list:
            array.__setstate__((1, (), np.dtype("O"), False, raw[:1]))
            return
        made = self._array(kind, shape, raw, bool(fortran))
        array.__setstate__((1, made.shape, made.dtype, bool(fortran), raw if type(raw) is bytes else made.tobytes()))

    def _array(self, kind: Any, shape: Any, raw: Any, fortran: bool = False) -> Any:
        """A view of bytes that are there, of exactly the type and shape announced."""
        if type(kind) is not _Type or kind.code.startswith("O"):
            raise UnsafePickle("it holds an array of objects or records, which is no plain data.")
        if type(raw) is str:  # Python 2
            raw = raw.encode("latin1")
        fits = type(raw) is bytes and type(shape) is tuple and len(shape) <= MOST_SIDES
        if not fits or not all(type(side) is int and 0 <= side < 2**31 for side in shape):
            raise UnsafePickle("it holds an array without shape or bytes.")
        dtype = kind.dtype()
        if math.prod(shape) * dtype.itemsize != len(raw):
            raise UnsafePickle(f"it announces an array of shape {shape} and type {dtype} in {len(raw)} bytes.")
        self._spend(len(raw))
        return np.ndarray(shape, dtype, raw, order="F" if fortran else "C")

    def _spend(self, count: int) -> None:
        self._allowance -= count
        if self._allowance < 0:
            raise UnsafePickle("it uses the same bytes for array after array.")


_STEPS: dict[int, Callable[[Any], None]] = {
    getattr(pickle, name)[0]: _Machine.dispatch[getattr(pickle, name)[0]] for name in _ALLOWED.split()
} | {
    pickle.REDUCE[0]: _Machine.reduce,
    pickle.BUILD[0]: _Machine.build,
    pickle.SETITEM[0]: _Machine.set_item,
    pickle.SETITEMS[0]: _Machine.set_items,
    pickle.DICT[0]: _Machine.dictionary,
    pickle.BYTEARRAY8[0]: _Machine.dispatch[pickle.BINBYTES8[0]],
}


def _code(code: Any, boxed: bool) -> str:
    if type(code) is bytes:
        code = code.decode("latin1")
    if type(code) is not str or not _TYPE.fullmatch(code) or (code.startswith("O") and not boxed):
        raise UnsafePickle("it holds an array of objects or records, which is no plain data.")
    return code


def _order(state: Any) -> str:
    """The byte order in the state of a dtype that has no fields."""
    order = state[1].decode("latin1") if type(state[1]) is bytes else state[1]
    if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
        raise UnsafePickle("it holds an array of records, which is no plain data.")
    return str(order)


def _update(target: Any, items: list[Any]) -> None:
    """Keys and values in turn into a dictionary; a key is a number or text, since deep tuples have deep hashes."""
    if type(target) is not dict or len(items) % 2:
        raise UnsafePickle("it puts entries into something that is no dictionary.")
    for key in items[::2]:
        if type(key) not in (str, int, float, bool, bytes, type(None)):
            raise UnsafePickle("it holds a dictionary whose keys are neither numbers nor text.")
    target.update(zip(items[::2], items[1::2], strict=True))


def _check_plain(value: Any) -> None:
    """Raise UnsafePickle where a name or an unfinished type is left over. Not recursive: nesting may be deep."""
    waiting, seen = [value], set()
    while waiting:
        held = waiting.pop()
        if type(held) in (list, tuple, dict):
            if id(held) not in seen:
                seen.add(id(held))
                waiting += held.values() if type(held) is dict else held
        elif type(held) in (_Name, _Type):
            raise UnsafePickle("it holds a function or a class.")
        elif type(held) is np.ndarray and held.dtype == object:
            waiting += [held.item()]
