"""The mirror image of clips as a network is given them: that of their joints, made into streams."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from episodes.augment import mirror, swaps
from episodes.recorded import Recorded, present
from episodes.streams import SCALARS, channels
from manifests.layout import Layout


class MirrorError(ValueError):
    """Clips that cannot be mirrored; the text says why."""


def mirrored(
    clips: Float[Tensor, "*batch M T V C"], layout: Layout, streams: tuple[str, ...]
) -> Float[Tensor, "*batch M T V C"]:
    """Left and right joints are swapped and the clip is reflected along x, in each of the `streams` along the channels.

    As if the joints had been mirrored before they became streams (see `episodes.augment.mirror`). Coordinates,
    differences and velocities change the sign of x, so joints should be centred at x = 0. Recorded coordinates are
    reflected at the centre of their clip. Paths and heights stay; speeds change sides. Raises MirrorError for a layout
    without mirror pairs, other joints or channels than those of the streams, and paths, heights or speeds whose mirror
    image needs the joints themselves.
    """
    check_mirror(layout, streams)
    joints, C = clips.shape[-2:]
    expected = channels(streams, layout.coordinates)
    if (joints, C) != (len(layout.joints), expected):
        raise MirrorError(
            f"clips have {joints} joints and {C} channels, but {' and '.join(streams)} of layout {layout.name} have "
            f"{len(layout.joints)} and {expected}. Name the streams of the clips: Known(streams=...)."
        )
    swap = torch.tensor(swaps(layout.mirror, joints), device=clips.device)
    parts = clips.split([channels((name,), layout.coordinates) for name in streams], dim=-1)
    return torch.cat([_stream(part, name, layout, swap) for part, name in zip(parts, streams, strict=True)], dim=-1)


def check_mirror(layout: Layout, streams: tuple[str, ...]) -> None:
    """Raise MirrorError where clips of these streams have no mirror image that follows from the clips alone."""
    if not layout.mirror:
        raise MirrorError(f"Layout {layout.name} has no mirror pairs. Give `mirror` in the layout.")
    of_body = [name for name in streams if name in SCALARS]
    remedy = f"Leave {' and '.join(of_body)} out of data.streams."
    other = swaps(layout.mirror, len(layout.joints))
    if of_body and {other[hip] for hip in layout.hips} != set(layout.hips):
        hips = ", ".join(layout.joints[hip] for hip in layout.hips)
        raise MirrorError(
            f"the hips of layout {layout.name} ({hips}) are not their own mirror image, so the {' and '.join(of_body)} "
            f"of a mirrored body {'is' if len(of_body) == 1 else 'are'} not known. {remedy}"
        )
    if "height" in streams and layout.vertical[0] == 0:
        raise MirrorError(
            f"x of layout {layout.name} is vertical, so a mirrored body is upside down and its height is not known. "
            f"{remedy}"
        )


def _stream(part: Tensor, name: str, layout: Layout, swap: Int[Tensor, "V"]) -> Tensor:
    if name in ("path", "height"):
        return part
    if name == "speed":
        return part[..., swap, :]
    return _recorded(part, layout, swap) if name == "recorded" else mirror(part, swap)


def _recorded(
    joints: Float[Tensor, "*batch M T V C"], layout: Layout, swap: Int[Tensor, "V"]
) -> Float[Tensor, "*batch M T V C"]:
    clips = joints.reshape(-1, *joints.shape[-4:])
    seen = present(clips)[..., None].expand(clips.shape[:-1])
    if layout.scored:
        seen = seen & (clips[..., layout.axes] != 0)
    every = torch.ones(len(clips), dtype=torch.bool, device=clips.device)
    return Recorded(clips, seen, layout).mirrored(swap, every).joints.view(joints.shape)
