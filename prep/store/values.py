"""What the numbers of a store's small arrays must fulfil, whatever digest they have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_values(name: str, values: NDArray[Any], frames: int, classes: int) -> None:
    """Raise ValueError, with the rule, for the values of one small array of a store with so many frames and classes.

    >>> check_values("label", np.array([0, 2]), frames=9, classes=3)
    >>> check_values("offsets", np.array([0, 5, 4, 9]), frames=9, classes=3)
    Traceback (most recent call last):
    ValueError: `offsets` does not divide 9 frames into 3 clips
    """
    if name == "offsets":
        if values[0] != 0 or values[-1] != frames or (np.diff(values) < 0).any():
            raise ValueError(f"`offsets` does not divide {frames} frames into {len(values) - 1} clips")
    elif name == "label":
        if len(values) and not (values.min() >= 0 and values.max() < classes):
            raise ValueError(f"a label lies outside the {classes} classes")
    elif values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError(f"`{name}` holds values that are not finite")


def clip_names(rows: NDArray[np.uint8]) -> tuple[str, ...]:
    """The names in rows of UTF-8 bytes padded with zeros. Raises ValueError for other bytes and for equal names."""
    names = tuple(bytes(row).rstrip(b"\0").decode() for row in rows)
    if len(set(names)) < len(names):
        raise ValueError("two clips have the same name")
    return names
