"""Normal and extreme augmentation of skeletons (AimCLR, Guo et al., AAAI 2022, section 3.2).

Every draw is torch's, as those of dropout, one for each clip on its device, and the host does not wait. Constants are
those of the authors' code (AimCLR, feeder/tools.py).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from episodes.augment import rotation, swaps
from episodes.streams import SCALARS, pick
from manifests.layout import Layout
from zoo.backbones._backbone import ShapeError, present_bodies

PAD = 6  # a crop may start up to T / 6 frames before or after the clip
SHEAR = 0.5
MAIN_ANGLE, OTHER_ANGLE = 30.0, 1.0  # degrees
NOISE = 0.01  # in the unit of the clips
BLUR_RADIUS, BLUR_SIGMA = 7, (0.1, 2.0)  # frames


class SkeletonAugment(nn.Module):
    """The normal and the extreme augmentation for clips of `layout` with these `streams` along the channels.

    All streams of a clip are transformed alike, and so are all its bodies; the velocities of a reversed clip keep their
    sign. A detector's score goes with its joint and its frame, and is otherwise left as it is. An absent body, all
    zeros, stays zeros. Raises ShapeError for paths, heights and speeds, which have no coordinates to transform.
    """

    swap: Int[Tensor, "V"]

    def __init__(self, layout: Layout, streams: tuple[str, ...]) -> None:
        super().__init__()
        of_body = [name for name in streams if name in SCALARS]
        if of_body:
            raise ShapeError(
                f"{' and '.join(of_body)} of a body cannot be augmented as coordinates of joints are. "
                f"Leave {' and '.join(of_body)} out of data.streams."
            )
        self.coordinates, self.axes = layout.coordinates, layout.axes
        self.register_buffer("swap", torch.tensor(swaps(layout.mirror, len(layout.joints))), persistent=False)

    def normal(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X M T V C"]:
        """A temporal crop and a shear."""
        return self._on_points(clips, temporal_crop(clips))

    def extreme(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X M T V C"]:
        """Temporal crop, shear and rotation of every clip.

        Each with probability 1/2: swapped sides, reversed time, noise, blur, one axis set to zero.
        """
        moved = reverse_time(swap_sides(temporal_crop(clips), self.swap))
        return self._on_points(clips, moved, extreme=True)

    def _on_points(self, clips: Tensor, moved: Tensor, extreme: bool = False) -> Tensor:
        """What changes coordinates, on the streams of `moved` at full precision; absent bodies of `clips` are zeros."""
        streams = moved.unflatten(-1, (-1, self.coordinates))
        with torch.autocast(clips.device.type, enabled=False):
            matrix = shears(len(clips), self.axes, clips)
            if extreme:
                matrix = rotations(len(clips), self.axes, clips) @ matrix
            points = transform(streams[..., : self.axes], matrix)
            if extreme:
                points = mask_axis(blur(add_noise(points)))
        changed = torch.cat((points, streams[..., self.axes :]), dim=-1).flatten(-2)
        return changed * present_bodies(clips)[..., None, None, None]


def temporal_crop(clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X M T V C"]:
    """T frames from a random start of each clip, which is reflected at its ends: by at most T / 6 frames.

    >>> clips = torch.arange(6.0).view(1, 1, 6, 1, 1)
    >>> crops = {tuple(temporal_crop(clips).flatten().int().tolist()) for _ in range(50)}
    >>> sorted(crops)
    [(0, 0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5), (1, 2, 3, 4, 5, 5)]
    """
    T = clips.shape[2]
    pad = T // PAD
    start = torch.randint(-pad, pad + 1, (len(clips), 1), device=clips.device)
    frame = start + torch.arange(T, device=clips.device)
    frame = torch.where(frame < 0, -1 - frame, frame)
    return take_frames(clips, torch.where(frame >= T, 2 * T - 1 - frame, frame))


def take_frames(clips: Float[Tensor, "X M T V C"], frame: Int[Tensor, "X T"]) -> Float[Tensor, "X M T V C"]:
    """Frame t of clip x of the result is frame[x, t] of that clip."""
    return clips.gather(2, frame[:, None, :, None, None].expand(clips.shape))


def reverse_time(clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X M T V C"]:
    """Half of the clips, last frame first."""
    return torch.where(_half(clips), clips.flip(2), clips)


def swap_sides(clips: Float[Tensor, "X M T V C"], swap: Int[Tensor, "V"]) -> Float[Tensor, "X M T V C"]:
    """Half of the clips with left and right joints swapped; as in the authors' code, no coordinate changes its sign."""
    return torch.where(_half(clips), pick(clips, swap), clips)


