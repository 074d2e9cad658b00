"""Recorded coordinates of sampled clips, and the path, height and speed of bodies in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from manifests.layout import Layout


@dataclass(frozen=True)
class Frame:
    """The frame of reference of a layout's recorded coordinates.

    `root`: the joints whose mean is the root of a body. `up`: the vertical axis, and `sign` +1 where it points up, -1
    where it points down, as y does in an image. The first `axes` channels are coordinates; where `scored`, the next is
    a detector's score, and a joint with score 0 is absent.
    """

    root: tuple[int, ...]
    up: int
    sign: int
    axes: int
    scored: bool

    @classmethod
    def of(cls, layout: Layout) -> Frame:
        """The frame of reference of a layout."""
        image = layout.unit == "image"
        axes = min(2 if image else 3, layout.coordinates)
        return cls((layout.spine,), 1, -1 if image else 1, axes, layout.coordinates > axes)


@dataclass(frozen=True)
class Recorded:
    """Clips in the unit in which they were recorded, and which of their joints there are.

    `seen` is False, and `joints` are zeros, for an absent body, for a frame of padding and for a joint with score 0.
    """

    joints: Float[Tensor, "X M T V C"]
    seen: Bool[Tensor, "X M T V"]
    frame: Frame

    @classmethod
    def of(
        cls,
        joints: Float[Tensor, "X M T V C"],
        matrix: Float[Tensor, "X C C"],
        origin: Float[Tensor, "X M T C"],
        frame: Frame,
    ) -> Recorded:
        """From preprocessed joints: matrix @ joint + origin. A body of zeros is absent.

        >>> joints = torch.tensor([[[[[1.0, 2.0]]], [[[0.0, 0.0]]]]])
        >>> matrix, origin = 10 * torch.eye(2)[None], torch.ones(1, 2, 1, 2)
        >>> frame = Frame(root=(0,), up=1, sign=1, axes=2, scored=False)
        >>> Recorded.of(joints, matrix, origin, frame).joints.flatten().tolist()
        [11.0, 21.0, 0.0, 0.0]
        """
        V, C = joints.shape[-2:]
        present = joints.flatten(-2).abs().sum(-1) != 0
        # Three numbers for every joint of a body by a product: ten times as fast as adding a broadcast one.
        shift = torch.where(present[..., None], origin, 0) @ torch.eye(C, device=joints.device).repeat(1, V)
        there = torch.baddbmm(shift.view(len(joints), -1, C), joints.flatten(1, 3), matrix.transpose(-1, -2))
        there, seen = there.view(joints.shape), present[..., None].expand(joints.shape[:-1])
        if frame.scored:
            seen = seen & (there[..., frame.axes] != 0)
            there = torch.where(seen[..., None], there, 0)
        return cls(there, seen, frame)

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
        return Recorded(joints, seen, self.frame)

    def path(self) -> Float[Tensor, "X M T V 1"]:
        """Horizontal distance of each body's root from its first sampled frame that is seen, for every joint."""
        root, seen = self._root()
        first = seen.int().argmax(dim=2)[:, :, None, None].expand(-1, -1, 1, root.shape[-1])
        level = [axis for axis in range(self.frame.axes) if axis != self.frame.up]
        gone = (root - root.gather(2, first))[..., level].norm(dim=-1)
        return self._for_all_joints(torch.where(seen, gone, 0))

    def height(self) -> Float[Tensor, "X M T V 1"]:
        """Height of each body's root below its highest position in the sampled frames (<= 0), for every joint."""
        root, seen = self._root()
        above = torch.where(seen, self.frame.sign * root[..., self.frame.up], -torch.inf)
        below = above - above.amax(dim=2, keepdim=True)
        return self._for_all_joints(torch.where(seen, below, 0))

    def speed(self) -> Float[Tensor, "X M T V 1"]:
        """Length of each joint's step to the next sampled frame, less the step of the root; zero in the last frame.

        Zero too where the joint or the root is not seen in both frames.
        """
        root, seen = self._root()
        relative, here = self.joints[..., : self.frame.axes] - root[..., None, :], self.seen & seen[..., None]
        speed = torch.zeros_like(self.joints[..., 0])
        both = here[:, :, :-1] & here[:, :, 1:]
        speed[:, :, :-1] = torch.where(both, relative.diff(dim=2).norm(dim=-1), 0)
        return speed[..., None]

    def _root(self) -> tuple[Float[Tensor, "X M T C"], Bool[Tensor, "X M T"]]:
        """The coordinates of the root, and where it is seen."""
        root = list(self.frame.root)
        return self.joints[..., root, : self.frame.axes].mean(-2), self.seen[..., root].all(-1)

    def _for_all_joints(self, values: Float[Tensor, "X M T"]) -> Float[Tensor, "X M T V 1"]:
        return values[..., None, None].expand(*values.shape, self.joints.shape[-2], 1)
