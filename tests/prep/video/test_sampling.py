"""Frames are sampled at the centres of equal segments."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.video.sampling import segment_centres


def test_eight_of_the_103_frames_of_a_real_clip_by_hand() -> None:
    # Segments of 12.875 frames; their centres are 6.44, 19.31, 32.19, 45.06, 57.94, 70.81, 83.69 and 96.56.
    assert segment_centres(0, 103, 8) == (6, 19, 32, 45, 57, 70, 83, 96)
    assert segment_centres(1000, 1103, 8) == (1006, 1019, 1032, 1045, 1057, 1070, 1083, 1096)


def test_few_frames_are_repeated() -> None:
    assert segment_centres(5, 6, 3) == (5, 5, 5)
    assert segment_centres(0, 4, 8) == (0, 0, 1, 1, 2, 2, 3, 3)


@given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(1, 64))
def test_frames_ascend_lie_inside_and_are_equally_far_apart(start: int, length: int, count: int) -> None:
    numbers = segment_centres(start, start + length, count)
    assert len(numbers) == count
    assert start <= numbers[0]
    assert numbers[-1] < start + length
    steps = [after - before for before, after in pairwise(numbers)]
    assert not steps or (min(steps) >= 0 and max(steps) - min(steps) <= 1)
    # One frame in each part, and as much room before the first as after the last.
    for part, number in enumerate(numbers):
        assert part * length // count <= number - start <= (part + 1) * length // count
    assert abs((numbers[0] - start) - (start + length - 1 - numbers[-1])) <= 1


@given(st.integers(1, 1000), st.integers(1, 64))
def test_the_start_of_a_clip_does_not_matter(length: int, count: int) -> None:
    assert segment_centres(70, 70 + length, count) == tuple(70 + number for number in segment_centres(0, length, count))


@pytest.mark.parametrize(("start", "stop", "count"), [(3, 3, 8), (4, 3, 8), (0, 5, 0)])
def test_no_frame_and_no_segment_are_refused(start: int, stop: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} segments of the frames {start} : {stop}: at least one of each"):
        segment_centres(start, stop, count)
