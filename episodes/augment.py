"""Random rotation, scale and mirroring: one draw per clip, the same for all its frames and bodies."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from episodes.counter import Stream, split, uniform
from episodes.options import Augment
from episodes.streams import pick


def augment(
    joints: Float[Tensor, "*batch M T V C"],
    key: Int[Tensor, "*batch"],
    options: Augment,
    coordinates: int,
    swap: Int[Tensor, "V"],
) -> Float[Tensor, "*batch M T V C"]:
    """Mirror, rotate and scale each clip at random, as a function of its `key`.

    Only the first `coordinates` channels are positions (a detector's score is not); `swap` is the joint that each joint
    becomes in a mirror. Everything is linear: absent bodies stay zeros.
    """
    if options.mirror > 0:
        flip = flips(key, options)
        joints = torch.where(flip[..., None, None, None, None], mirror(joints, swap), joints)
    if any(options.rotation) or options.scale != (1.0, 1.0):
        joints = transform(joints, _matrix(key, options, coordinates, joints.shape[-1]))
    return joints


def flips(key: Int[Tensor, "*batch"], options: Augment) -> Bool[Tensor, "*batch"]:
    """Whether `augment` mirrors the clip with each key."""
    return uniform(split(key, Stream.MIRROR)) < options.mirror


def mirror(joints: Float[Tensor, "*batch M T V C"], swap: Int[Tensor, "V"]) -> Float[Tensor, "*batch M T V C"]:
    """The clip mirrored at x = 0: left and right joints are swapped, x changes its sign.

    >>> joints = torch.tensor([[[[1.0, 5.0], [2.0, 6.0]]]])
    >>> mirror(joints, swap=torch.tensor([1, 0])).tolist()
    [[[[-2.0, 6.0], [-1.0, 5.0]]]]
    """
    swapped = pick(joints, swap)
    swapped[..., 0].neg_()
    return swapped


def transform(
    joints: Float[Tensor, "*batch M T V C"], matrix: Float[Tensor, "*batch C C"]
) -> Float[Tensor, "*batch M T V C"]:
    """Every point p of a clip becomes matrix @ p."""
    flat = joints.flatten(-4, -2)
    return (flat @ matrix.transpose(-1, -2)).view(joints.shape)


def rotation(angle: Float[Tensor, "*batch C"]) -> Float[Tensor, "*batch C C"]:
    """Rz Ry Rx of right-handed angles about x, y, z in radians: x turns first; C is 3.

    CTR-GCN's `feeders/tools.py` turns the other way, which evenly drawn angles cannot tell.

    >>> quarter = torch.tensor([0.0, 0.0, math.pi / 2])
    >>> rotation(quarter)[:, 0].round().abs().tolist()  # where x goes
    [0.0, 1.0, 0.0]
    """
    (sx, sy, sz), (cx, cy, cz) = angle.sin().unbind(-1), angle.cos().unbind(-1)
    rows = (
        *(cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        *(sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        *(-sy, cy * sx, cy * cx),
    )
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def swaps(pairs: tuple[tuple[int, int], ...], joints: int) -> list[int]:
    """The joint that each of `joints` joints becomes in a mirror, from (left, right) pairs; others stay.

    >>> swaps(((0, 2),), joints=3)
    [2, 1, 0]
    """
    other = {a: b for left, right in pairs for a, b in ((left, right), (right, left))}
    return [other.get(joint, joint) for joint in range(joints)]


def _matrix(key: Int[Tensor, "*batch"], options: Augment, coordinates: int, C: int) -> Float[Tensor, "*batch C C"]:
    """Rotation times scale on the first `coordinates` channels, the identity on the others."""
    word = split(key, Stream.ROTATION)
    turn = [(uniform(split(word, axis)) * 2 - 1) * math.radians(most) for axis, most in enumerate(options.rotation)]
    low, high = options.scale
    factor = low + (high - low) * uniform(split(key, Stream.SCALE))
    core = rotation(torch.stack(turn, dim=-1)) * factor[..., None, None]
    matrix = torch.eye(C, device=key.device).expand(*key.shape, C, C).clone()
    matrix[..., :coordinates, :coordinates] = core[..., :coordinates, :coordinates]
    return matrix
