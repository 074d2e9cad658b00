"""bi-MHM, the bidirectional mean Hausdorff metric of HyRSM (Wang et al., CVPR 2022, section 3.3), alone.

A class is compared with a query as sets of frames: each frame of one with the nearest frame of the other, both ways.
HyRSM's relations between the clips of a task are not part of it. CHOICES: a frame is the vector of all joints and
channels; HyRSM's code adds the least distances up over frames, and ESR-MM's takes means (option `reduction`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.checks import not_negative, positive
from zoo.methods._method import Method
from zoo.parts.set_metric import cosine_costs, mean_hausdorff


@dataclass(frozen=True)
class Options:
    """`reduction` over frames; weight `consistency` of ESR-MM's temporal penalty (theirs: 0.1).

    `shots`: the `distance` to each support is averaged, or the supports' `map` first, frame by frame (HyRSM's code for
    several shots). Scores are divided by `temperature`.
    """

    reduction: Literal["sum", "mean"] = "sum"
    consistency: float = 0.0
    shots: Literal["distance", "map"] = "distance"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        not_negative(self, "consistency")
        positive(self, "temperature")


class Model(Method):
    """Minus the bidirectional mean Hausdorff distance between the frames of a query and those of every class."""

    options: Options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Frames are flattened to V*D numbers and compared by one minus their cosine."""
        distance = mean_hausdorff(self.costs(support, query), self.options.reduction, self.options.consistency)
        return -distance.mean(-1) / self.options.temperature

    def costs(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N _ T L"]:
        """Distances of frames to those of every support, or of the one mean map."""
        if self.options.shots == "map":
            support = support.mean(2, keepdim=True)
        costs = cosine_costs(query.flatten(3), support.flatten(4).flatten(1, 2))
        return costs.unflatten(2, support.shape[1:3])

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`frame_distance` (B, Q, N, K, T', T') of every query frame to every frame of every support (K is 1
        for the mean map); `alignment` of the same shape: 1 where a frame is the nearest of another, 2 where both are.
        """
        cost = self.costs(*self.maps(episode))
        own, other = cost == cost.amin(-1, keepdim=True), cost == cost.amin(-2, keepdim=True)
        return {"frame_distance": cost, "alignment": own.float() + other.float()}
