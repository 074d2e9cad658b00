"""Embeddings in two dimensions, against scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from prep.errors import PrepError
from prep.viewer.plane import principal_plane

RNG = np.random.default_rng(0)


def test_positions_are_the_principal_components_whatever_the_sign() -> None:
    vectors = RNG.normal(size=(40, 9)).astype(np.float32) * np.arange(1, 10, dtype=np.float32)
    done = np.arange(40) % 7 != 3
    plane, pca = principal_plane(vectors, done), PCA(2, svd_solver="full")
    wanted = pca.fit_transform(vectors[done].astype(np.float64))
    assert plane.clips.tolist() == np.flatnonzero(done).tolist()
    assert np.abs(plane.position) == pytest.approx(np.abs(wanted), abs=1e-3)
    assert plane.explained == pytest.approx(pca.explained_variance_ratio_)
    again = principal_plane(vectors, done)
    assert (again.position == plane.position).all()


def test_of_many_clips_evenly_spaced_ones_are_taken() -> None:
    plane = principal_plane(RNG.normal(size=(1001, 3)).astype(np.float32), np.ones(1001, bool), most=5)
    assert (plane.clips.tolist(), plane.vectors) == ([0, 250, 500, 750, 1000], 1001)


@pytest.mark.parametrize("width", [1, 2])
def test_equal_vectors_are_one_point(width: int) -> None:
    plane = principal_plane(np.ones((4, width), np.float32), np.ones(4, bool))
    assert (plane.position == 0).all()
    assert plane.explained == (0, 0)


def test_too_few_vectors_are_refused() -> None:
    with pytest.raises(PrepError, match="2 clips have a vector, and a plot needs 3. Embed the videos of more clips."):
        principal_plane(np.ones((4, 2), np.float32), np.array([1, 0, 0, 1], bool))
