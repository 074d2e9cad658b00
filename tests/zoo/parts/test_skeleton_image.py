"""Images of skeletons: both encodings written out number by number, bodies, further streams, and the resizing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from zoo.parts.skeleton_image import (
    ENCODINGS,
    joint_rows,
    ordered_bodies,
    reshaped_image,
    resized,
    scaled,
    signal_image,
)


def clips(bodies: int = 1, frames: int = 6, joints: int = 6, channels: int = 3) -> Tensor:
    return torch.randn(2, bodies, frames, joints, channels, generator=torch.Generator().manual_seed(0))


def unit(clip: Tensor) -> np.ndarray:
    """(T, V, C) of one body with the least value 0 and the largest 1."""
    values = clip.numpy().astype(np.float64)
    return (values - values.min()) / (values.max() - values.min())


def test_signal_image_number_by_number() -> None:
    """With as many joints as frames, nothing is resized."""
    for clip, image in zip(clips(), signal_image(clips(), 6), strict=True):
        values = unit(clip[0])
        for joint in range(6):
            for frame in range(6):
                for axis in range(3):
                    assert abs(float(image[axis, joint, frame]) - values[frame, joint, axis]) < 1e-6


def test_reshaped_image_number_by_number() -> None:
    for clip, image in zip(clips(), reshaped_image(clips(), 6), strict=True):
        values = unit(clip[0])
        for joint in range(6):
            row = [values[frame, joint, axis] for axis in range(3) for frame in range(6)]
            for place, value in enumerate(row):
                assert abs(float(image[place % 3, joint, place // 3]) - value) < 1e-6


@pytest.mark.parametrize("encode", ENCODINGS.values())
def test_two_bodies_are_stacked_by_rows_and_share_their_range(encode) -> None:
    given = clips(bodies=2, joints=4, frames=8)
    given[:, 1] *= 3
    image = encode(given, 8)
    both = scaled(given)
    alone = encode(both[:, 1:], 8)
    assert image.shape == (2, 3, 8, 8)
    assert image.amin() >= 0
    assert image.amax() <= 1
    torch.testing.assert_close(
        image.amax((1, 2, 3)), torch.ones(2), msg="the largest value of either body is the brightest"
    )
    # The body that moves more comes first: it alone, scaled by the range of both, fills the upper rows.
    rows = joint_rows(given)
    torch.testing.assert_close(rows[:, :4], both[:, 1].transpose(1, 2))
    torch.testing.assert_close(rows[:, 4:], both[:, 0].transpose(1, 2))
    assert not torch.allclose(image[:, :, :4], alone[:, :, ::2])


@pytest.mark.parametrize("encode", ENCODINGS.values())
def test_the_slot_of_a_body_and_an_absent_body_change_nothing(encode) -> None:
    two, one = clips(bodies=2), clips(bodies=1)
    assert torch.equal(encode(two, 32), encode(two.flip(1), 32))
    twice = encode(torch.cat([one, one], dim=1), 32)
    assert torch.equal(encode(torch.cat([one, torch.zeros_like(one)], dim=1), 32), twice)
    assert torch.equal(encode(torch.cat([torch.zeros_like(one), one], dim=1), 32), twice)
    assert encode(torch.zeros_like(two), 32).eq(0).all()


def test_of_three_bodies_the_absent_one_is_a_copy_of_the_first() -> None:
    given = clips(bodies=3)
    given[:, 0] = 0
    given[:, 2] *= 5
    assert torch.equal(ordered_bodies(given), given[:, [2, 1, 2]])


def test_further_streams_become_rows_each_with_a_range_of_its_own() -> None:
    """Seven channels are groups of 3, 3 and 1; the last lacks two colours."""
    given = clips(channels=7, joints=2, frames=3)
    given[..., 3:6] *= 100
    rows = joint_rows(given)
    assert rows.shape == (2, 6, 3, 3)
    for group in range(3):
        part = given[:, 0, :, :, 3 * group : 3 * group + 3].transpose(1, 2)
        low, high = part.amin((1, 2, 3), keepdim=True), part.amax((1, 2, 3), keepdim=True)
        found = rows[:, 2 * group : 2 * group + 2]
        torch.testing.assert_close(found[..., : part.shape[-1]], (part - low) / (high - low))
    assert rows[:, 4:, :, 1:].eq(0).all()


@pytest.mark.parametrize(("height", "width"), [(25, 64), (50, 16), (6, 6)])
def test_resizing_is_pillows(height: int, width: int) -> None:
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    expected = [
        np.asarray(Image.fromarray(colour.numpy(), mode=None).resize((32, 32), Image.Resampling.BILINEAR))
        for colour in image[0]
    ]
    torch.testing.assert_close(resized(image, 32)[0], torch.from_numpy(np.stack(expected)), rtol=0, atol=1e-5)


def test_half_precision_is_scaled_in_single_precision() -> None:
    given = clips().half()
    assert torch.equal(signal_image(given, 32), signal_image(given.float(), 32))
