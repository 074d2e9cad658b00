"""The mirror image of clips against streams that are made anew of mirrored joints."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.fakes import FakeStore
from helpers.learners import FIVE, LinearBackbone, episode_of
from torch import Tensor

from episodes.augment import mirror, swaps
from episodes.pool import Pool
from episodes.recorded import Recorded
from episodes.resample import Sampling
from episodes.streams import STREAMS, channels, parents, streams
from episodes.transform import ClipTransform
from manifests.facts import layout, names
from manifests.layout import Layout
from zoo.learner import Known
from zoo.methods import subspace
from zoo.parts.mirror import MirrorError, mirrored

LAYOUTS = [skeleton for skeleton in map(layout, names("layouts")) if skeleton.mirror]


def served(joints: Tensor, recorded: Tensor, skeleton: Layout) -> Tensor:
    """All streams of clips, made of their preprocessed and of their recorded joints; zeros are not seen."""
    parent = torch.tensor(parents(skeleton.bones, len(skeleton.joints)))
    there = recorded[..., skeleton.axes] != 0 if skeleton.scored else recorded.flatten(-2).any(-1)[..., None]
    return streams(joints, STREAMS, parent, Recorded(recorded, there.expand(recorded.shape[:-1]), skeleton))


def reflected(recorded: Tensor, swap: list[int]) -> Tensor:
    """Literally: joint by joint from its other side, x the other way round about the mean x of all that is seen."""
    result = torch.zeros_like(recorded)
    for clip, joints in enumerate(recorded):
        seen = joints[..., -1] != 0
        centre = joints[..., 0][seen].mean()
        for joint, other in enumerate(swap):
            moved = joints[..., other, :].clone()
            moved[..., 0] = torch.where(seen[..., other], 2 * centre - moved[..., 0], 0)
            result[clip, ..., joint, :] = moved
    return result


@pytest.mark.parametrize("skeleton", LAYOUTS, ids=lambda skeleton: skeleton.name)
def test_streams_of_a_mirrored_clip_are_mirrored_streams(skeleton: Layout) -> None:
    """Every stream; one body is absent in one clip, and in some frames of another, and joints of a detector too."""
    torch.manual_seed(0)
    V, C = len(skeleton.joints), skeleton.coordinates
    joints, recorded = torch.randn(3, 2, 6, V, C), 5 + torch.randn(3, 2, 6, V, C)
    recorded[0, 1] = recorded[1, 0, 4:] = 0
    if skeleton.scored:
        recorded[2, 0, :3, 4] = 0
    swap = swaps(skeleton.mirror, V)
    expected = served(mirror(joints, torch.tensor(swap)), reflected(recorded, swap), skeleton)
    found = mirrored(served(joints, recorded, skeleton), skeleton, STREAMS)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_mirrored_clip_is_what_evaluation_mirrors() -> None:
    """From the store's own joints, at every stream and in every order of them."""
    skeleton = layout("ntu25")
    pool = Pool.load(FakeStore([9, 20, 14, 3], [0, 0, 1, 1], bodies=[2, 1, 2, 1]))
    for order in (STREAMS, STREAMS[::-1], ("speed", "joint")):
        transform = ClipTransform(pool, skeleton, Sampling(7), order)
        plain, expected = (transform.view(torch.arange(4), mirrored=flag) for flag in (False, True))
        torch.testing.assert_close(mirrored(plain, skeleton, order), expected, rtol=1e-4, atol=1e-4)


def test_twice_is_the_clip_itself() -> None:
    clips = torch.randn(3, 2, 4, 5, 8)
    order = ("joint", "speed", "bone", "height")
    assert torch.equal(mirrored(mirrored(clips, FIVE, order), FIVE, order), clips)


def test_a_shot_is_mirrored_by_the_streams_of_the_recipe() -> None:
    order = ("joint", "path", "height", "speed")
    clips = torch.randn(1, 2, 1, 1, 4, 5, channels(order, 3))
    method = subspace.Model(LinearBackbone(6), subspace.Options(), Known(FIVE, streams=order))
    support, _ = method.maps(episode_of(clips, clips[:, :, 0], torch.zeros(1, 2, dtype=torch.int64)))
    torch.testing.assert_close(support[:, :, 1], method.embed(mirrored(clips[:, :, 0], FIVE, order)))


@pytest.mark.parametrize(
    ("shape", "skeleton", "order", "words"),
    [
        ((1, 4, 5, 3), replace(FIVE, mirror=()), ("joint",), "Layout five has no mirror pairs. Give `mirror` in the"),
        (
            (1, 4, 5, 4),
            FIVE,
            ("joint",),
            r"5 joints and 4 channels, but joint of layout five have 5 and 3. Name",
        ),
        ((1, 4, 1, 3), FIVE, ("joint",), "1 joints and 3 channels, but joint of layout five have 5 and 3"),
        ((1, 4, 5, 6), FIVE, ("joint", "path"), "5 joints and 6 channels, but joint and path of layout five have 5 an"),
        (
            (1, 4, 5, 4),
            replace(FIVE, hips=(3,)),
            ("joint", "speed"),
            r"the hips of layout five \(left hand\) are not their own mirror image, so the speed of a mirrored body is "
            r"not known. Leave speed out of data.streams.",
        ),
        (
            (1, 4, 5, 1),
            replace(FIVE, up="x"),
            ("height",),
            "x of layout five is vertical, so a mirrored body",
        ),
    ],
)
def test_clips_without_a_mirror_image_are_refused(
    shape: tuple[int, ...], skeleton: Layout, order: tuple[str, ...], words: str
) -> None:
    with pytest.raises(MirrorError, match=words):
        mirrored(torch.zeros(shape), skeleton, order)
