"""Consecutive frames of one or many clips: the rows of a store's long arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frames:
    """L frames; the fields are the arrays of a store with one row per frame.

    `joints` float32 (L, M, V, C); `body_mask` bool (L, M), False where a body is absent; `origin` float32 (L, C), the
    recorded position of the point that preprocessing has moved to zero.
    """

    joints: NDArray[np.float32]
    body_mask: NDArray[np.bool_]
    origin: NDArray[np.float32]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by their names in a store."""
        return {"joints": self.joints, "body_mask": self.body_mask, "origin": self.origin}

    def __len__(self) -> int:
        return len(self.joints)

    def __getitem__(self, rows: slice) -> Frames:
        return Frames(**{name: array[rows] for name, array in self.arrays.items()})

    def copy(self) -> Frames:
        """The same frames in memory of their own."""
        return Frames(**{name: array.copy() for name, array in self.arrays.items()})


def joined(pieces: Sequence[Frames]) -> Frames:
    """All pieces end to end; at least one.

    >>> piece = Frames(np.zeros((2, 1, 1, 3), "f4"), np.ones((2, 1), bool), np.zeros((2, 3), "f4"))
    >>> len(joined([piece, piece]))
    4
    """
    return Frames(**{name: np.concatenate([piece.arrays[name] for piece in pieces]) for name in pieces[0].arrays})
