"""Verify a store: recompute the digests of its clips and embeddings, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from prep.progress import Step, Work
from prep.store.arrays import BLOCK, SMALL
from prep.store.embedding_key import ARRAYS, EmbeddingPart
from prep.store.embeddings import attributes_of, open_embedding, read_array, unfit
from prep.store.manifest import (
    AGAIN,
    EmbeddingEntry,
    StoreError,
    array_digest,
    embedding_digest,
    long_digests,
)
from prep.store.read import Store
from prep.store.write import block_digests


def verify(store: Store) -> Work[None]:
    """Recompute every digest and check that the arrays fit together; the note of a step names what was checked.

    Raises StoreError for the first difference, KeyMismatch if vectors of videos and of class names do not fit together.
    """
    blocks = -(-store.frames // BLOCK)
    embedding_arrays = sum(len(entry.arrays) for entry in store.manifest.embedded.values())
    total = len(SMALL) + blocks + embedding_arrays
    for done, name in enumerate(SMALL, 1):
        _compare(store, name, array_digest(store.read(name)), store.array_digests.get(name))
        yield Step(done, total, note=name)
    _check_consistent(store)
    digests = []
    for index in range(blocks):
        rows = slice(index * BLOCK, min((index + 1) * BLOCK, store.frames))
        frames = store.read_frames(rows.start, rows.stop)
        if not (np.isfinite(frames.joints).all() and np.isfinite(frames.origin).all()):
            raise StoreError(f"{store.path}: frames {rows.start}-{rows.stop} hold values that are not finite. {AGAIN}")
        digests.append(block_digests(index, frames))
        yield Step(len(SMALL) + index + 1, total, note=f"block {index + 1}/{blocks}")
    for name, digest in long_digests(digests).items():
        _compare(store, name, digest, store.array_digests.get(name))
    for done, name in enumerate(_embeddings(store), len(SMALL) + blocks + 1):
        yield Step(done, total, note=name)


def _compare(store: Store, name: str, digest: str, expected: str | None) -> None:
    if digest != expected:
        raise StoreError(f"{store.path}: array `{name}` differs from its digest. {AGAIN}")


def _check_consistent(store: Store) -> None:
    offsets, clips = store.offsets, len(store)
    if len(offsets) != clips + 1 or offsets[0] != 0 or offsets[-1] != store.frames or (np.diff(offsets) < 0).any():
        raise StoreError(f"{store.path}: `offsets` does not divide {store.frames} frames into {clips} clips. {AGAIN}")
    if clips and not (store.label.min() >= 0 and store.label.max() < len(store.info.classes)):
        raise StoreError(f"{store.path}: a label lies outside the {len(store.info.classes)} classes. {AGAIN}")
    if not np.isfinite(store.to_recorded).all():
        raise StoreError(f"{store.path}: `to_recorded` holds values that are not finite. {AGAIN}")


def _embeddings(store: Store) -> Iterator[str]:
    """The name of each array of each embedding, after it was checked."""
    for key, entry in sorted(store.manifest.embedded.items()):
        part = EmbeddingPart.parse(key)
        if not entry.arrays or set(entry.arrays) != set(part.arrays):
            raise unfit(store, part, "does not have the arrays of an embedding")
        open_embedding(store, part.name)
        if embedding_digest(attributes_of(store, part), entry.arrays, store.digest) != entry.digest:
            raise unfit(store, part, "differs from its digest, or belongs to other clips")
        yield from _arrays(store, part, entry)


def _arrays(store: Store, part: EmbeddingPart, entry: EmbeddingEntry) -> Iterator[str]:
    arrays = {}
    for array, path in zip(ARRAYS[part.kind], part.arrays, strict=True):
        arrays[array] = read_array(store, part.name, array)
        _compare(store, path, array_digest(arrays[array]), entry.arrays[path])
        yield path
    vectors = arrays[part.kind]
    done = arrays.get("done", np.ones(len(vectors), bool))
    if not np.isfinite(vectors[done]).all():
        raise unfit(store, part, "holds values that are not finite")
    if vectors[~done].any():
        raise unfit(store, part, "has vectors for clips that it lists as clips without one")
