"""The clips nearest to one by the vectors of an embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prep.errors import PrepError
from prep.store.embeddings import Embedding, unit_length


def unit_vectors(embedding: Embedding) -> NDArray[np.float32]:
    """(clips, D): the vectors of the clips' videos scaled to length 1, zeros where there is none. Raises StoreError."""
    return unit_length(embedding.video.astype(np.float32))


def nearest(
    vectors: NDArray[np.float32], done: NDArray[np.bool_], clip: int, count: int
) -> tuple[tuple[int, float], ...]:
    """The `count` other clips of greatest cosine similarity to `clip`, with that similarity, greatest first.

    `vectors` (clips, D) have length 1; `done` (clips,) says which clips have one. Raises PrepError if `clip` has none.

    >>> nearest(np.array([[1, 0], [0, 1], [1, 0]], "f4"), np.ones(3, bool), 0, 1)
    ((2, 1.0),)
    """
    if not done[clip]:
        raise PrepError("this clip has no vector: its video was missing or unreadable when the videos were embedded")
    similarity = np.where(done, vectors @ vectors[clip], -np.inf)
    similarity[clip] = -np.inf
    first = np.argsort(-similarity, kind="stable")[:count]
    return tuple((int(other), float(similarity[other])) for other in first if np.isfinite(similarity[other]))
