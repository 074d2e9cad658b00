"""One square per clip: the joints' box always fits, and the crop lies in the frame whenever it can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.video.crop import centre_crop, clip_to_frame, crop_around, pad_and_resize

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
    left, top, right, bottom = crop_around(box, width, height)
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
def test_a_crop_extends_beyond_the_frame_on_both_sides_alike(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    crop = crop_around(box, width, height)
    seen = clip_to_frame(crop, width, height)
    out = [abs(edge - resized) for edge, resized in zip(crop, seen, strict=True)]
    assert abs(out[0] - out[2]) <= 1
    assert abs(out[1] - out[3]) <= 1
    assert seen[0] < seen[2]
    assert seen[1] < seen[3]


@given(boxes())
def test_a_box_far_from_the_edges_keeps_its_margin(box: tuple[float, float, float, float]) -> None:
    small = tuple(0.4 + side * 0.2 for side in box)
    left, top, right, bottom = crop_around(small, 1000, 1000)  # type: ignore[arg-type]
    longest = max(small[2] - small[0], small[3] - small[1]) * 1000
    assert 1.3 * longest <= right - left + 1e-6
    assert right - left <= 1.3 * (longest + 2) + 1
    assert abs((left + right) / 2 - 500 * (small[0] + small[2])) <= 1.5
    assert abs((top + bottom) / 2 - 500 * (small[1] + small[3])) <= 1.5


@pytest.mark.parametrize(
    ("box", "crop"),
    [
        # 300 x 600 pixels: 780 is the square with its margins, centred at 960, 540.
        ((810 / 1920, 240 / 1080, 1110 / 1920, 840 / 1080), (570, 150, 1350, 930)),
        # The same at the right edge and the floor: moved inside.
        ((1620 / 1920, 480 / 1080, 1.0, 1.0), (1140, 300, 1920, 1080)),
        # 900 high needs 1170, more than the frame has: shrunk to the shorter side.
        ((810 / 1920, 90 / 1080, 1110 / 1920, 990 / 1080), (420, 0, 1500, 1080)),
        # Two people 1200 apart do not fit into 1080: black above and below.
        ((300 / 1920, 240 / 1080, 1500 / 1920, 840 / 1080), (300, -60, 1500, 1140)),
        # The whole frame, and a single joint.
        ((0.0, 0.0, 1.0, 1.0), (0, -420, 1920, 1500)),
        ((0.5, 0.5, 0.5, 0.5), (959, 539, 961, 541)),
        ((1.0, 1.0, 1.0, 1.0), (1918, 1078, 1920, 1080)),
    ],
)
def test_squares_by_hand(box: tuple[float, float, float, float], crop: tuple[int, int, int, int]) -> None:
    assert crop_around(box, 1920, 1080) == crop


def test_a_portrait_frame_is_padded_left_and_right() -> None:
    assert crop_around((0.1, 0.1, 0.9, 0.9), 90, 160) == (-19, 16, 109, 144)


def test_centre_crop() -> None:
    assert centre_crop(1920, 1080) == (420, 0, 1500, 1080)
    assert centre_crop(240, 320) == (0, 40, 240, 280)
    assert centre_crop(7, 7) == (0, 0, 7, 7)
    assert clip_to_frame(centre_crop(1920, 1080), 1920, 1080) == centre_crop(1920, 1080)


def test_pixels_beyond_the_frame_are_black() -> None:
    crop = (-20, 10, 60, 90)  # of a frame 40 wide and 100 high
    (resized,) = pad_and_resize([np.full((80, 40, 3), 200, np.uint8)], crop, 40, 40, 100)
    assert resized.shape == (40, 40, 3)
    assert (resized[:, 11:29] == 200).all()
    assert not resized[:, :9].any()
    assert not resized[:, 31:].any()


@pytest.mark.parametrize("upright", [False, True])
def test_an_odd_row_of_black_is_on_its_side(upright: bool) -> None:
    frame = np.full((6, 11, 3), 200, np.uint8)
    crop, expected = (0, -3, 11, 8), np.zeros((11, 11), np.uint8)
    expected[3:9] = 200
    if upright:
        frame, crop, expected = frame.transpose(1, 0, 2).copy(), (-3, 0, 8, 11), expected.T
    (resized,) = pad_and_resize([frame], crop, 11, frame.shape[1], frame.shape[0])
    assert (resized[..., 0] == expected).all()


def test_shrinking_averages_the_area_and_keeps_the_order_of_colours() -> None:
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[:2, :2, 0] = [[0, 40], [80, 120]]
    frame[2:, 2:, 2] = 90
    (resized,) = pad_and_resize([frame], (0, 0, 4, 4), 2, 4, 4)
    assert resized.tolist() == [[[60, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 90]]]


def test_enlarging_is_smooth_and_equal_sides_are_left_alone() -> None:
    ramp = np.repeat(np.arange(0, 80, 10, dtype=np.uint8)[None, :, None], 8, 0).repeat(3, 2)
    (same,) = pad_and_resize([ramp], (0, 0, 8, 8), 8, 8, 8)
    assert (same == ramp).all()
    (large,) = pad_and_resize([ramp], (0, 0, 8, 8), 32, 8, 8)
    assert large.shape == (32, 32, 3)
    steps = np.diff(large[16, 4:-4, 0].astype(int))
    assert steps.min() >= 1
    assert steps.max() <= 4


def test_frames_stay_in_their_order() -> None:
    frames = [np.full((10, 10, 3), number, np.uint8) for number in (3, 1, 2)]
    assert pad_and_resize(frames, (0, 0, 10, 10), 4, 10, 10)[:, 0, 0, 0].tolist() == [3, 1, 2]
