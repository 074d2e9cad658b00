from __future__ import annotations

import pytest
import torch

from episodes.augment import augment, mirror, rotation, swaps
from episodes.counter import fold_in, split
from episodes.options import Augment, EpisodeError
from episodes.streams import bone, parents
from manifests.facts import layout

NTU = layout("ntu25")
SWAP = torch.tensor(swaps(NTU.mirror, 25))
JOINTS = torch.randn(64, 2, 6, 25, 3, generator=torch.Generator().manual_seed(0))
KEY = split(fold_in(0), torch.arange(64))
FULL = Augment(rotation=(30.0, 60.0, 90.0), scale=(0.5, 1.5), mirror=0.5)


def changed(options: Augment, joints: torch.Tensor = JOINTS, key: torch.Tensor = KEY) -> torch.Tensor:
    return augment(joints, key, options, coordinates=3, swap=SWAP)


def test_the_default_changes_nothing() -> None:
    assert changed(Augment()) is JOINTS


def test_rotation_keeps_lengths_and_handedness() -> None:
    matrix = rotation(JOINTS[:, 0, 0, 0] * 3)
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3).expand(64, 3, 3))
    torch.testing.assert_close(torch.linalg.cross(matrix[..., 0], matrix[..., 1]), matrix[..., 2])
    torch.testing.assert_close(changed(Augment(rotation=(180.0, 180.0, 180.0))).norm(dim=-1), JOINTS.norm(dim=-1))


@pytest.mark.parametrize("axis", range(3))
def test_one_axis_stays_and_angles_keep_within_their_bound(axis: int) -> None:
    most = [0.0, 0.0, 0.0]
    most[axis] = 60.0
    out = changed(Augment(rotation=(most[0], most[1], most[2])))
    torch.testing.assert_close(out[..., axis], JOINTS[..., axis])
    others = [i for i in range(3) if i != axis]
    before, after = JOINTS[..., others], out[..., others]
    cosine = torch.nn.functional.cosine_similarity(before, after, dim=-1)
    assert cosine.min() > 0.5 - 1e-4
    assert cosine.mean(dim=(1, 2, 3)).min() < 0.7


def test_one_draw_for_all_frames_and_bodies_of_a_clip() -> None:
    same = JOINTS[:, :1, :1].expand(-1, 2, 6, -1, -1)
    out = changed(FULL, same)
    assert torch.equal(out, out[:, :1, :1].expand_as(out))
    assert not torch.allclose(changed(FULL, JOINTS[:1].expand(64, -1, -1, -1, -1))[1:], out[:1])


def test_scale_keeps_within_its_bounds() -> None:
    factor = (changed(Augment(scale=(0.5, 1.5))) / JOINTS).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), atol=1e-4, rtol=1e-4)
    assert 0.5 <= factor.min() < 0.6
    assert 1.4 < factor.max() <= 1.5001


def test_mirror_twice_is_nothing_and_bones_follow() -> None:
    parent = torch.tensor(parents(NTU.bones, 25))
    assert torch.equal(mirror(mirror(JOINTS, SWAP), SWAP), JOINTS)
    torch.testing.assert_close(bone(mirror(JOINTS, SWAP), parent), mirror(bone(JOINTS, parent), SWAP))
    assert torch.equal(changed(Augment(mirror=1.0)), mirror(JOINTS, SWAP))
    flipped = (changed(Augment(mirror=0.5)) != JOINTS).flatten(1).any(1)
    assert 16 < flipped.sum() < 48


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    torch.testing.assert_close(changed(FULL, JOINTS[5:6], KEY[5:6]), changed(FULL)[5:6])


def test_a_score_and_an_absent_body_are_left_alone() -> None:
    joints = JOINTS.clone()
    joints[:, 1] = 0
    out = augment(joints, KEY, Augment(rotation=(0.0, 0.0, 45.0), scale=(2.0, 2.0)), coordinates=2, swap=SWAP)
    assert torch.equal(out[..., 2], joints[..., 2])
    assert not out[:, 1].any()
    torch.testing.assert_close(out[..., :2].norm(dim=-1), 2 * joints[..., :2].norm(dim=-1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rotation": (200.0, 0.0, 0.0)}, "each angle must be 0..180 degrees"),
        ({"scale": (1.5, 0.5)}, "with 0 < smallest <= largest"),
        ({"mirror": 2.0}, "mirror is 2.0: a probability is 0..1"),
    ],
)
def test_values_outside_their_range_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(EpisodeError, match=words):
        Augment(**options)


def test_a_flat_layout_turns_about_z_only() -> None:
    with pytest.raises(EpisodeError, match="turns about z only"):
        Augment(rotation=(10.0, 0.0, 0.0)).check(coordinates=2)
    Augment(rotation=(0.0, 0.0, 10.0)).check(coordinates=2)
