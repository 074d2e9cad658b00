"""Layouts of golden numbers that the manifests do not hold."""

from __future__ import annotations

from manifests.facts import layout
from manifests.layout import Layout

OPENPOSE_BONES = ((4, 3), (3, 2), (7, 6), (6, 5), (13, 12), (12, 11), (10, 9), (9, 8), (11, 5), (8, 2), (5, 1), (2, 1))
OPENPOSE_HEAD = ((0, 1), (15, 0), (14, 0), (17, 15), (16, 14))


def skeleton(name: str) -> Layout:
    """`ntu` from the manifests; `openpose`, 18 joints around the neck, from METHODS.md A0."""
    from dataclasses import replace

    ntu = layout("ntu25")
    if name == "ntu":
        return ntu
    joints = tuple(f"joint{index}" for index in range(18))
    return replace(
        ntu,
        name=name,
        joints=joints,
        bones=OPENPOSE_BONES + OPENPOSE_HEAD,
        parts={"body": tuple(range(18))},
        mirror=(),
        root=1,
        centre=1,
        hips=(8, 11),
    )
