"""The Python pickle machine of the standard library with an allow-list of operations and of names.

The operations that make instances or ask for persistent objects and extensions are refused. Of the names that a pickle
may look up, only numpy's constructors of arrays are known, and each is replaced by a function of this module, which
checks dtype, shape and bytes before it makes the array. Arrays of objects and of records are refused. Keys of
dictionaries are text or small integers: others can be made to have the same hash.
"""

from __future__ import annotations

import math
import pickle
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, ClassVar

import numpy as np

from prep.errors import BadFile

# The largest known file, two-dimensional poses of 113,945 clips, needs 20 million: two for most steps.
MOST_READS = 64_000_000
MOST_SIDES, LARGEST_KEY = 8, 2**32
_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NAMES = {
    **{(module, name): name for module in _ARRAY_MODULES for name in ("_reconstruct", "scalar")},
    **{(module, "_frombuffer"): "_frombuffer" for module in ("numpy.core.numeric", "numpy._core.numeric")},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
    ("collections", "OrderedDict"): "OrderedDict",
    **{(module, "bytes"): "bytes" for module in ("builtins", "__builtin__")},
}
_PLAIN = """
MARK STOP POP POP_MARK DUP PROTO NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8
LIST EMPTY_LIST APPEND APPENDS TUPLE EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT GLOBAL STACK_GLOBAL
BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
"""
_DTYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|[US][0-9]{1,4}|[?]|O8?)")


class UnsafePickle(BadFile):
    """A pickle contains something other than plain data, or is damaged."""


