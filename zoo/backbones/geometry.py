"""A vector of pose, path, height and speed that needs no training.

The parts and weights were chosen on NW-UCLA with all of its class splits in sight, so its accuracy there is a little
optimistic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from episodes.augment import swaps
from manifests.layout import Layout
from zoo.backbones._backbone import Backbone, ShapeError

# Height against pose, and 5 times the mean of 15 steps: sums of steps do not depend on the number of frames.
HEIGHT, SPEED = 3.0, 5.0 / 15
# Moments at which the weights above were chosen.
MOMENTS = 8


@dataclass(frozen=True)
class Options:
    """Nothing to choose: the weights of the parts are fixed."""

    pools: ClassVar[tuple[str, ...]] = ("joints",)


class Model(Backbone):
    """Clips (X, M, T, V, C) of the stream `recorded` to maps (X, ceil(T / 2), 1, D). It has no parameters.

    For each body, with joints relative to the middle of the hips in the same frame: the symmetric pose at T / 2
    moments, each the mean of two frames; the horizontal distance of the hips from their first frame, and 3 times their
    height below their highest frame, at the same moments; 5 times the mean step of every joint between 16 frames,
    symmetric too, an equal share of it at every moment, so that squared distances of whole maps are those of one vector
    that has it once. The symmetric form of y with its mirror image y' is [(y + y') / 2, |y - y'| / 2]. Bodies are
    averaged.

    A layout without mirror pairs has y itself. All parts are lengths, so one unit for all clips is as good as another;
    in image coordinates, where nearer means larger, they are divided by the mean distance of the body's joints from the
    hips. A joint that is not seen stays where it was last; without hips, their middle is that of all joints.
    Raises ShapeError where the channels do not reach the layout's vertical axis.
    """

    hips: Bool[Tensor, "V"]
    swap: Int[Tensor, "V"]
    reflection: Float[Tensor, "C"]

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        self.axes, V = min(channels, layout.axes), len(layout.joints)
        self.up, self.sign = layout.vertical
        if self.up >= self.axes:
            raise ShapeError(
                f"geometry needs the axis `{layout.up}` of layout `{layout.name}` and has {channels} channels. "
                'Set data.streams = ["recorded"].'
            )
        self.level = [axis for axis in range(self.axes) if axis != self.up]
        self.is_image, self.symmetric = layout.is_image, bool(layout.mirror and self.level)
        self.register_buffer("hips", torch.tensor([v in layout.hips for v in range(V)]), persistent=False)
        self.register_buffer("swap", torch.tensor(swaps(layout.mirror, V)), persistent=False)
        reflection = torch.tensor([-1.0 if [axis] == self.level[:1] else 1.0 for axis in range(self.axes)])
        self.register_buffer("reflection", reflection, persistent=False)
        self.map_joints = 1
        self.width = (2 if self.symmetric else 1) * V * (self.axes + 1) + 2

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ 1 D"]:
        """One map per body."""
        relative, hips = self._located(clips.flatten(0, 1)[..., : self.axes])
        pose, moments = halved(relative), halved(hips)
        distance = torch.linalg.vector_norm(moments[..., self.level] - hips[:, :1, self.level], dim=-1)
        above = self.sign * hips[..., self.up]
        height = HEIGHT * (halved(above) - above.amax(1, keepdim=True))
        path = torch.linalg.vector_norm(relative.diff(dim=1), dim=-1).sum(1)
        speed = SPEED * self._symmetric(path, path[:, self.swap]) / MOMENTS**0.5
        parts = (
            self._symmetric(pose, pose[:, :, self.swap] * self.reflection).flatten(2),
            torch.stack([distance, height], dim=-1),
            speed[:, None].expand(-1, pose.shape[1], -1),
        )
        return torch.cat(parts, dim=-1)[:, :, None]

    def _located(self, bodies: Float[Tensor, "X T V C"]) -> tuple[Float[Tensor, "X T V C"], Float[Tensor, "X T C"]]:
        """Joints relative to the middle of the hips, and the middle of the hips."""
        bodies, seen = filled(bodies)
        chosen = seen & self.hips
        chosen = torch.where(chosen.any(-1, keepdim=True), chosen, seen)[:, None, :, None]
        hips = (bodies * chosen).sum(2) / chosen.sum(2).clamp(min=1)
        relative = torch.where(seen[:, None, :, None], bodies - hips[:, :, None], 0)
        if self.is_image:
            distances = torch.linalg.vector_norm(relative, dim=-1).mean(1).sum(1) / seen.sum(1).clamp(min=1)
            size = distances.clamp(min=torch.finfo(distances.dtype).tiny)[:, None, None]
            relative, hips = relative / size[..., None], hips / size
        return relative, hips

    def _symmetric(self, value: Float[Tensor, "*_"], mirrored: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """What stays the same when left and right are swapped: half the sum, and half the size of the difference."""
        if not self.symmetric:
            return value
        return torch.cat([(value + mirrored) / 2, (value - mirrored).abs() / 2], dim=-1)


def halved(frames: Float[Tensor, "X T *_"]) -> Float[Tensor, "X _ *_"]:
    """The means of neighbouring pairs of frames; a last frame without a neighbour stays alone.

    >>> halved(torch.tensor([[1.0, 3.0, 5.0, 9.0, 4.0]])).tolist()
    [[2.0, 7.0, 4.0]]
    """
    if frames.shape[1] % 2:
        frames = torch.cat([frames, frames[:, -1:]], dim=1)
    return frames.unflatten(1, (-1, 2)).mean(2)


def filled(bodies: Float[Tensor, "X T V C"]) -> tuple[Float[Tensor, "X T V C"], Bool[Tensor, "X V"]]:
    """Bodies whose unseen joints (zero on all axes) are where they were seen last, and which joints are ever seen.

    Before a joint is seen first it is where it will be seen first.

    >>> filled(torch.tensor([0.0, 2.0, 0.0, 3.0]).view(1, 4, 1, 1))[0].flatten().tolist()
    [2.0, 2.0, 2.0, 3.0]
    """
    seen = bodies.ne(0).any(-1)
    frame = torch.arange(bodies.shape[1], device=bodies.device)[None, :, None]
    last = torch.where(seen, frame, -1).cummax(1).values
    index = torch.where(last < 0, seen.int().argmax(1, keepdim=True), last)
    return bodies.gather(1, index[..., None].expand_as(bodies)), seen.any(1)
