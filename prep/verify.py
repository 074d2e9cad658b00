"""Is a store still what its build wrote? Every digest recomputed, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prep.mark import AGAIN, Block, StoreError, array_digest, long_digests
from prep.store import BLOCK, SMALL, Store


@dataclass(frozen=True)
class Checked:
    """One step of `verify`: an array, or a block of one, recomputed."""

    done: int
    total: int
    what: str


def verify(store: Store) -> Iterator[Checked]:
    """Recompute every digest and check that the arrays fit together. Raises StoreError at the first that does not."""
    blocks = -(-store.frames // BLOCK)
    total = len(SMALL) + blocks
    for done, name in enumerate(SMALL, 1):
        _compare(store, name, array_digest(store.read(name)))
        yield Checked(done, total, name)
    _check_consistent(store)
    seen = []
    for index in range(blocks):
        where = slice(index * BLOCK, min((index + 1) * BLOCK, store.frames))
        joints, mask = store.read("joints", where), store.read("body_mask", where)
        if not np.isfinite(joints).all():
            raise StoreError(
                f"{store.path}: frames {where.start}-{where.stop} hold values that are not finite. {AGAIN}"
            )
        seen.append(Block(index, array_digest(joints), array_digest(mask)))
        yield Checked(len(SMALL) + index + 1, total, f"block {index + 1}/{blocks}")
    for name, digest in long_digests(seen).items():
        _compare(store, name, digest)


def _compare(store: Store, name: str, digest: str) -> None:
    if digest != store.array_digests.get(name):
        raise StoreError(f"{store.path}: array `{name}` differs from its digest. {AGAIN}")


def _check_consistent(store: Store) -> None:
    offsets, clips = store.offsets, len(store)
    if len(offsets) != clips + 1 or offsets[0] != 0 or offsets[-1] != store.frames or (np.diff(offsets) < 0).any():
        raise StoreError(f"{store.path}: `offsets` does not divide {store.frames} frames into {clips} clips. {AGAIN}")
    if clips and not (store.label.min() >= 0 and store.label.max() < len(store.info.classes)):
        raise StoreError(f"{store.path}: a label lies outside the {len(store.info.classes)} classes. {AGAIN}")
