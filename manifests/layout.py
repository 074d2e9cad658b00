"""A layout: which joints a skeleton has, and how they hang together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from manifests.rules import joints_exist, require, unique


@dataclass(frozen=True)
class Layout:
    """V joints and how they hang together; every number is a 0-based joint.

    `bones` are V-1 (child, parent) pairs, a tree below `root`; `parts` share the joints out among body parts;
    `mirror` are (left, right) pairs; `centre` is the joint from which graphs measure hops and `spine` the one that
    preparation recipes subtract. A joint has `coordinates` numbers, in `unit`.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    # A mapping has no hash; leaving it out lets a layout be the key of a cache.
    parts: Mapping[str, tuple[int, ...]] = field(hash=False)
    mirror: tuple[tuple[int, int], ...]
    root: int
    centre: int
    spine: int
    unit: str
    coordinates: int
    title: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        unique("joints", self.joints)
        for key in ("root", "centre", "spine"):
            joints_exist(key, [getattr(self, key)], len(self.joints))
        require(self.coordinates >= 1, f"coordinates is {self.coordinates}; it must be at least 1")
        self._check_tree()
        self._check_parts()
        self._check_mirror()

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
        lost = sorted(set(range(len(self.joints))) - reached)
        require(not lost, f"bones do not join {lost} to the root {self.root}; they must form a tree below it")

    def _check_parts(self) -> None:
        members = [joint for part in self.parts.values() for joint in part]
        joints_exist("parts", members, len(self.joints))
        unique("joints of all parts", members)
        lost = sorted(set(range(len(self.joints))) - set(members))
        require(not lost, f"parts leave out {lost}; every joint belongs to one part")

    def _check_mirror(self) -> None:
        sides = [joint for pair in self.mirror for joint in pair]
        joints_exist("mirror", sides, len(self.joints))
        unique("joints of all mirror pairs", sides)
        image = dict(self.mirror) | {right: left for left, right in self.mirror}
        for child, parent in self.bones:
            seen = (image.get(child, child), image.get(parent, parent))
            require(seen in self.bones, f"mirror turns bone {[child, parent]} into {list(seen)}, which is no bone")
