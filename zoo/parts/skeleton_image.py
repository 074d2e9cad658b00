"""Skeleton clips as colour images: the two encodings of deep metric learning on skeletons.

`signal_image` is that of Memmesheimer et al., "SL-DML: Signal Level Deep Metric Learning for Multimodal One-Shot Action
Recognition", ICPR 2020; `reshaped_image` that of Memmesheimer et al., "Skeleton-DML: Deep Metric Learning for
Skeleton-Based One-Shot Action Recognition", WACV 2022. For one body with three coordinates both are those of the
authors' code. Further bodies and streams are a CHOICE of this project:

- Bodies are stacked by rows, the one that moves most first, whichever slot of the clip it is in. An absent body has the
  rows of the body that moves most: rows of zeros would look like a pose, and one body alone like another action.
- Channels beyond three, those of further streams, become further rows in groups of three. A missing third channel is 0.
- The values of a group are scaled to 0..1 by their least and their largest in the clip. They are not rounded to the 8
  bits of the files that the authors' code saves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zoo.parts.frame_distance import at_least_float32

COLOURS = 3
EPSILON = 1e-12
"""The least range that values are divided by; a constant clip is black."""


def signal_image(clips: Float[Tensor, "X M T V C"], size: int) -> Float[Tensor, "X _ _ _"]:
    """SL-DML: (X, 3, size, size) with values 0..1. A row is a joint, a column a frame, and x, y, z are the colours.

    >>> walk = torch.tensor([[0.0, 2.0, 4.0], [8.0, 6.0, 4.0]]).view(1, 1, 2, 1, 3)
    >>> image = signal_image(walk, size=2)
    >>> [colour.tolist() for colour in image[0, :, 0]]
    [[0.0, 1.0], [0.25, 0.75], [0.5, 0.5]]
    """
    return resized(joint_rows(clips).permute(0, 3, 1, 2), size)


def reshaped_image(clips: Float[Tensor, "X M T V C"], size: int) -> Float[Tensor, "X _ _ _"]:
    """Skeleton-DML: (X, 3, size, size) with values 0..1. A row is a joint: all of its x, then all y, then all z.

    These 3 T numbers are cut into pixels of three, so that the colours of a pixel in the first third of a row are x in
    three successive frames.

    >>> walk = torch.arange(9.0).view(1, 1, 3, 1, 3)
    >>> (8 * reshaped_image(walk, size=3))[0, :, 0].T.tolist()
    [[0.0, 3.0, 6.0], [1.0, 4.0, 7.0], [2.0, 5.0, 8.0]]
    """
    rows = joint_rows(clips)
    pixels = rows.transpose(2, 3).reshape(rows.shape)
    return resized(pixels.permute(0, 3, 1, 2), size)


ENCODINGS = {"sl_dml": signal_image, "skeleton_dml": reshaped_image}


def joint_rows(clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X _ T _"]:
    """(X, bodies * groups * joints, T, 3): the scaled coordinates of every joint of every body."""
    groups = [scaled(group) for group in ordered_bodies(at_least_float32(clips)).split(COLOURS, dim=-1)]
    coloured = [F.pad(group, (0, COLOURS - group.shape[-1])) for group in groups]
    return torch.stack(coloured, dim=2).transpose(3, 4).flatten(1, 3)


def scaled(clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X M T V C"]:
    """The values of each clip, from 0 for its least to 1 for its largest one.

    >>> scaled(torch.tensor([2.0, 3.0, 6.0]).view(1, 1, 1, 1, 3)).flatten().tolist()
    [0.0, 0.25, 1.0]
    """
    every = tuple(range(1, clips.dim()))
    low, high = clips.amin(every, keepdim=True), clips.amax(every, keepdim=True)
    return (clips - low) / (high - low).clamp(min=EPSILON)


def ordered_bodies(clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X M T V C"]:
    """Bodies by the sum of their joints' steps, the largest first; absent bodies become copies of the first one.

    Bodies of equal sums keep their order. A clip without any body stays zero.

    >>> still, moving = torch.tensor([1.0, 1.0]), torch.tensor([2.0, 5.0])
    >>> ordered_bodies(torch.stack([0 * still, still, moving]).view(1, 3, 2, 1, 1)).flatten(1).tolist()
    [[2.0, 5.0, 1.0, 1.0, 2.0, 5.0]]
    """
    present = clips.ne(0).flatten(2).any(-1)
    motion = clips.detach().diff(dim=2).abs().flatten(2).sum(-1)
    order = motion.masked_fill(~present, -1).argsort(dim=1, descending=True, stable=True)
    bodies = clips[torch.arange(len(clips), device=clips.device)[:, None], order]
    return torch.where(present.gather(1, order)[..., None, None, None], bodies, bodies[:, :1])


def resized(images: Float[Tensor, "X C _ _"], size: int) -> Float[Tensor, "X C _ _"]:
    """Bilinear, (X, C, size, size); where an image shrinks, all of its pixels count, as in Pillow."""
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)
