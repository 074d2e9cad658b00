"""Recorded coordinates of sampled clips, and the path, height and speed of bodies in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from manifests.layout import Layout


@dataclass(frozen=True)
class Recorded:
    """Clips in the unit in which they were recorded, and which of their joints there are.

    The root of a body is the middle of its hips. `seen` is False, and `joints` are zeros, for an absent body, for a
    frame of padding and for a joint with score 0.
    """

    joints: Float[Tensor, "X M T V C"]
    seen: Bool[Tensor, "X M T V"]
    layout: Layout

    @classmethod
    def of(
        cls,
        joints: Float[Tensor, "X M T V C"],
        matrix: Float[Tensor, "X C C"],
        origin: Float[Tensor, "X M T C"],
        layout: Layout,
    ) -> Recorded:
        """From preprocessed joints: matrix @ joint + origin. A body of zeros is absent."""
        there = present(joints)
        moved, seen = to_recorded(joints, matrix, origin, there), there[..., None].expand(joints.shape[:-1])
        if layout.scored:
            seen = seen & (moved[..., layout.axes] != 0)
            moved = torch.where(seen[..., None], moved, 0)
        return cls(moved, seen, layout)

    def mirrored(self, swap: Int[Tensor, "V"], flip: Bool[Tensor, "X"]) -> Recorded:
        """Where `flip` is True, left and right joints are swapped and x is reflected at the clip's own centre.

        The centre is the mean x of all joints that are seen in the sampled frames, so that the clip stays where it was.
        """
        x = self.joints[..., 0]
        centre = x.sum((1, 2, 3)) / self.seen.sum((1, 2, 3)).clamp(min=1)
        seen = self.seen[..., swap]
        joints = self.joints[..., swap, :]
        joints[..., 0] = torch.where(seen, 2 * centre[:, None, None, None] - joints[..., 0], 0)
        flip = flip[:, None, None, None]
        joints, seen = torch.where(flip[..., None], joints, self.joints), torch.where(flip, seen, self.seen)
        return Recorded(joints, seen, self.layout)

    def path(self) -> Float[Tensor, "X M T V 1"]:
        """Horizontal distance of each body's root from its first sampled frame that is seen, for every joint."""
        root, seen = self._root()
        first = seen.int().argmax(dim=2)[:, :, None, None].expand(-1, -1, 1, root.shape[-1])
        up, _ = self.layout.vertical
        gone = (root - root.gather(2, first)).unbind(-1)
        level = torch.stack([distance for axis, distance in enumerate(gone) if axis != up], dim=-1)
        return self._for_all_joints(torch.where(seen, level.norm(dim=-1), 0))

    def height(self) -> Float[Tensor, "X M T V 1"]:
        """Height of each body's root below its highest position in the sampled frames (<= 0), for every joint."""
        root, seen = self._root()
        up, sign = self.layout.vertical
        above = torch.where(seen, sign * root[..., up], -torch.inf)
        below = above - above.amax(dim=2, keepdim=True)
        return self._for_all_joints(torch.where(seen, below, 0))

    def speed(self) -> Float[Tensor, "X M T V 1"]:
        """Length of each joint's step to the next sampled frame, less the step of the root; zero in the last frame.

        Zero too where the joint or the root is not seen in both frames.
        """
        root, seen = self._root()
        relative, here = self.joints[..., : self.layout.axes] - root[..., None, :], self.seen & seen[..., None]
        speed = torch.zeros_like(self.joints[..., 0])
        both = here[:, :, :-1] & here[:, :, 1:]
        speed[:, :, :-1] = torch.where(both, relative.diff(dim=2).norm(dim=-1), 0)
        return speed[..., None]

    def _root(self) -> tuple[Float[Tensor, "X M T C"], Bool[Tensor, "X M T"]]:
        """The middle of the hips, which is the root of a body here, and where all of them are seen."""
        # Not by a list of joints, which would be sent to the device each time.
        root = torch.stack([self.joints[..., hip, : self.layout.axes] for hip in self.layout.hips]).mean(0)
        return root, torch.stack([self.seen[..., hip] for hip in self.layout.hips]).all(0)

    def _for_all_joints(self, values: Float[Tensor, "X M T"]) -> Float[Tensor, "X M T V 1"]:
        return values[..., None, None].expand(*values.shape, self.joints.shape[-2], 1)


def to_recorded(
    joints: Float[Tensor, "X M T V C"],
    matrix: Float[Tensor, "X C C"],
    origin: Float[Tensor, "X M T C"],
    there: Bool[Tensor, "X M T"],
) -> Float[Tensor, "X M T V C"]:
    """Preprocessed joints in recorded coordinates: matrix @ joint + origin. An absent body stays zeros.

    >>> joints = torch.tensor([[[[[1.0, 2.0]], [[0.0, 0.0]]]]])
    >>> to_recorded(joints, 10 * torch.eye(2)[None], torch.ones(1, 1, 2, 2), present(joints)).flatten().tolist()
    [11.0, 21.0, 0.0, 0.0]
    """
    V, C = joints.shape[-2:]
    # The origin for every joint of a body comes from a product: ten times as fast as adding three numbers to each.
    shift = torch.where(there[..., None], origin, 0) @ torch.eye(C, device=joints.device).repeat(1, V)
    turned = joints.flatten(1, 3) @ matrix.transpose(-1, -2)
    return turned.view(joints.shape).add_(shift.view(joints.shape))


def present(joints: Float[Tensor, "*batch V C"]) -> Bool[Tensor, "*batch"]:
    """Whether a body is present: one of its numbers is not zero.

    >>> present(torch.tensor([[[0.0, 0.0]], [[0.0, -1.0]]])).tolist()
    [False, True]
    """
    return joints.flatten(-2).abs().sum(-1) != 0
