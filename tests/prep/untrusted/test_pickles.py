"""Pickles as data: every protocol gives the pickled value back, and no function named in a pickle is ever called."""

from __future__ import annotations

import builtins
import collections
import copyreg
import functools
import os
import pickle
import struct
import subprocess
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.errors import PrepError
from prep.untrusted.pickles import UnsafePickle, load, loads

PLAIN = {
    "numbers": [0, -1, 2**70, -(2**70), 1.5, True, None],
    "text": ("a", "ü", "日", b"\x00\xff", b""),
    "nested": [{"a": {"b": [(1, 2, 3, 4)]}}],
    "ordered": collections.OrderedDict(a=1),
    "half": np.arange(6, dtype=np.float16).reshape(1, 2, 3),
    "big": np.arange(3, dtype=">i4"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 3), np.float32),
    "point": np.array(2.5),
    "words": np.array(["ab", "c"]),
    "bytes": np.array([b"ab", b"c"]),
    "truth": np.array([True, False]),
    "scalar": np.float32(1.5),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        # numpy itself turns foreign byte orders into the machine's as it unpickles.
        return (
            one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
            and one.shape == other.shape
            and np.array_equal(one, other)
        )
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_comes_back(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(PLAIN, protocol))
    assert same(PLAIN, load(tmp_path / "a.pkl"))
    shared_twice = [PLAIN["half"]] * 3
    loaded = loads(pickle.dumps(shared_twice, protocol), "here")
    assert loaded[0] is loaded[1]