class _BoundedFile:
    """A file that refuses to read beyond its end, instead of reserving memory, and to read too often."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left, self._reads = file, size, 0

    def read(self, count: int) -> bytes:
        self._reads += 1
        if count > self._left or self._reads > MOST_READS:
            self.check(count)
            raise UnsafePickle(f"it takes more than {MOST_READS} reads.")
        self._left -= count
        return self._file.read(count)

    def readline(self) -> bytes:
        line = self._file.readline()
        self._left -= len(line)
        return line

    def check(self, count: int) -> None:
        if count > self._left:
            raise UnsafePickle(f"it announces {count} bytes where {self._left} are left.")


@dataclass(frozen=True)
class KnownName:
    """A known name that the pickle looked up."""

    name: str


@dataclass
class UnfinishedType:
    """An unfinished numpy dtype: its code, and its byte order, which follows as a state."""

    code: str
    order: str = ""

    def dtype(self) -> np.dtype[Any]:
        """The finished dtype."""
        return np.dtype(self.code).newbyteorder(self.order or "=")  # type: ignore[arg-type]


class Machine(pickle._Unpickler):
    """The Python pickle machine of the standard library with an allow-list of operations."""

    # The state of the machine, which its `load` sets up.
    stack: list[Any]
    memo: dict[int, Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: IO[bytes], size: int, boxed: bool) -> None:
        """Read `size` bytes of `file`; `boxed` allows one object in an array without axes."""
        self._bounded, self._allowance, self._boxed = _BoundedFile(file, size), 4 * size + 65_536, boxed
        super().__init__(self._bounded, fix_imports=False, encoding="latin1")
        self._constructors: dict[str, Callable[..., Any]] = {
            "_reconstruct": self._reconstruct,
            "scalar": self._scalar,
            "_frombuffer": self._frombuffer,
            "dtype": lambda code, *_: UnfinishedType(_code(code, boxed)),
            "encode": self._encode,
            "OrderedDict": dict,
            "bytes": bytes,
        }

    def refuse(self) -> None:
        """Refuse an operation that is not in the allow-list."""
        raise UnsafePickle("it makes an instance of a class, a set or the like, which is no plain data.")

    def frame(self) -> None:
        """A frame announces its length and is read step by step like anything else."""
        self._bounded.check(struct.unpack("<Q", self.read(8))[0])

    def find_class(self, module: str, name: str) -> KnownName:
        """Look up a name; only known ones exist here."""
        if (module, name) not in _NAMES:
            raise UnsafePickle(f"it asks for `{f'{module}.{name}'[:80]}`, which is no plain data.")
        return KnownName(_NAMES[module, name])

    def reduce(self) -> None:
        """Call the constructor of a known name with these arguments."""
        arguments, called = self.stack.pop(), self.stack[-1]
        if type(called) is not KnownName or type(arguments) is not tuple or called.name not in self._constructors:
            raise UnsafePickle("it calls something that makes no array.")
        if called.name in ("OrderedDict", "bytes") and arguments:
            raise UnsafePickle(f"it calls `{called.name}` with arguments.")
        self.stack[-1] = self._constructors[called.name](*arguments)

    def build(self) -> None:
        """Complete an array or a dtype."""
        state, target = self.stack.pop(), self.stack[-1]
        if type(target) is UnfinishedType:
            target.order = _order(state)
        elif type(target) is np.ndarray:
            self._fill(target, state)
        else:
            raise UnsafePickle("it changes the inside of something that is no array.")

    def set_item(self) -> None:
        """Put one key and value into the dictionary below them on the stack."""
        items = self.stack[-2:]
        del self.stack[-2:]
        _update(self.stack[-1], items)

    def set_items(self) -> None:
        """Put all keys and values above the mark into the dictionary below it."""
        items = self.pop_mark()
        _update(self.stack[-1], items)

    def dictionary(self) -> None:
        """Make a dictionary of the keys and values above the mark."""
        items = self.pop_mark()
        self.append({})
        _update(self.stack[-1], items)

    def put(self) -> None:
        """Memorise the top of the stack under a number, which is text here and could be of any size."""
        index = int(self.readline())
        if not 0 <= index < LARGEST_KEY:
            raise UnsafePickle(f"it memorises a value under a number beyond {LARGEST_KEY}.")
        self.memo[index] = self.stack[-1]

    def _reconstruct(self, kind: Any, shape: Any, code: Any) -> Any:
        if type(kind) is not KnownName or kind.name != "ndarray" or shape != (0,):
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
        if (
            self._boxed
            and type(kind) is UnfinishedType
            and kind.code.startswith("O")
            and shape == ()
            and type(raw) is list
        ):
            array.__setstate__((1, (), np.dtype("O"), False, raw[:1]))
            return
        made = self._array(kind, shape, raw, bool(fortran))
        array.__setstate__((1, made.shape, made.dtype, bool(fortran), raw if type(raw) is bytes else made.tobytes()))

    def _array(self, kind: Any, shape: Any, raw: Any, fortran: bool = False) -> Any:
        """A view of the bytes with this dtype and shape, which must fit them exactly."""
        if type(kind) is not UnfinishedType or kind.code.startswith("O"):
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

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = (
        dict.fromkeys(range(256), refuse)
        | {getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _PLAIN.split()}
        | {
            pickle.FRAME[0]: frame,
            pickle.PUT[0]: put,
            pickle.REDUCE[0]: reduce,
            pickle.BUILD[0]: build,
            pickle.SETITEM[0]: set_item,
            pickle.SETITEMS[0]: set_items,
            pickle.DICT[0]: dictionary,
            pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]],
        }
    )


def _code(code: Any, boxed: bool) -> str:
    if type(code) is bytes:
        code = code.decode("latin1")
    if type(code) is not str or not _DTYPE.fullmatch(code) or (code.startswith("O") and not boxed):
        raise UnsafePickle("it holds an array of objects or records, which is no plain data.")
    return code


def _order(state: Any) -> str:
    """The byte order in the state of a dtype that has no fields."""
    order = state[1].decode("latin1") if type(state[1]) is bytes else state[1]
    if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
        raise UnsafePickle("it holds an array of records, which is no plain data.")
    return str(order)


def _update(target: Any, items: list[Any]) -> None:
    """Put alternating keys and values into a dictionary.

    The hash of text is randomised for each process, that of an integer below 2^61 is itself; tuples may be deep.
    """
    if type(target) is not dict or len(items) % 2:
        raise UnsafePickle("it puts entries into something that is no dictionary.")
    for key in items[::2]:
        if type(key) not in (str, bytes) and not (type(key) is int and abs(key) < LARGEST_KEY):
            raise UnsafePickle(f"it holds a dictionary whose keys are neither text nor integers below {LARGEST_KEY}.")
    target.update(zip(items[::2], items[1::2], strict=True))
