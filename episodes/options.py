"""Options of episodes: the size of a task and random augmentation, as recipes name them. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


class EpisodeError(ValueError):
    """Something about pools, tasks or transforms that the user can fix; the text names value, rule and remedy."""


@dataclass(frozen=True)
class Task:
    """One episode's size: `way` classes, `shot` support clips and `queries_per_class` query clips of each.

    `across` "subject" or "camera" takes the support clips from other subjects or cameras than the query clips.
    """

    way: int = 5
    shot: int = 1
    queries_per_class: int = 10
    # "before": runs that are older than the field have the same digest as those that leave it empty.
    across: Literal["", "subject", "camera"] = field(default="", metadata={"before": ""})

    def __post_init__(self) -> None:
        for name, least in (("way", 2), ("shot", 1), ("queries_per_class", 1)):
            if getattr(self, name) < least:
                raise EpisodeError(f"{name} is {getattr(self, name)}: an episode needs at least {least}.")


@dataclass(frozen=True)
class Augment:
    """Random augmentation of a clip in training; the default changes nothing.

    `rotation`: the largest angle in degrees about x, y and z, each drawn uniformly from minus to plus that.
    `scale`: smallest and largest factor. `mirror`: the probability that left and right are swapped, 0..1.
    CTR-GCN's feeders: NTU rotation (17.19, 17.19, 17.19) (0.3 rad); NW-UCLA rotation (60, 60, 0), scale (0.5, 1.5).
    Raises EpisodeError for a value outside its range.
    """

    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    mirror: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= angle <= 180 for angle in self.rotation):
            raise EpisodeError(f"rotation is {self.rotation}: each angle must be 0..180 degrees.")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise EpisodeError(f"scale is {self.scale}: it must be (smallest, largest) with 0 < smallest <= largest.")
        if not 0 <= self.mirror <= 1:
            raise EpisodeError(f"mirror is {self.mirror}: a probability is 0..1.")

    def check(self, coordinates: int) -> None:
        """Raises EpisodeError when clips of `coordinates` dimensions cannot be rotated so."""
        if coordinates < 3 and any(self.rotation[:2]):
            raise EpisodeError(f"rotation is {self.rotation}, but a flat layout turns about z only: use (0, 0, angle).")
