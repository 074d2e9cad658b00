"""A counter-based random number generator: numbers are pure functions of a key, with no state to keep or to wait for.

A key is made from integers (seed, stream, episode, position ...), one at a time, through a 32-bit bijection. The same
key gives the same number on every device, in every batch and in any order. Names are those of `jax.random`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar, cast

from jaxtyping import Float, Int
from torch import Tensor

MASK = 0xFFFFFFFF
# 2^32 divided by the golden ratio, made odd: neighbouring indexes land far apart.
GOLDEN = 0x9E3779B1

Word = TypeVar("Word", int, Tensor)


class Stream(IntEnum):
    """The purpose of a random number. Two purposes never share numbers; adding one does not change the others."""

    CLASSES = 1
    CLIPS = 2
    PLACES = 3
    FRAMES = 4
    ROTATION = 5
    SCALE = 6
    MIRROR = 7
    FROZEN = 8
    BATCHES = 9
    VIEWS = 10
    SIDES = 11
    CAMERAS = 12


def fold_in(*parts: int) -> int:
    """Fold integers into one key, 0..2^32-1. Parts count modulo 2^32; their order matters.

    >>> fold_in(0, 1) == fold_in(1, 0)
    False
    """
    key = 0
    for part in parts:
        key = _scramble(key ^ (part * GOLDEN & MASK))
    return key


def split(key: int | Int[Tensor, "..."], index: int | Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """One key per index, int64 in 0..2^32-1; `key` and `index` broadcast, and one of them may be a plain integer.

    For one key, different indexes give different results (and for one index, different keys do), so that sorting them
    has no ties and orders a set the same way on every device.

    >>> import torch
    >>> split(fold_in(7), torch.arange(3)).tolist() == [fold_in(7, 0), fold_in(7, 1), fold_in(7, 2)]
    True
    """
    return _scramble(cast(Tensor, (index * GOLDEN & MASK) ^ key))


def uniform(word: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Keys to float32 in [0, 1), on a grid of 2^-24.

    >>> import torch
    >>> uniform(torch.tensor([0, 1 << 31])).tolist()
    [0.0, 0.5]
    """
    return (word >> 8).float() * 2.0**-24


def randint(word: Int[Tensor, "..."], count: int | Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """Keys to integers in 0..count-1 (count up to 2^31), exactly: the high half of a 64-bit product.

    >>> import torch
    >>> randint(torch.tensor([0, 1 << 31, (1 << 32) - 1]), 10).tolist()
    [0, 5, 9]
    """
    return word * count >> 32


def _scramble(x: Word) -> Word:
    """C. Wellons' `lowbias32`: a bijection of 32-bit words with little bias. A tensor is changed in place."""
    x ^= x >> 16
    x *= 0x7FEB352D
    x &= MASK
    x ^= x >> 15
    x *= 0x846CA68B
    x &= MASK
    x ^= x >> 16
    return x
