"""Joints that preprocessing has moved, turned or scaled, together with the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Joints = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Moved:
    """Joints (L, M, V, C) after one or more steps, and the affine map that leads back.

    For a joint that is not zero because it is absent, before = `linear` @ after + `origin`, with `linear` (C, C) and
    `origin` (C,) or, one per frame, (L, C). `stand_in` is True if a step found no hips or no bones
    and did without.
    """

    joints: Joints
    linear: NDArray[np.floating[Any]]
    origin: NDArray[np.floating[Any]]
    stand_in: bool = False

    @classmethod
    def start(cls, joints: Joints) -> Moved:
        """Joints that no step has changed."""
        channels = joints.shape[-1]
        return cls(joints, np.eye(channels), np.zeros(channels))

    def then(self, after: Moved) -> Moved:
        """These steps and then `after`, as one.

        >>> twice, shifted = (np.eye(1) * 2, np.zeros(1)), (np.eye(1), np.ones(1))
        >>> both = Moved(np.zeros(0), *twice).then(Moved(np.zeros(0), *shifted))
        >>> both.linear.tolist(), both.origin.tolist()
        ([[2.0]], [2.0])
        """
        origin = after.origin @ self.linear.T + self.origin
        return Moved(after.joints, self.linear @ after.linear, origin, self.stand_in or after.stand_in)
