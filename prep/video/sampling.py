"""Which frames of a clip are decoded."""

from __future__ import annotations


def segment_centres(start: int, stop: int, count: int) -> tuple[int, ...]:
    """Divide frames start : stop into `count` equal segments and return the centre frame of each, in ascending order.

    Also known as sparse or uniform temporal sampling (Temporal Segment Networks, Wang et al., 2016, take a random frame
    per segment). A centre between two frames is the later one. With fewer frames than segments, frames are repeated.
    The papers of this project's methods do not say which frame of a segment they take.

    Raises ValueError unless there is at least one frame and one segment.

    >>> segment_centres(0, 103, 8)
    (6, 19, 32, 45, 57, 70, 83, 96)
    >>> segment_centres(10, 13, 6)
    (10, 10, 11, 11, 12, 12)
    """
    if stop <= start or count < 1:
        raise ValueError(f"{count} segments of the frames {start} : {stop}: at least one of each is needed")
    return tuple(start + (2 * segment + 1) * (stop - start) // (2 * count) for segment in range(count))