def shears(count: int, axes: int, like: Tensor) -> Float[Tensor, "X C C"]:
    """`count` matrices with ones on the diagonal and uniform numbers, -0.5 to 0.5, elsewhere."""
    drawn = (2 * torch.rand(count, axes, axes, device=like.device) - 1) * SHEAR
    return torch.where(torch.eye(axes, dtype=torch.bool, device=like.device), 1.0, drawn).to(like.dtype)


def rotations(count: int, axes: int, like: Tensor) -> Float[Tensor, "X C C"]:
    """`count` rotations: 0 to 30 degrees about one of the three axes, 0 to 1 degree about the others.

    CHOICE for an image: 0 to 30 degrees in its plane. One axis has no rotation.
    """
    if axes < 2:
        return torch.ones(count, axes, axes, dtype=like.dtype, device=like.device)
    axis = torch.arange(3, device=like.device)
    main = axis == (torch.randint(3, (count, 1), device=like.device) if axes > 2 else 2)
    most = torch.where(main, MAIN_ANGLE, OTHER_ANGLE if axes > 2 else 0.0)
    # The authors turn clockwise.
    angle = -torch.rand(count, 3, device=like.device) * most * (math.pi / 180)
    return rotation(angle)[:, :axes, :axes].to(like.dtype)


def transform(points: Float[Tensor, "X M T V _ C"], matrix: Float[Tensor, "X C C"]) -> Float[Tensor, "X M T V _ C"]:
    """Every point p of clip x becomes matrix[x] @ p.

    >>> quarter = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
    >>> transform(torch.tensor([2.0, 1.0]).view(1, 1, 1, 1, 1, 2), quarter).flatten().tolist()
    [-1.0, 2.0]
    """
    return (points.flatten(1, -2) @ matrix.mT).view(points.shape)


def add_noise(points: Float[Tensor, "X M T V _ C"]) -> Float[Tensor, "X M T V _ C"]:
    """Half of the clips plus normal noise, 0.01 in the unit of the clips, on every coordinate."""
    return torch.where(_half(points), points + NOISE * torch.randn_like(points), points)


def blur(points: Float[Tensor, "X M T V _ C"]) -> Float[Tensor, "X M T V _ C"]:
    """Half of the clips, smoothed over time by `gaussian_means` with sigma 0.1 to 2 frames."""
    low, high = BLUR_SIGMA
    sigma = low + (high - low) * torch.rand(len(points), device=points.device, dtype=points.dtype)
    means = gaussian_means(points.shape[2], sigma)
    smooth = (means[:, None] @ points.flatten(3)).view(points.shape)
    return torch.where(_half(points), smooth, points)


def gaussian_means(T: int, sigma: Float[Tensor, "X"]) -> Float[Tensor, "X T T"]:
    """Weights of frame s in the mean around frame t: Gaussian with `sigma` frames, at most 7 frames away, sum 1.

    CHOICE: the authors' weights do not sum to 1, so that their blur also makes a body up to five times as large.

    >>> gaussian_means(3, torch.tensor([0.5]))[0, 1].mul(100).round().tolist()
    [11.0, 79.0, 11.0]
    """
    frame = torch.arange(T, device=sigma.device, dtype=sigma.dtype)
    away = frame[:, None] - frame
    weight = torch.exp(-away.square() / (2 * sigma[:, None, None].square()))
    weight = weight.masked_fill(away.abs() > BLUR_RADIUS, 0)
    return weight / weight.sum(-1, keepdim=True)


def mask_axis(points: Float[Tensor, "X M T V _ C"]) -> Float[Tensor, "X M T V _ C"]:
    """Half of the clips with one of their axes set to zero, in all streams."""
    axes = points.shape[-1]
    drawn = torch.randint(axes, (len(points), 1), device=points.device) == torch.arange(axes, device=points.device)
    return points.masked_fill(_half(points) & drawn.view(-1, 1, 1, 1, 1, axes), 0)


def _half(clips: Tensor) -> Tensor:
    """True for each clip with probability 1/2, in the shape (X, 1, ...) of `clips`."""
    return torch.rand(len(clips), device=clips.device).lt(0.5).view(-1, *[1] * (clips.dim() - 1))
