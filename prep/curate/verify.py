"""Verify a store: recompute the digests of its clips and embeddings, block by block."""

from __future__ import annotations

from collections.abc import Iterator

from prep.progress import Step, Work
from prep.store.arrays import BLOCK, SMALL
from prep.store.embedding_key import ARRAYS, EmbeddingPart
from prep.store.embeddings import open_embedding, read_array, unfit
from prep.store.read import Store


def verify(store: Store) -> Work[None]:
    """Recompute every digest and check that the arrays fit together; the note of a step names what was checked.

    Raises StoreError for the first difference, KeyMismatch if vectors of videos and of class names do not fit together.
    """
    blocks = -(-store.frames // BLOCK)
    embedding_arrays = sum(len(entry.arrays) for entry in store.manifest.embedded.values())
    total = len(SMALL) + blocks + embedding_arrays
    for done, name in enumerate(SMALL, 1):
        store.read_small(name)
        yield Step(done, total, note=name)
    _ = store.names
    for done, _ in enumerate(store.blocks(), len(SMALL) + 1):
        yield Step(done, total, note=f"block {done - len(SMALL)}/{blocks}")
    for done, array in enumerate(verify_embeddings(store), len(SMALL) + blocks + 1):
        yield Step(done, total, note=array)


def verify_embeddings(store: Store) -> Iterator[str]:
    """The path of each array of each embedding, after its digest was recomputed. Raises StoreError, KeyMismatch."""
    for key in sorted(store.manifest.embedded):
        part = EmbeddingPart.parse(key)
        open_embedding(store, part.name)
        arrays = {}
        for array, path in zip(ARRAYS[part.kind], part.arrays, strict=True):
            arrays[array] = read_array(store, part.name, array)
            yield path
        if "done" in arrays and arrays[part.kind][~arrays["done"]].any():
            raise unfit(store, part, "has vectors for clips that it lists as clips without one")
