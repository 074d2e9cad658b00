"""The mirror image of clips against that of joints before they become streams."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.learners import FIVE

from episodes.augment import mirror, swaps
from episodes.streams import parents, streams
from manifests.facts import layout, names
from manifests.layout import Layout
from zoo.parts.mirror import MirrorError, mirrored

STREAMS = ("joint", "bone", "velocity", "bone_velocity")
LAYOUTS = [skeleton for skeleton in map(layout, names("layouts")) if skeleton.mirror]


@pytest.mark.parametrize("skeleton", LAYOUTS, ids=lambda skeleton: skeleton.name)
def test_streams_of_a_mirrored_clip_are_mirrored_streams(skeleton: Layout) -> None:
    V, C = len(skeleton.joints), skeleton.coordinates
    joints, parent = torch.randn(2, 1, 4, V, C), torch.tensor(parents(skeleton.bones, V))
    swap = torch.tensor(swaps(skeleton.mirror, V))
    expected = streams(mirror(joints, swap), STREAMS, parent)
    torch.testing.assert_close(mirrored(streams(joints, STREAMS, parent), skeleton), expected)


def test_twice_is_the_clip_itself() -> None:
    clips = torch.randn(3, 2, 4, 5, 6)
    assert torch.equal(mirrored(mirrored(clips, FIVE), FIVE), clips)


@pytest.mark.parametrize(
    ("shape", "skeleton", "words"),
    [
        ((1, 4, 5, 3), replace(FIVE, mirror=()), "Layout five has no mirror pairs. Give `mirror` in the layout."),
        ((1, 4, 5, 4), FIVE, "5 joints and 4 channels, but a stream of layout five has 5 and 3. Take streams of"),
        ((1, 4, 1, 3), FIVE, "1 joints and 3 channels, but a stream of layout five has 5 and 3"),
    ],
)
def test_clips_without_a_mirror_image_are_refused(shape: tuple[int, ...], skeleton: Layout, words: str) -> None:
    with pytest.raises(MirrorError, match=words):
        mirrored(torch.zeros(shape), skeleton)
