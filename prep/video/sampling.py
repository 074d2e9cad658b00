"""Which frames of a clip are shown."""

from __future__ import annotations


def spread(start: int, stop: int, count: int) -> tuple[int, ...]:
    """The frames in the centres of `count` equal parts of frames start : stop, rising; few frames stand there twice.

    The paper "sparsely samples 8 frames"; that it is the centres of equal parts is this project's choice (method card
    D5). A centre between two frames is the later of them. Raises ValueError where there is no frame, or none is wanted.

    >>> spread(0, 103, 8)
    (6, 19, 32, 45, 57, 70, 83, 96)
    >>> spread(10, 13, 6)
    (10, 10, 11, 11, 12, 12)
    """
    if stop <= start or count < 1:
        raise ValueError(f"{count} of the frames {start} : {stop}: there must be at least one frame, and one wanted")
    return tuple(start + (2 * part + 1) * (stop - start) // (2 * count) for part in range(count))
