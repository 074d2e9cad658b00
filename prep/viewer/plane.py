"""The vectors of an embedding in two dimensions, for a plot of the clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.errors import PrepError

MOST_POINTS = 4000


@dataclass(frozen=True)
class Plane:
    """The first two principal components of clips' vectors.

    `clips` (P,) are indices of clips, in the order of the store; `position` (P, 2) are their scores; `explained` are
    the shares of the variance along both axes; `vectors` is the number of clips that have a vector, at least P.
    """

    clips: NDArray[np.int64]
    position: NDArray[np.float32]
    explained: tuple[float, float]
    vectors: int


def principal_plane(vectors: NDArray[np.float32], done: NDArray[np.bool_], most: int = MOST_POINTS) -> Plane:
    """PCA of at most `most` clips, evenly spaced among those with a vector: `vectors` (clips, D), `done` (clips,).

    The component of largest magnitude of each axis is positive, so that a plot is the same every time. Raises PrepError
    if fewer than 3 clips have a vector.

    >>> plane = principal_plane(np.array([[0, 0], [3, 0], [9, 9], [-3, 0]], "f4"), np.array([1, 1, 0, 1], bool))
    >>> plane.clips.tolist(), plane.position[:, 0].tolist(), plane.explained
    ([0, 1, 3], [0.0, 3.0, -3.0], (1.0, 0.0))
    """
    clips = np.flatnonzero(done)
    if len(clips) < 3:
        raise PrepError(f"{len(clips)} clips have a vector, and a plot needs 3. Embed the videos of more clips.")
    chosen = clips[np.linspace(0, len(clips) - 1, min(len(clips), most)).round().astype(np.int64)]
    centred = vectors[chosen] - vectors[chosen].mean(axis=0)
    if centred.shape[1] == 1:
        centred = np.pad(centred, ((0, 0), (0, 1)))
    # The eigenvectors of the covariance (D, D) cost less than a decomposition of all rows, and are the same axes.
    _, singular, axes = np.linalg.svd(centred.T @ centred)
    axes = axes[:2] * np.sign(np.take_along_axis(axes[:2], np.abs(axes[:2]).argmax(axis=1)[:, None], axis=1))
    total = float(singular.sum()) or 1.0
    first, second = (float(value) / total for value in singular[:2])
    return Plane(chosen, centred @ axes.T, (first, second), len(clips))
