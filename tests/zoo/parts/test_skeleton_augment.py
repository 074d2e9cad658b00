"""Every augmentation by its literal form and by its frequencies, and what none of them may touch."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.learners import FIVE
from torch import Tensor

from zoo.backbones._backbone import ShapeError
from zoo.parts import skeleton_augment
from zoo.parts.skeleton_augment import SkeletonAugment

MANY = 3000
IMAGE = replace(FIVE, unit="pixel")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def clips(count: int = 6, bodies: int = 2, frames: int = 12, channels: int = 3) -> Tensor:
    """Random clips, whose second body is absent in every other clip."""
    made = torch.randn(count, bodies, frames, 5, channels)
    made[::2, 1:] = 0
    return made


def near(share: float, expected: float) -> bool:
    """Within four standard deviations of a share of MANY."""
    return abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / MANY)


def changed(before: Tensor, after: Tensor) -> float:
    """The share of clips that changed."""
    return float(after.ne(before).flatten(1).any(1).float().mean())


def test_a_crop_is_a_window_of_the_clip_between_its_reflected_ends() -> None:
    given = clips(200)
    starts = set()
    for clip, crop in zip(given, skeleton_augment.temporal_crop(given), strict=True):
        padded = torch.cat((clip[:, :2].flip(1), clip, clip[:, -2:].flip(1)), dim=1)
        starts |= {start for start in range(5) if torch.equal(padded[:, start : start + 12], crop)}
    assert starts == {0, 1, 2, 3, 4}


def test_a_clip_shorter_than_six_frames_is_not_cropped() -> None:
    given = clips(frames=5)
    assert torch.equal(skeleton_augment.temporal_crop(given), given)


def test_half_of_the_clips_are_reversed_swapped_noisy_blurred_and_masked() -> None:
    given = torch.randn(MANY, 1, 4, 5, 3)
    swap = SkeletonAugment(FIVE, ("joint",)).swap
    points = given.unsqueeze(-2)
    assert near(changed(given, skeleton_augment.reverse_time(given)), 0.5)
    assert near(changed(given, skeleton_augment.swap_sides(given, swap)), 0.5)
    assert near(changed(points, skeleton_augment.add_noise(points)), 0.5)
    assert near(changed(points, skeleton_augment.blur(points)), 0.5)
    masked = skeleton_augment.mask_axis(points)
    for axis in range(3):
        assert near(float(masked[..., axis].eq(0).flatten(1).all(1).float().mean()), 1 / 6)


def test_reversed_and_swapped_clips_are_what_they_are_called() -> None:
    given = torch.randn(20, 1, 4, 5, 3)
    for clip, turned in zip(given, skeleton_augment.reverse_time(given), strict=True):
        assert torch.equal(turned, clip) or torch.equal(turned, clip.flip(1))
    for clip, swapped in zip(
        given, skeleton_augment.swap_sides(given, SkeletonAugment(FIVE, ("joint",)).swap), strict=True
    ):
        assert torch.equal(swapped, clip) or torch.equal(swapped, clip[:, :, [0, 1, 2, 4, 3]])


def test_noise_has_its_size() -> None:
    noise = skeleton_augment.add_noise(torch.zeros(MANY, 1, 4, 5, 1, 3)).flatten(1)
    noise = noise[noise.ne(0).any(1)]
    assert abs(float(noise.std()) - 0.01) < 0.0002
    assert abs(float(noise.mean())) < 0.0002


def test_a_blur_is_a_gaussian_mean_over_time() -> None:
    means = skeleton_augment.gaussian_means(20, torch.tensor([0.3, 1.7], dtype=torch.float64)).numpy()
    for row, sigma in zip(means, (0.3, 1.7), strict=True):
        weights = np.exp(-(np.arange(-7, 8) ** 2) / (2 * sigma**2))
        signal = np.random.default_rng(0).standard_normal(20)
        literal = np.convolve(signal, weights, "same") / np.convolve(np.ones(20), weights, "same")
        np.testing.assert_allclose(row @ signal, literal, rtol=1e-12)


def test_a_blurred_clip_is_smoothed_in_time_alone() -> None:
    given = torch.randn(200, 2, 12, 5, 1, 3)
    blurred = skeleton_augment.blur(given)
    assert (blurred.diff(dim=2).square().mean() < given.diff(dim=2).square().mean()).item()
    torch.testing.assert_close(skeleton_augment.blur(torch.ones_like(given)), torch.ones_like(given))


def test_shears_have_ones_on_the_diagonal_and_uniform_numbers_elsewhere() -> None:
    drawn = skeleton_augment.shears(MANY, 3, torch.zeros(()))
    assert drawn.diagonal(dim1=1, dim2=2).eq(1).all()
    rest = drawn[:, ~torch.eye(3, dtype=torch.bool)]
    assert -0.5 <= float(rest.min()) < -0.49
    assert 0.49 < float(rest.max()) <= 0.5
    assert (rest.mean(0).abs() < 4 * 0.5 / math.sqrt(3 * MANY)).all()


def test_rotations_turn_by_30_degrees_about_one_axis_and_by_one_about_the_others() -> None:
    drawn = skeleton_augment.rotations(MANY, 3, torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(drawn @ drawn.mT, torch.eye(3).to(drawn).expand_as(drawn), rtol=0, atol=1e-6)
    # For small other angles, the entries off the diagonal are the sines about z, y and x; clockwise.
    sines = torch.stack((drawn[:, 1, 2], drawn[:, 2, 0], drawn[:, 0, 1]), dim=1)
    degrees = sines.asin().rad2deg()
    assert float(degrees.min()) > -0.6
    assert 29 < float(degrees.max()) < 30.6
    large = degrees > 2
    assert large.sum(1).max() == 1
    for axis in range(3):
        assert near(float(large[:, axis].float().mean()), 1 / 3 * 28 / 30)


@pytest.mark.parametrize("axes", [1, 2])
def test_flat_skeletons_turn_in_their_plane(axes: int) -> None:
    drawn = skeleton_augment.rotations(MANY, axes, torch.zeros(()))
    torch.testing.assert_close(drawn @ drawn.mT, torch.eye(axes).expand_as(drawn))
    if axes == 2:
        angle = drawn[:, 0, 1].asin().rad2deg()
        assert float(angle.min()) >= 0
        assert 29 < float(angle.max()) <= 30.001


@pytest.mark.parametrize("name", ["normal", "extreme"])
def test_absent_bodies_stay_zeros_and_others_stay_present(name: str) -> None:
    given = clips(200)
    out = getattr(SkeletonAugment(FIVE, ("joint",)), name)(given)
    present = given.ne(0).flatten(2).any(-1)
    assert torch.equal(out.ne(0).flatten(2).any(-1), present)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", ["normal", "extreme"])
def test_streams_and_bodies_are_transformed_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton_augment, "NOISE", 0.0)
    one = torch.randn(50, 1, 12, 5, 3)
    given = torch.cat((one, 2 * one), dim=-1).expand(-1, 2, -1, -1, -1)
    out = getattr(SkeletonAugment(FIVE, ("joint", "bone")), name)(given)
    torch.testing.assert_close(out[..., 3:], 2 * out[..., :3])
    torch.testing.assert_close(out[:, 0], out[:, 1])


def test_a_score_goes_with_its_joint_and_is_left_as_it_is() -> None:
    given = torch.randn(50, 1, 12, 5, 3)
    given[..., 2] = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    out = SkeletonAugment(IMAGE, ("joint",)).extreme(given)
    scores = out[..., 2].reshape(-1, 5)
    swapped = scores[:, 3] > 0.45
    assert torch.equal(scores[~swapped], given[..., 2].reshape(-1, 5)[~swapped])
    assert torch.equal(scores[swapped], torch.tensor([0.1, 0.2, 0.3, 0.5, 0.4]).expand_as(scores[swapped]))
    assert 0.2 < float(swapped.float().mean()) < 0.8


def test_draws_are_those_of_the_default_generator_and_differ_from_clip_to_clip() -> None:
    augment, given = SkeletonAugment(FIVE, ("joint",)), clips(1).expand(8, -1, -1, -1, -1)
    torch.manual_seed(3)
    first, second = augment.extreme(given), augment.extreme(given)
    torch.manual_seed(3)
    assert torch.equal(augment.extreme(given), first)
    assert not torch.equal(first, second)
    assert len(set(first[:, 0, 0, 0, 0].tolist())) > 4


def test_half_precision_training_augments_in_full_precision() -> None:
    augment, given = SkeletonAugment(FIVE, ("joint",)), clips()
    torch.manual_seed(3)
    plain = augment.extreme(given)
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(augment.extreme(given), plain)


def test_streams_without_coordinates_are_refused() -> None:
    """Three of them have as many channels as one stream of coordinates."""
    rule = "path and height and speed of a body cannot be augmented as coordinates of joints are. Leave path and height"
    with pytest.raises(ShapeError, match=rule):
        SkeletonAugment(FIVE, ("joint", "path", "height", "speed"))
