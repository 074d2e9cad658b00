"""Streams: joints, bones and velocities, and recorded joints, paths, heights and speeds, along the channels."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.recorded import Recorded

# Streams with one channel; every other one has as many as joints have.
SCALARS = ("path", "height", "speed")
# Streams of recorded coordinates, whatever preprocessing has made of them.
RECORDED = frozenset(("recorded", *SCALARS))
STREAMS = ("joint", "bone", "velocity", "bone_velocity", "recorded", *SCALARS)


def channels(names: tuple[str, ...], C: int) -> int:
    """The channels of the streams `names` together, for joints of C channels.

    >>> channels(("joint", "bone", "speed"), 3)
    7
    """
    return sum(1 if name in SCALARS else C for name in names)


def streams(
    joints: Float[Tensor, "*batch M T V C"],
    names: tuple[str, ...],
    parent: Int[Tensor, "V"],
    recorded: Recorded | None = None,
) -> Float[Tensor, "*batch M T V _"]:
    """The streams `names` (of STREAMS) of the same clips, one after the other along the channels.

    `recorded` are the same clips in recorded coordinates, for the streams of RECORDED.
    """
    parts = [_stream(joints, name, parent, recorded) for name in names]
    return parts[0].contiguous() if len(parts) == 1 else torch.cat(parts, dim=-1)


def bone(joints: Float[Tensor, "*batch M T V C"], parent: Int[Tensor, "V"]) -> Float[Tensor, "*batch M T V C"]:
    """Each joint minus its parent; zero at the root, which is its own parent (2s-AGCN, Shi et al., 2019).

    >>> joints = torch.tensor([[[[1.0], [3.0]]]])
    >>> bone(joints, parent=torch.tensor([0, 0])).flatten().tolist()
    [0.0, 2.0]
    """
    return joints - pick(joints, parent)


def velocity(joints: Float[Tensor, "*batch M T V C"]) -> Float[Tensor, "*batch M T V C"]:
    """The next frame minus this one, in units per frame taken; zero in the last (CTR-GCN `feeder_ntu.py`).

    >>> velocity(torch.tensor([1.0, 4.0, 6.0]).view(1, 3, 1, 1)).flatten().tolist()
    [3.0, 2.0, 0.0]
    """
    moved = torch.zeros_like(joints)
    torch.sub(joints[..., 1:, :, :], joints[..., :-1, :, :], out=moved[..., :-1, :, :])
    return moved


def pick(joints: Float[Tensor, "*batch M T V C"], which: Int[Tensor, "V"]) -> Float[Tensor, "*batch M T V C"]:
    """Joint v of the result is joint which[v].

    >>> pick(torch.tensor([[[[1.0], [3.0]]]]), torch.tensor([1, 1])).flatten().tolist()
    [3.0, 3.0]
    """
    V, C = joints.shape[-2:]
    # By columns of a matrix: twice as fast as picking rows of C numbers.
    column = (which[:, None] * C + torch.arange(C, device=which.device)).view(-1)
    return joints.reshape(-1, V * C).index_select(1, column).view(joints.shape)


def parents(bones: tuple[tuple[int, int], ...], joints: int) -> list[int]:
    """The parent of each of `joints` joints, from (child, parent) pairs; a joint without one is its own.

    >>> parents(((0, 1), (2, 1)), joints=3)
    [1, 1, 1]
    """
    above = dict(bones)
    return [above.get(joint, joint) for joint in range(joints)]


def _stream(
    joints: Float[Tensor, "*batch M T V C"], name: str, parent: Int[Tensor, "V"], recorded: Recorded | None
) -> Tensor:
    if name in RECORDED:
        assert recorded is not None
        return recorded.joints if name == "recorded" else getattr(recorded, name)()
    moving = bone(joints, parent) if name.startswith("bone") else joints
    return velocity(moving) if name.endswith("velocity") else moving
