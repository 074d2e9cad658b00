"""The temporal convolutional network of TCN-OneShot (Sabater et al., "One-shot Action Recognition in Challenging
Therapy Scenarios", CVPR workshops 2021): distances, coordinates and angles, then causal dilated convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone, ShapeError
from zoo.backbones._graph import hops
from zoo.checks import at_least_one, share

TORSO = 0.4
"""The length to which the authors scale every torso."""


@dataclass(frozen=True)
class Options:
    """`stacks` of residual blocks of `width` channels, one for each of `dilations`; a convolution sees `kernel` frames.

    `unit` scales the vector to unit length, as the authors do at test time, where a cosine does the same; their
    classifier is trained on vectors of any length.
    """

    pools: ClassVar[tuple[str, ...]] = ("frames", "joints")

    width: int = 256
    kernel: int = 4
    stacks: int = 2
    dilations: tuple[int, ...] = (1, 2, 4)
    dropout: float = 0.2
    unit: bool = False

    def __post_init__(self) -> None:
        at_least_one(self, "width", "kernel", "stacks")
        share(self, "dropout")
        if not self.dilations or min(self.dilations) < 1:
            raise ValueError(f"dilations is {self.dilations}; name one or more, each at least 1")


class Model(Backbone):
    """Clips (X, M, T, V, C) to the mean over present bodies of one vector, (X, 1, 1, D): the last frame's.

    The first channels must be coordinates: the stream `joint` or `recorded` comes first, others are not used. Two axes
    (an image) have one angle per bone. CHOICES: the authors drop frames without a body and mask short clips, which
    resampled clips do not need; each body is a sequence of its own, where the authors take one body of a clip.
    Raises ShapeError for a layout without what `PoseFeatures` needs.
    """

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        self.pose, self.unit = PoseFeatures(layout, channels), options.unit
        width, layers = self.pose.width, []
        for _ in range(options.stacks):
            for dilation in options.dilations:
                layers.append(ResidualBlock(width, options.width, options.kernel, dilation, options.dropout))
                width = options.width
        self.layers = nn.ModuleList(layers)
        self.map_joints = 1
        self.width = options.width

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ 1 1 D"]:
        """One vector per body: the sum of what all blocks add, at the last frame."""
        frames = self.pose(clips.flatten(0, 1)).transpose(1, 2)
        skips = []
        for layer in self.layers:
            frames, skip = layer(frames)
            skips.append(skip[:, :, -1])
        vector = torch.stack(skips).sum(0)
        return (F.normalize(vector, dim=-1) if self.unit else vector)[:, None, None]


class PoseFeatures(nn.Module):
    """Numbers of every frame that depend neither on where a body is, nor on where it faces, nor on its size.

    The distances of all pairs of joints, the coordinates and, of each bone, elevation and azimuth in radians: 423
    numbers for 25 joints. The origin is midway between left and right hip; z points to the layout's centre (for Kinect
    the joint between the shoulders), x to the left hip. The torso, from the origin over the spine to the centre, has
    length 0.4 in each frame.

    CHOICES: y and x are made orthogonal to z, so that distances are lengths; the authors' axes are oblique. Bones are
    those of the layout; the authors' code takes the vectors between joints with consecutive numbers. In an image x is
    orthogonal to z. A layout needs a mirror pair, of which the nearest to its hips is taken, and a centre apart from
    the hips; else ShapeError is raised.
    """

    pairs: Int[Tensor, "P _"]
    bones: Int[Tensor, "E _"]

    def __init__(self, layout: Layout, channels: int) -> None:
        super().__init__()
        self.axes, V = min(channels, layout.axes), len(layout.joints)
        if self.axes < 2 or not layout.mirror or layout.centre in layout.hips:
            raise ShapeError(
                f"tcn_oneshot needs two or three coordinates, mirror pairs and a centre that is not one of the hips. "
                f"Layout `{layout.name}` has {channels} channels, {len(layout.mirror)} mirror pairs and the centre "
                f"`{layout.joints[layout.centre]}`. Choose another backbone."
            )
        far = hops(layout)
        self.hips = min(
            layout.mirror, key=lambda pair: int(sum(far[joint, hip] for joint in pair for hip in layout.hips))
        )
        self.spine, self.centre = layout.spine, layout.centre
        pairs = torch.triu_indices(V, V, 1).T
        self.register_buffer("pairs", pairs, persistent=False)
        self.register_buffer("bones", torch.tensor(layout.bones).view(-1, 2), persistent=False)
        self.width = len(pairs) + V * self.axes + len(layout.bones) * (self.axes - 1)

    def forward(self, bodies: Float[Tensor, "X T V C"]) -> Float[Tensor, "X T D"]:
        """Distances, coordinates, angles."""
        joints = self.in_frame_of_body(bodies[..., : self.axes])
        first, second = self.pairs.unbind(1)
        distances = torch.linalg.vector_norm(joints[:, :, first] - joints[:, :, second], dim=-1)
        child, parent = self.bones.unbind(1)
        return torch.cat([distances, joints.flatten(2), angles(joints[:, :, child] - joints[:, :, parent])], dim=-1)

    def in_frame_of_body(self, joints: Float[Tensor, "X T V C"]) -> Float[Tensor, "X T V C"]:
        """Joints in axes that turn and move with the body, scaled by its torso."""
        left, right, spine, centre = (joints[:, :, joint] for joint in (*self.hips, self.spine, self.centre))
        origin = (left + right) / 2
        torso = torch.linalg.vector_norm(centre - spine, dim=-1) + torch.linalg.vector_norm(spine - origin, dim=-1)
        scale = TORSO / torch.where(torso > 0, torso, 1)
        z = F.normalize(centre - origin, dim=-1)
        if self.axes == 2:
            axes = [torch.stack([z[..., 1], -z[..., 0]], dim=-1), z]
        else:
            y = F.normalize(torch.linalg.cross(z, left - origin), dim=-1)
            axes = [torch.linalg.cross(y, z), y, z]
        relative = (joints - origin[:, :, None]) * scale[..., None, None]
        return torch.stack([(relative * axis[:, :, None]).sum(-1) for axis in axes], dim=-1)


class ResidualBlock(nn.Module):
    """Two causal convolutions with ReLU and dropout of whole channels (keras-tcn), and the sum with their input."""

    def __init__(self, width: int, wider: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.before = (kernel - 1) * dilation
        self.first = nn.Conv1d(width, wider, kernel, dilation=dilation)
        self.second = nn.Conv1d(wider, wider, kernel, dilation=dilation)
        self.dropout = nn.Dropout1d(dropout)
        self.match = nn.Conv1d(width, wider, 1) if width != wider else nn.Identity()

    def forward(self, frames: Float[Tensor, "X C T"]) -> tuple[Float[Tensor, "X D T"], Float[Tensor, "X D T"]]:
        """The block's output, and what it adds to its input."""
        added = frames
        for convolution in (self.first, self.second):
            added = self.dropout(F.relu(convolution(F.pad(added, (self.before, 0)))))
        return F.relu(self.match(frames) + added), added


def angles(vectors: Float[Tensor, "X T E C"]) -> Float[Tensor, "X T _"]:
    """Elevation and azimuth of every vector in space, the angle of one in an image; 0 for a vector of length 0.

    >>> up, left = [0.0, 0.0, 2.0], [0.0, 1.0, 0.0]
    >>> [round(angle, 4) for angle in angles(torch.tensor([[[up, left]]])).flatten().tolist()]
    [1.5708, 0.0, 0.0, 1.5708]
    """
    x, y = vectors[..., 0], vectors[..., 1]
    azimuth = angle(y, x)
    if vectors.shape[-1] == 2:
        return azimuth
    elevation = angle(vectors[..., 2], torch.linalg.vector_norm(vectors[..., :2], dim=-1))
    return torch.stack([elevation, azimuth], dim=-1).flatten(2)


def angle(opposite: Float[Tensor, "*_"], adjacent: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
    """atan2, whose gradient at (0, 0) is that of (0, 1) rather than NaN.

    >>> angle(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])).tolist()
    [1.5707963705062866, 0.0]
    """
    nowhere = (opposite == 0) & (adjacent == 0)
    return torch.atan2(opposite, torch.where(nowhere, 1, adjacent))
