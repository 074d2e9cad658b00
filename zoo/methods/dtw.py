"""Class means aligned with queries by soft dynamic time warping: the "DTW" baseline of DASTM's tables.

Frame cost, gamma and divergence are those of DASTM's code (its option SA 0); the paper names none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.checks import positive, softness
from zoo.methods._method import Method
from zoo.parts.frame_distance import Distance, between_all
from zoo.parts.soft_dtw import alignment, alignment_distance, check_bandwidth


@dataclass(frozen=True)
class Options:
    """`distance` between two frames (all joints and channels in one vector), softness `gamma` of the minimum (0: DTW).

    `divergence`: sequences are at distance zero from themselves. `bandwidth` > 0 aligns only frames that are at most
    that many apart. Scores are divided by `temperature`.
    """

    distance: Distance = "cosine"
    gamma: float = 0.01
    divergence: bool = True
    temperature: float = 1.0
    bandwidth: int = field(default=0, metadata={"before": 0})

    def __post_init__(self) -> None:
        softness(self)
        positive(self, "temperature")
        check_bandwidth(self.bandwidth)


class Model(Method):
    """Minus the soft-DTW distance between a query's map and the mean map of every class."""

    options: Options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Frames are flattened to V*D numbers; the mean over shots is taken frame by frame."""
        distance = alignment_distance(
            query.flatten(3),
            support.mean(2).flatten(3),
            self.options.distance,
            self.options.gamma,
            self.options.divergence,
            self.options.bandwidth,
        )
        return -distance / self.options.temperature

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`frame_distance` (B, Q, N, T', T'): the cost of every query frame against every frame of the class mean;
        `alignment` of the same shape: the share of each of these pairs in the alignment.
        """
        support, query = self.maps(episode)
        cost = between_all(query.flatten(3), support.mean(2).flatten(3), self.options.distance)
        return {"frame_distance": cost, "alignment": alignment(cost, self.options.gamma, self.options.bandwidth)}
