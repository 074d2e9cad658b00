"""One square per clip: the people are always in it, and it is in the picture whenever it can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.video.window import around, centre, fit, inside

PARTS = st.floats(0, 1, width=32)
SIDES = st.integers(1, 4000)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    left, right = sorted((draw(PARTS), draw(PARTS)))
    top, bottom = sorted((draw(PARTS), draw(PARTS)))
    return left, top, right, bottom


@given(boxes(), SIDES, SIDES)
def test_the_box_is_inside_the_square_and_the_square_in_the_picture_if_it_can_be(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    left, top, right, bottom = around(box, width, height)
    assert right - left == bottom - top >= 1
    assert left <= box[0] * width
    assert box[2] * width <= right
    assert top <= box[1] * height
    assert box[3] * height <= bottom
    # A pixel at each end may be touched in part only.
    needed = max((box[2] - box[0]) * width, (box[3] - box[1]) * height)
    if needed + 2 <= min(width, height):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    else:
        assert right - left <= max(needed + 2, min(width, height), 1)


@given(boxes(), SIDES, SIDES)
def test_what_sticks_out_does_so_on_both_sides_alike(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    window = around(box, width, height)
    seen = inside(window, width, height)
    out = [abs(edge - shown) for edge, shown in zip(window, seen, strict=True)]
    assert abs(out[0] - out[2]) <= 1
    assert abs(out[1] - out[3]) <= 1
    assert seen[0] < seen[2]
    assert seen[1] < seen[3]


@given(boxes())
def test_a_box_in_the_middle_of_nowhere_keeps_its_margin(box: tuple[float, float, float, float]) -> None:
    small = tuple(0.4 + side * 0.2 for side in box)
    left, top, right, bottom = around(small, 1000, 1000)  # type: ignore[arg-type]
    longest = max(small[2] - small[0], small[3] - small[1]) * 1000
    assert 1.3 * longest <= right - left + 1e-6
    assert right - left <= 1.3 * (longest + 2) + 1
    assert abs((left + right) / 2 - 500 * (small[0] + small[2])) <= 1.5
    assert abs((top + bottom) / 2 - 500 * (small[1] + small[3])) <= 1.5


@pytest.mark.parametrize(
    ("box", "window"),
    [
        # 300 x 600 pixels: 780 is the square with its margins, centred at 960, 540.
        ((810 / 1920, 240 / 1080, 1110 / 1920, 840 / 1080), (570, 150, 1350, 930)),
        # The same at the right edge and the floor: moved inside.
        ((1620 / 1920, 480 / 1080, 1.0, 1.0), (1140, 300, 1920, 1080)),
        # 900 high needs 1170, more than the picture has: shrunk to the shorter side.
        ((810 / 1920, 90 / 1080, 1110 / 1920, 990 / 1080), (420, 0, 1500, 1080)),
        # Two people 1200 apart do not fit into 1080: black above and below.
        ((300 / 1920, 240 / 1080, 1500 / 1920, 840 / 1080), (300, -60, 1500, 1140)),
        # The whole picture, and a single joint.
        ((0.0, 0.0, 1.0, 1.0), (0, -420, 1920, 1500)),
        ((0.5, 0.5, 0.5, 0.5), (959, 539, 961, 541)),
        ((1.0, 1.0, 1.0, 1.0), (1918, 1078, 1920, 1080)),
    ],
)
def test_squares_by_hand(box: tuple[float, float, float, float], window: tuple[int, int, int, int]) -> None:
    assert around(box, 1920, 1080) == window


def test_an_upright_picture_has_its_black_left_and_right() -> None:
    assert around((0.1, 0.1, 0.9, 0.9), 90, 160) == (-19, 16, 109, 144)


def test_the_whole_frame_is_its_middle() -> None:
    assert centre(1920, 1080) == (420, 0, 1500, 1080)
    assert centre(240, 320) == (0, 40, 240, 280)
    assert centre(7, 7) == (0, 0, 7, 7)
    assert inside(centre(1920, 1080), 1920, 1080) == centre(1920, 1080)


def test_black_is_where_the_picture_is_not() -> None:
    window = (-20, 10, 60, 90)  # of a picture 40 wide and 100 high
    (shown,) = fit([np.full((80, 40, 3), 200, np.uint8)], window, 40, 40, 100)
    assert shown.shape == (40, 40, 3)
    assert (shown[:, 11:29] == 200).all()
    assert not shown[:, :9].any()
    assert not shown[:, 31:].any()


@pytest.mark.parametrize("upright", [False, True])
def test_an_odd_row_of_black_is_on_its_side(upright: bool) -> None:
    picture = np.full((6, 11, 3), 200, np.uint8)
    window, expected = (0, -3, 11, 8), np.zeros((11, 11), np.uint8)
    expected[3:9] = 200
    if upright:
        picture, window, expected = picture.transpose(1, 0, 2).copy(), (-3, 0, 8, 11), expected.T
    (shown,) = fit([picture], window, 11, picture.shape[1], picture.shape[0])
    assert (shown[..., 0] == expected).all()


def test_shrinking_averages_the_area_and_keeps_the_order_of_colours() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2, :2, 0] = [[0, 40], [80, 120]]
    picture[2:, 2:, 2] = 90
    (shown,) = fit([picture], (0, 0, 4, 4), 2, 4, 4)
    assert shown.tolist() == [[[60, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 90]]]


def test_enlarging_is_smooth_and_equal_sides_are_left_alone() -> None:
    ramp = np.repeat(np.arange(0, 80, 10, dtype=np.uint8)[None, :, None], 8, 0).repeat(3, 2)
    (same,) = fit([ramp], (0, 0, 8, 8), 8, 8, 8)
    assert (same == ramp).all()
    (large,) = fit([ramp], (0, 0, 8, 8), 32, 8, 8)
    assert large.shape == (32, 32, 3)
    steps = np.diff(large[16, 4:-4, 0].astype(int))
    assert steps.min() >= 1
    assert steps.max() <= 4


def test_frames_stay_in_their_order() -> None:
    frames = [np.full((10, 10, 3), number, np.uint8) for number in (3, 1, 2)]
    assert fit(frames, (0, 0, 10, 10), 4, 10, 10)[:, 0, 0, 0].tolist() == [3, 1, 2]