def test_python_2_arrays_and_text() -> None:
    """What Python 2 writes: byte strings for text and for the numbers of an array."""
    raw = (
        b"\x80\x02]q\x00(U\x03abcq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04"
        b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02u1q\nK\x00K\x01\x87q\x0bRq\x0c(K\x03"
        b"U\x01|q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb\x89U\x02\x01\xe9q\x0ftq\x10be."
    )
    text, array = loads(raw, "here")
    assert text == "abc"
    assert array.tolist() == [1, 0xE9]


class Calls:
    """Its pickle calls `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class Holder:
    pass


class Array(np.ndarray):
    pass


SYSTEM = Calls(os.system, "touch executed")
HOSTILE = {
    "os.system": SYSTEM,
    "eval": Calls(builtins.eval, "open('executed', 'w')"),
    "exec": Calls(builtins.exec, "open('executed', 'w')"),
    "open": Calls(builtins.open, "executed", "w"),
    "getattr": Calls(getattr, "", "format"),
    "chain": Calls(getattr, Calls(getattr, "", "format"), "__self__"),
    "import": Calls(builtins.__import__, "os"),
    "popen": Calls(subprocess.Popen, ["touch", "executed"]),
    "partial": Calls(functools.partial, os.system),
    "copyreg": Calls(copyreg._reconstructor, Holder, object, None),  # type: ignore[attr-defined]
    "numpy function": Calls(np.load, "a.npy"),
    "numpy memmap": Calls(np.memmap, "executed", "u1", "w+", 0, 9),
    "numpy loads": Calls(np.testing.assert_equal, 1, 1),
    "instance": Holder(),
    "class": Holder,
    "function": os.system,
    "set": {1, 2},
    "object array": np.array([SYSTEM, 1], object),
    "harmless object array": np.array([None, 1], object),
    "records": np.zeros(2, [("a", "f4"), ("b", "O")]),
    "dates": np.zeros(2, "M8[s]"),
    "array of its own class": np.zeros(2).view(Array),
    "complex": 1j,
    "range": range(3),
    "hidden in a list": [1, [2, [SYSTEM]]],
    "key": {(1, 2): 3},
    "real key": {0.5: 1},
    "large key": {2**32: 1},
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_exploits_are_refused_and_not_run(
    name: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(HOSTILE[name], protocol)
    with pytest.raises(UnsafePickle, match="^a.pkl: .*(plain data|array|no readable pickle|calls).*"):
        loads(data, "a.pkl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"cos\nsystem\n(S'touch executed'\ntR.", "`os.system`"),
        (b"(S'touch executed'\nios\nsystem\n.", "instance of a class"),
        (b"(cos\nsystem\nS'touch executed'\no.", "`os.system`"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "instance of a class"),
        (b"Pid\n.", "instance of a class"),
        (b"Nq\x00Q.", "instance of a class"),
        (b"\x80\x02\x82\x01.", "instance of a class"),
        (b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93.", "holds a function or a class"),
        (b"cnumpy\nndarray\n(I1000000\ntR.", "calls something that makes no array"),
        (b"cnumpy\nndarray\n}b.", "changes the inside"),
        (b"c_codecs\nencode\n(Vx\nVrot13\ntR.", "encodes something else"),
        (b"c__builtin__\nbytes\n(I1000000000\ntR.", "calls `bytes` with arguments"),
        (b"N", "announces 1 bytes where 0 are left"),
        (b"", "announces 1 bytes where 0 are left"),
        (b"hello", "no readable pickle|instance"),
        (b"\x80\x09N.", "no readable pickle"),
        (b"h\x05.", "no readable pickle"),
        (b"I" + b"9" * 5000 + b"\n.", "no readable pickle"),
        (b"]K\x01K\x02s.", "no dictionary"),
    ],
)
def test_raw_operations(raw: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafePickle, match=words):
        loads(raw, "here")
    assert list(tmp_path.iterdir()) == []


def array_state(shape: tuple[int, ...], code: bytes, raw: bytes) -> bytes:
    """An array by hand, so that shape, type and bytes need not agree."""
    dims = b"(" + b"".join(b"\x8a\x09" + side.to_bytes(9, "little", signed=True) for side in shape) + b"t"
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01" + dims
        + b"cnumpy\ndtype\n(X" + struct.pack("<I", len(code)) + code + b"\x89\x88tR\x89"
        + b"B" + struct.pack("<I", len(raw)) + raw + b"tb."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (array_state((2**40, 25), b"f4", b"\0" * 8), "announces an array|without shape"),
        (array_state((2**62, 2**62), b"f4", b""), "announces an array|without shape"),
        (array_state((2**62, 0), b"f4", b""), "without shape"),
        (array_state((-1,), b"f4", b"\0\0\0\0"), "without shape"),
        (array_state((1,), b"S2000000000", b"\0"), "objects or records"),
        (array_state((1,), b"V8", b"\0" * 8), "objects or records"),
        (array_state((1,), b"O8", b"\0" * 8), "objects or records"),
        (array_state((1,) * 40, b"u1", b"\0"), "without shape"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.", "announces 1099511627776 bytes where"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.", "announces 1099511627776 bytes where"),
        (b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.", "announces"),
        (b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"a.", "announces 4294967295 bytes"),
        (b"\x80\x02Nr\xff\xff\xff\xff" * 2 + b"0.", ""),
        (b"(" * 40_000 + b"t" * 40_000 + b".", ""),
        (b")" + b"\x85" * 40_000 + b"}" + b".", ""),
    ],
)
def test_announced_lengths_reserve_no_memory(raw: bytes, words: str) -> None:
    tracemalloc.start()
    try:
        if words:
            with pytest.raises(UnsafePickle, match=words):
                loads(raw, "here")
        else:
            loads(raw, "here")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 * len(raw) + 2**20


def test_the_same_bytes_are_not_used_without_end() -> None:
    text = b"\x80\x02X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x00Vlatin1\nq\x010"
    call = b"c_codecs\nencode\nh\x00h\x01\x86R"
    with pytest.raises(UnsafePickle, match="the same bytes for array after array"):
        loads(text + b"]" + (call + b"a") * 1000 + b".", "here")


def test_too_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prep.untrusted._pickle_machine.MOST_READS", 10)
    with pytest.raises(UnsafePickle, match="takes more than 10 reads"):
        loads(b"N0" * 10 + b"N.", "here")


def test_an_object_in_an_array_is_allowed_where_it_is_asked_for() -> None:
    data = pickle.dumps(np.array({"a": np.arange(2.0)}, object))
    assert loads(data, "here", boxed=True).item()["a"].tolist() == [0, 1]
    with pytest.raises(UnsafePickle, match="objects"):
        loads(data, "here")
    with pytest.raises(UnsafePickle, match="posix.system"):
        loads(pickle.dumps(np.array({"a": SYSTEM}, object)), "here", boxed=True)


def test_keys_of_one_hash_are_refused_at_once() -> None:
    """In a dictionary of 100,000 keys with one hash, every key is compared with all before it: that takes minutes."""
    data = pickle.dumps({number * (2**61 - 1): 0 for number in range(3)}, 4)
    assert loads(pickle.dumps({2**32 - 1: "a", -1: "b", "c": 0, b"d": 0}), "here")[-1] == "b"
    keys = b"".join(pickle.dumps(number * (2**61 - 1), 4)[11:-1] + b"N" for number in range(1, 100_001))
    start = time.perf_counter()
    for raw in (data, b"\x80\x04}(" + keys + b"u."):
        with pytest.raises(UnsafePickle, match="keys are neither text nor integers below"):
            loads(raw, "here")
    assert time.perf_counter() - start < 5


def test_memo_numbers_of_one_hash_are_refused_at_once() -> None:
    puts = b"".join(b"p%d\n" % (number * (2**61 - 1)) for number in range(1, 100_001))
    start = time.perf_counter()
    with pytest.raises(UnsafePickle, match="under a number beyond"):
        loads(b"N" + puts + b".", "here")
    assert time.perf_counter() - start < 5


def test_small_integers_that_collide_in_the_table_do_not_cost_much() -> None:
    keys = b"".join(b"J" + struct.pack("<i", number << 16) + b"N" for number in range(-(2**15), 2**15))
    start = time.perf_counter()
    assert len(loads(b"\x80\x04}(" + keys + b"u.", "here")) == 2**16
    assert time.perf_counter() - start < 5


def test_a_named_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pkl")
    with pytest.raises(PrepError, match="a.pkl: is a named pipe"):
        load(tmp_path / "a.pkl")
    with pytest.raises(PrepError, match="b.pkl: cannot be read"):
        load(tmp_path / "b.pkl")


@given(st.binary(max_size=300))
def test_any_bytes_give_data_or_our_error(raw: bytes) -> None:
    with suppress(UnsafePickle):
        loads(raw, "here")


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_a_changed_file_gives_data_or_our_error(position: int, change: bytes) -> None:
    data = bytearray(pickle.dumps(PLAIN, 4))
    data[position % len(data) : position % len(data) + len(change)] = change
    with suppress(UnsafePickle):
        loads(bytes(data), "here")
