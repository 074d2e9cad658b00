"""Signs of joints in a wrong order, or of exchanged axes: proportions and directions that no body has.

What is a thigh or a head follows from the layout: from its bones, `hips`, `mirror` and `up`, and from names with "knee"
or "head". A rule that a layout does not support is not tested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.layout import Layout

AXES = "xyz"
# The mean lengths of a left and a right bone differ by less than 20 % in every layout of a real dataset.
UNEQUAL = 1.5


def mean_bones(positions: NDArray[np.floating[Any]], layout: Layout) -> NDArray[np.float64]:
    """(E,): the mean length of each bone of positions (R, V, axes), NaN where a joint is missing in all R."""
    child, parent = np.array(layout.bones, np.intp).reshape(-1, 2).T
    lengths = np.linalg.norm(positions[:, child] - positions[:, parent], axis=-1).astype(np.float64)
    count = (~np.isnan(lengths)).sum(axis=0)
    return np.where(count, np.nansum(lengths, axis=0), np.nan) / np.maximum(count, 1)


def head_direction(positions: NDArray[np.floating[Any]], layout: Layout) -> str:
    """The axis along which the head lies from the hips in positions (R, V, axes) on average, for example "+y".

    NaN is a missing joint. "" if the layout has no head, or head or hips are missing throughout.
    """
    head = next((joint for joint, name in enumerate(layout.joints) if name.lower() == "head"), -1)
    hips = positions[:, list(layout.hips)].mean(axis=1)
    if head < 0 or head in layout.hips:
        return ""
    between = positions[:, head] - hips
    between = between[~np.isnan(between).any(axis=-1)]
    if not len(between) or not between.any():
        return ""
    mean = between.mean(axis=0)
    axis = int(np.abs(mean).argmax())
    return ("+" if mean[axis] > 0 else "-") + AXES[axis]


def unlikely_bones(layout: Layout, lengths: NDArray[np.floating[Any]]) -> list[str]:
    """A line for each pair of mean bone lengths (E,) that no body has: a hip bone longer than the thigh below it, and
    a left bone much longer or shorter than the right one.

    >>> from manifests.facts import layout
    >>> lengths = np.ones(19)
    >>> unlikely_bones(layout("kinect20"), lengths)
    []
    >>> lengths[layout("kinect20").bones.index((12, 0))] = 1.2
    >>> unlikely_bones(layout("kinect20"), lengths)
    ['the hip bone `left hip - hip centre` is longer than the thigh `left knee - left hip` (1.2 and 1)']
    """
    named = dict(zip(layout.bones, lengths.tolist(), strict=True))
    return [*_long_hips(layout, named), *_unequal_sides(layout, named)]


def wrong_direction(layout: Layout, clips: Sequence[tuple[str, int]]) -> str:
    """A line if the head lies towards another axis than `up` in most clips, counted by `head_direction`; else "".

    >>> from manifests.facts import layout
    >>> wrong_direction(layout("kinect20"), [("-y", 3), ("+y", 1)])
    'the head lies below the hips in 3 of 4 clips, and kinect20 has y up'
    """
    total = sum(count for _, count in clips)
    direction, count = max(clips, key=lambda entry: entry[1], default=("", 0))
    up = layout.up if layout.up[0] == "-" else f"+{layout.up}"
    if direction == up or 2 * count <= total:
        return ""
    where = "below the hips" if direction[1] == up[1] else f"towards {direction}"
    return f"the head lies {where} in {count:,} of {total:,} clips, and {layout.name} has {layout.up} up"


def _long_hips(layout: Layout, lengths: Mapping[tuple[int, int], float]) -> Iterator[str]:
    parents = dict(layout.bones)
    for knee, hip in layout.bones:
        bone = (hip, parents.get(hip, -1))
        if "knee" in layout.joints[knee].lower() and bone[1] in layout.hips and lengths[bone] > lengths[knee, hip]:
            names = f"the hip bone {_name(layout, bone)} is longer than the thigh {_name(layout, (knee, hip))}"
            yield f"{names} ({lengths[bone]:.3g} and {lengths[knee, hip]:.3g})"


def _unequal_sides(layout: Layout, lengths: Mapping[tuple[int, int], float]) -> Iterator[str]:
    other = dict(layout.mirror)
    for bone in layout.bones:
        right = (other.get(bone[0], bone[0]), other.get(bone[1], bone[1]))
        if right == bone or bone[0] not in other:
            continue
        short, long = sorted((lengths[bone], lengths[right]))
        if long > UNEQUAL * short:
            names = f"{_name(layout, bone)} and {_name(layout, right)} have unequal lengths"
            yield f"{names} ({lengths[bone]:.3g} and {lengths[right]:.3g})"


def _name(layout: Layout, bone: tuple[int, int]) -> str:
    return f"`{layout.joints[bone[0]]} - {layout.joints[bone[1]]}`"
