"""Neighbours of a clip by cosine similarity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.viewing import WITHOUT_VECTOR

from prep.errors import PrepError
from prep.store.embeddings import open_embedding
from prep.store.read import open_store
from prep.viewer.neighbours import nearest, unit_vectors


def test_the_nearest_are_those_of_a_plain_loop_without_the_clip_and_clips_without_a_vector(embedded: Path) -> None:
    embedding = open_embedding(open_store(embedded), "xclip")
    video = embedding.video.astype(np.float64)
    plain = {
        i: video[i] @ video[2] / np.linalg.norm(video[i]) / np.linalg.norm(video[2])
        for i in range(len(video))
        if i not in (2, *WITHOUT_VECTOR)
    }
    found = nearest(unit_vectors(embedding), embedding.done, 2, 5)
    assert [clip for clip, _ in found] == sorted(plain, key=lambda clip: -plain[clip])[:5]
    assert [value for _, value in found] == pytest.approx(sorted(plain.values())[::-1][:5], abs=1e-6)
    assert len(nearest(unit_vectors(embedding), embedding.done, 2, 500)) == len(plain)
    with pytest.raises(PrepError, match="this clip has no vector: its video was missing or unreadable"):
        nearest(unit_vectors(embedding), embedding.done, 4, 5)
