"""ProtoNet (Snell, Swersky and Zemel, NeurIPS 2017) on skeletons: the nearest class mean.

DASTM and PAINet compare whole maps (T'*V*D numbers, `pooling` flatten), the one-shot tables pooled vectors (mean).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.checks import positive
from zoo.methods._method import Method
from zoo.parts.frame_distance import EPSILON, at_least_float32, frame_distance


@dataclass(frozen=True)
class Options:
    """`pooling`: compare whole maps or their means over frames and joints. Only whole maps keep the order of frames.

    `metric` between a query and a class mean; for `cosine` the mean is that of unit vectors. Squared Euclidean
    distances of whole maps are sums over some 50,000 numbers and the softmax over them is steep; `normalise_by_dim`
    makes them means. Scores are divided by `temperature`: cosines, which lie between -1 and 1, want about 0.1, means of
    squares about the mean square difference of two maps.
    """

    pooling: Literal["flatten", "mean"] = "flatten"
    metric: Literal["squared_euclidean", "cosine"] = field(
        default="squared_euclidean", metadata={"before": "squared_euclidean"}
    )
    normalise_by_dim: bool = False
    temperature: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "temperature")
        if self.metric == "cosine" and self.normalise_by_dim:
            raise ValueError(
                "normalise_by_dim is for squared_euclidean; a cosine does not grow with the width of a map"
            )


class Model(Method):
    """Minus the squared Euclidean distance to the mean of a class's support (eq. 1 and 2), or the cosine with it."""

    options: Options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Whole maps or their means over frames and joints, against class means."""
        if self.options.metric == "cosine":
            return cosine_to_mean(self._vectors(support), self._vectors(query)) / self.options.temperature
        prototypes = self._vectors(support.mean(2))
        scores = nearest_mean(prototypes, self._vectors(query)) / self.options.temperature
        return scores / prototypes.shape[-1] if self.options.normalise_by_dim else scores

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`joint_score` (B, Q, N, T', V): what every frame and joint contributes to the score, which is their sum.

        A squared distance or a cosine of whole maps is a sum over frames and joints as it stands. With pooling mean it
        is one of the products of a frame's and joint's vector with the pooled one.
        """
        support, query = self.maps(episode)
        if self.options.metric == "cosine":
            parts = self._cosine_parts(support, query)
        else:
            parts = -self._squared_parts(support.mean(2), query)
        if self.options.normalise_by_dim:
            parts = parts / (support.shape[-1] if self.options.pooling == "mean" else support[0, 0, 0].numel())
        return {"joint_score": parts / self.options.temperature}

    def _squared_parts(
        self, prototypes: Float[Tensor, "B N T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N T V"]:
        """The squared distance of every query to every class mean by frame and joint; one class in memory at a time."""
        parts = []
        for prototype in prototypes.unbind(1):
            gap = query - prototype[:, None]
            other = (
                gap.mean((2, 3), keepdim=True) / gap[0, 0, ..., 0].numel() if self.options.pooling == "mean" else gap
            )
            parts.append((gap * other).sum(-1))
        return torch.stack(parts, dim=2)

    def _cosine_parts(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N T V"]:
        """The cosine of every query with every class by frame and joint."""
        direction = F.normalize(F.normalize(self._vectors(support), dim=-1).mean(2), dim=-1)
        query = query / self._vectors(query).norm(dim=-1)[..., None, None, None].clamp(min=EPSILON)
        if self.options.pooling == "mean":
            return torch.einsum("bqtvd,bnd->bqntv", query, direction) / query[0, 0, ..., 0].numel()
        return torch.einsum("bqtvd,bntvd->bqntv", query, direction.unflatten(-1, query.shape[2:]))

    def _vectors(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch _"]:
        """One vector per map: T*V*D numbers, or the mean of T*V."""
        return maps.mean((-3, -2)) if self.options.pooling == "mean" else maps.flatten(-3)


def nearest_mean(prototypes: Float[Tensor, "B N D"], query: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q N"]:
    """Minus the squared distance from every query to every class mean.

    >>> import torch
    >>> nearest_mean(torch.tensor([[[1.0, 0.0], [3.0, 4.0]]]), torch.zeros(1, 1, 2)).tolist()
    [[[-1.0, -25.0]]]
    """
    return -frame_distance(query, prototypes, "squared_frobenius")


def cosine_to_mean(support: Float[Tensor, "B N K D"], query: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q N"]:
    """The cosine of the angle between every query and the mean of a class's unit vectors; 0 where one of them is zero.

    Each of the K shots counts the same, however large its map.

    >>> import torch
    >>> support, query = torch.tensor([[[[2.0, 0.0]], [[30.0, 40.0]]]]), torch.tensor([[[1.0, 0.0]]])
    >>> [round(score, 4) for score in cosine_to_mean(support, query).flatten().tolist()]
    [1.0, 0.6]
    """
    prototypes = F.normalize(at_least_float32(support), dim=-1).mean(2)
    return 1 - frame_distance(query, prototypes, "cosine")
