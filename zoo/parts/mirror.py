"""The mirror image of clips as a network is given them, on top of `episodes.augment.mirror`."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.augment import mirror, swaps
from manifests.layout import Layout


class MirrorError(ValueError):
    """Clips that cannot be mirrored; the text says why."""


def mirrored(clips: Float[Tensor, "*batch M T V C"], layout: Layout) -> Float[Tensor, "*batch M T V C"]:
    """Left and right joints are swapped and x changes its sign, in each of the streams along the channels.

    Pitfall: every stream must have the coordinates of the layout (joint, bone, velocity, bone_velocity), and be
    centred at x = 0. Raises MirrorError where the layout has no mirror pairs, and for other numbers of channels.
    """
    if not layout.mirror:
        raise MirrorError(f"Layout {layout.name} has no mirror pairs. Give `mirror` in the layout.")
    joints, channels = clips.shape[-2:]
    if joints != len(layout.joints) or channels % layout.coordinates:
        raise MirrorError(
            f"clips have {joints} joints and {channels} channels, but a stream of layout {layout.name} has "
            f"{len(layout.joints)} and {layout.coordinates}. Take streams of coordinates, such as joint and bone."
        )
    swap = torch.tensor(swaps(layout.mirror, joints), device=clips.device)
    return torch.cat([mirror(stream, swap) for stream in clips.split(layout.coordinates, -1)], dim=-1)
