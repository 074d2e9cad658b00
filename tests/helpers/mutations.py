"""Broken inputs made from valid ones: bytes, words and trees of values, changed at random by a seeded generator.

Coverage-guided fuzzing (atheris) does not see the compiled scanners, so these start from valid files instead and damage
them as transfers and attackers do.
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
    """One of the seeds with one to four changes of its bytes or words."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(_CHANGES)(data, seeds, rng)
    return bytes(data)


def broken_value(seeds: Sequence[Any], rng: random.Random) -> Any:
    """One of the seeds, a tree of lists and dictionaries, with one to three values replaced, removed or repeated."""
    value = copy.deepcopy(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3))):
        value = _exchanged(value, rng)
    return value


def broken_json(seeds: Sequence[Any], rng: random.Random) -> bytes:
    """The JSON text of a broken value."""
    return json.dumps(broken_value(seeds, rng)).encode()[:LONGEST]


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


def _position(data: bytearray, rng: random.Random) -> int:
    # The start of a file contains its sizes.
    return rng.randrange(min(len(data), 64) if rng.random() < 0.3 else len(data)) if data else 0


def _flip(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[_position(data, rng)] ^= 1 << rng.randrange(8)


def _byte(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    if data:
        data[_position(data, rng)] = rng.randrange(256)


def _drop(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _position(data, rng)
    del data[at : at + rng.choice((1, 2, 8, 100, 1000))]


def _cut(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    del data[_position(data, rng) :]


def _double(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _position(data, rng)
    data[at:at] = data[at : at + rng.choice((1, 4, 40, 400))] * rng.choice((1, 1, 2, 10))


def _splice(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    other = rng.choice(seeds)
    start = rng.randrange(len(other)) if other else 0
    at = _position(data, rng)
    data[at : at + rng.choice((0, 10, 200))] = other[start : start + rng.choice((4, 40, 400))]


def _insert(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    at = _position(data, rng)
    data[at:at] = rng.choice(WORDS)


def _word(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    """Replace one word, up to the next blank, comma or bracket."""
    start = end = _position(data, rng)
    while start and data[start - 1] not in b" \n\r\t,:[]{}":
        start -= 1
    while end < len(data) and data[end] not in b" \n\r\t,:[]{}":
        end += 1
    data[start:end] = rng.choice(WORDS)


def _number(data: bytearray, _: Sequence[bytes], rng: random.Random) -> None:
    """Replace one to eight bytes by a number, as if they were a length."""
    at, width = _position(data, rng), rng.choice((1, 2, 4, 8))
    number = rng.choice((0, 1, 2**7, 2**8 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, rng.getrandbits(64)))
    data[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, rng.choice(("little", "big")))  # type: ignore[arg-type]


_CHANGES: list[Callable[[bytearray, Sequence[bytes], random.Random], None]] = [
    _flip, _byte, _drop, _cut, _double, _splice, _insert, _word, _word, _number,
]  # fmt: skip
