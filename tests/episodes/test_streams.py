from __future__ import annotations

import pytest
import torch

from episodes.streams import RECORDED, STREAMS, bone, parents, streams, velocity
from manifests.facts import layout, names

PREPROCESSED = tuple(name for name in STREAMS if name not in RECORDED)
JOINTS = torch.randn(4, 2, 6, 25, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", names("layouts"))
def test_bones_are_the_literal_differences(name: str) -> None:
    known = layout(name)
    V = len(known.joints)
    joints = torch.randn(3, 2, 4, V, 3, generator=torch.Generator().manual_seed(0))
    literal = torch.zeros_like(joints)
    for child, parent in known.bones:
        literal[..., child, :] = joints[..., child, :] - joints[..., parent, :]
    assert torch.equal(bone(joints, torch.tensor(parents(known.bones, V))), literal)
    assert not literal[..., known.root, :].any()


def test_velocity_is_the_literal_difference() -> None:
    literal = torch.zeros_like(JOINTS)
    for t in range(5):
        literal[:, :, t] = JOINTS[:, :, t + 1] - JOINTS[:, :, t]
    assert torch.equal(velocity(JOINTS), literal)
    assert torch.equal(velocity(JOINTS[0]), literal[0])


def test_streams_lie_side_by_side() -> None:
    parent = torch.tensor(parents(layout("ntu25").bones, 25))
    joint, bones, moved, turned = streams(JOINTS, PREPROCESSED, parent).split(3, dim=-1)
    assert torch.equal(joint, JOINTS)
    assert torch.equal(bones, bone(JOINTS, parent))
    assert torch.equal(moved, velocity(JOINTS))
    assert torch.equal(turned, velocity(bones))
    assert streams(JOINTS, ("joint",), parent) is JOINTS


def test_an_absent_body_stays_zero() -> None:
    joints = JOINTS.clone()
    joints[:, 1] = 0
    parent = torch.tensor(parents(layout("ntu25").bones, 25))
    assert not streams(joints, PREPROCESSED, parent)[:, 1].any()
