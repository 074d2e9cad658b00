"""Synthetic recordings and their text in the format of NTU's `.skeleton` files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prep.clip import Recording, Source

NAME = "S001C002P003R002A007"
Detection = tuple[int, NDArray[np.float64]]


def source(size: int = 0, name: str = NAME) -> Source:
    """A source that is never loaded."""
    return Source(name, f"{name}.skeleton", "", size, "")


def person(seed: int, frames: int = 1) -> NDArray[np.float64]:
    """(frames, 25, 3) metres taller than wide."""
    random = np.random.default_rng(seed)
    pose = random.normal([0.3, 0.2, 3.0], [0.1, 0.5, 0.1], (25, 3))
    path = random.normal(0, 0.02, (frames, 25, 3)).cumsum(0)
    return (pose + path).astype(np.float32).astype(np.float64)


def text(frames: Sequence[Sequence[Detection]], end: str = "\n") -> bytes:
    """A file with these bodies: seven digits as in real files; numbers other than x, y and z are derived from them."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for identity, joints in bodies:
            lines += [f"{identity} 0 1 1 1 1 0 0.01 -0.02 2", "25"]
            for x, y, z in joints:
                pixels = (365 * x / z + 256, 212 - 365 * y / z, 1060 * x / z + 960, 540 - 1060 * y / z)
                numbers = (x, y, z, *pixels, x / 3, y / 3, z / 9, x / 7)
                lines.append(" ".join(f"{number:.7g}" for number in numbers) + " 2")
    return (end.join(lines) + end).encode()


def recording(frames: Sequence[Sequence[Detection]]) -> Recording:
    """The reader's result for the same bodies."""
    joints = [joints for bodies in frames for _, joints in bodies]
    return Recording(
        name=NAME,
        label=6,
        bodies_per_frame=np.array([len(bodies) for bodies in frames], np.int64),
        body_id=np.array([identity for bodies in frames for identity, _ in bodies], np.int64),
        joints=np.array(joints, np.float32).reshape(-1, 25, 3),
    )
