"""Broken inputs from whole ones: bytes, words and JSON trees changed by chance, each input by its number alone.

Coverage-guided fuzzing (atheris) does not see the compiled scanners, so this starts from valid files instead and breaks
them in the ways that files break and attackers break them.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

WORDS = [
    *(
        b"0 -0 1 2 -1 99999999999999999999 9223372036854775807 9223372036854775808 4294967296 65536 2147483648 -2"
    ).split(),
    *(b"nan NaN -nan inf -Infinity 1e308 1e400 -1e-400 1e12 1.0000001e12 0x10 1_0 .5 5. . - + +-1 1e 1e+ --5").split(),
    *(
        b'null true false {} [] [[[[]]]] "" "a" , : } ] { [ \\u0000 \xff\xfe \x00 \x1a \r \n \f \t \' ( c. Ncos R b'
    ).split(),
    b"9" * 400,
    b"0." + b"3" * 400,
    b"\n" * 50,
    b"[" * 2000,
    "\u0661".encode(),
]
LONGEST = 300_000
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 18, 20, 399, 2**31, 2**63, -(2**63), 2**64 - 1, 10**30, 0.5, -0.0, 1e12, 1.1e12,
    1e308, "", "a", "1", "\u0661", "nan", "x" * 5000, [], {}, [[]], [[[]]], {"a": 1}, [None], [0] * 100,
    [[0, 0, 0]] * 20, [{}] * 50,
]  # fmt: skip


def broken_bytes(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """A seed with one to four changes of its bytes or words."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(_CHANGES)(data, seeds, rng)
    return bytes(data)


def broken_json(seeds: Sequence[Any], rng: random.Random) -> bytes:
    """A seed, a JSON value, with one to three of its inner values exchanged, dropped, multiplied or renamed."""
    value = json.loads(json.dumps(rng.choice(seeds)))
    for _ in range(rng.choice((1, 1, 2, 3))):
        value = _exchanged(value, rng)
    return json.dumps(value).encode()[:LONGEST]


def _exchanged(value: Any, rng: random.Random) -> Any:
    if not isinstance(value, dict | list) or not value or rng.random() < 0.05:
        return copy.deepcopy(rng.choice(VALUES))
    key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
    if rng.random() < 0.75:
        value[key] = _exchanged(value[key], rng)
    elif rng.random() < 0.4:
        del value[key]
    elif isinstance(value, dict):
        value[rng.choice(["", "a", "label", *value])] = value.pop(key)
    else:
        value[key:key] = [value[key]] * rng.choice((1, 2, 40))
    return value


def _place(data: bytearray, rng: random.Random) -> int:
    # The beginning of a file is where its sizes stand.
    return rng.randrange(min(len(data), 64) if rng.random() < 0.3 else len(data)) if data else 0


def _flip(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _byte(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[_place(data, rng)] = rng.randrange(256)


def _drop(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 2, 8, 100, 1000))]


def _cut(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _double(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = data[at : at + rng.choice((1, 4, 40, 400))] * rng.choice((1, 1, 2, 10))


def _splice(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(seeds)
    start = rng.randrange(len(other)) if other else 0
    at = _place(data, rng)
    data[at : at + rng.choice((0, 10, 200))] = other[start : start + rng.choice((4, 40, 400))]


def _insert(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.choice(WORDS)


def _word(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    """One word, up to the next blank, comma or bracket, for another."""
    start = end = _place(data, rng)
    while start and data[start - 1] not in b" \n\r\t,:[]{}":
        start -= 1
    while end < len(data) and data[end] not in b" \n\r\t,:[]{}":
        end += 1
    data[start:end] = rng.choice(WORDS)


def _number(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    """Four or eight bytes as a length would stand there."""
    at, width = _place(data, rng), rng.choice((1, 2, 4, 8))
    number = rng.choice((0, 1, 2**7, 2**8 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, rng.getrandbits(64)))
    data[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, rng.choice(("little", "big")))  # type: ignore[arg-type]


_CHANGES: list[Callable[[bytearray, Sequence[bytes], random.Random], None]] = [
    _flip, _byte, _drop, _cut, _double, _splice, _insert, _word, _word, _number,
]  # fmt: skip
