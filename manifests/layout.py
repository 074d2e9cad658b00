"""A layout: the joints and bones of a skeleton."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from manifests.rules import joints_exist, require, unique

IMAGE_UNITS = ("image", "pixel", "pixels")


@dataclass(frozen=True)
class Layout:
    """V joints and the bones between them; joints are numbered from 0.

    bones: V-1 pairs (child, parent), a tree below `root`.
    parts: body parts; every joint belongs to one.
    mirror: pairs (left, right).
    centre: the joint from which graphs count hops.
    spine: the joint that the pipelines of papers subtract.
    hips: the joints whose mean is the middle of the hips, the position of a body.
    up: the direction of up in recorded coordinates: "y", "z" or "x", with a minus where the axis points down.
    coordinates: how many numbers a joint has, in `unit`. In an image they are x, y and then, if there is a third, the
        detector's score.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    # A mapping has no hash; without it, a layout can be the key of a cache.
    parts: Mapping[str, tuple[int, ...]] = field(hash=False)
    mirror: tuple[tuple[int, int], ...]
    root: int
    centre: int
    spine: int
    hips: tuple[int, ...]
    up: Literal["x", "-x", "y", "-y", "z", "-z"]
    unit: str
    coordinates: int
    title: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        unique("joints", self.joints)
        for key in ("root", "centre", "spine"):
            joints_exist(key, [getattr(self, key)], len(self.joints))
        require(self.coordinates >= 1, f"coordinates is {self.coordinates}; it must be at least 1")
        self._check_body()
        self._check_tree()
        self._check_parts()
        self._check_mirror()

    @property
    def is_image(self) -> bool:
        """Whether joints are image coordinates rather than positions in space."""
        return self.unit in IMAGE_UNITS

    @property
    def axes(self) -> int:
        """How many of a joint's numbers are coordinates: two in an image, else at most three."""
        return min(2 if self.is_image else 3, self.coordinates)

    @property
    def scored(self) -> bool:
        """Whether the number after the coordinates is a detector's score, 0 for an undetected joint."""
        return self.is_image and self.coordinates > self.axes

    @property
    def vertical(self) -> tuple[int, int]:
        """The index of the vertical axis, and 1 where it points up or -1 where it points down."""
        return "xyz".index(self.up[-1]), -1 if self.up[0] == "-" else 1

    def _check_body(self) -> None:
        require(len(self.hips) > 0, "hips is empty; name at least one joint")
        joints_exist("hips", self.hips, len(self.joints))
        unique("hips", self.hips)
        axis, _ = self.vertical
        require(axis < self.axes, f"up is `{self.up}`; a joint has {self.axes} coordinates")

    def _check_tree(self) -> None:
        joints_exist("bones", [joint for bone in self.bones for joint in bone], len(self.joints))
        require(
            len(self.bones) == len(self.joints) - 1,
            f"{len(self.bones)} bones for {len(self.joints)} joints; a tree has one fewer than joints",
        )
        unique("children of bones", [child for child, _ in self.bones])
        reached = {self.root}
        for _ in self.bones:
            reached |= {child for child, parent in self.bones if parent in reached}
        unreached = sorted(set(range(len(self.joints))) - reached)
        rule = f"bones do not join {unreached} to the root {self.root}; they must form a tree below it"
        require(not unreached, rule)

    def _check_parts(self) -> None:
        members = [joint for part in self.parts.values() for joint in part]
        joints_exist("parts", members, len(self.joints))
        unique("joints of all parts", members)
        missing = sorted(set(range(len(self.joints))) - set(members))
        require(not missing, f"parts leave out {missing}; every joint belongs to one part")

    def _check_mirror(self) -> None:
        sides = [joint for pair in self.mirror for joint in pair]
        joints_exist("mirror", sides, len(self.joints))
        unique("joints of all mirror pairs", sides)
        other_side = dict(self.mirror) | {right: left for left, right in self.mirror}
        for child, parent in self.bones:
            mirrored = (other_side.get(child, child), other_side.get(parent, parent))
            rule = f"mirror turns bone {[child, parent]} into {list(mirrored)}, which is no bone"
            require(mirrored in self.bones, rule)
