"""ProtoNet (Snell, Swersky and Zemel, NeurIPS 2017) on skeletons: the nearest class mean.

DASTM and PAINet compare whole maps (T'*V*D numbers, `pooling` flatten), the one-shot tables pooled vectors (mean).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from zoo.methods._method import Method
from zoo.parts.frame_distance import frame_distance


@dataclass(frozen=True)
class Options:
    """`pooling`: compare whole maps or their means over frames and joints.

    Squared distances of whole maps are sums over some 50,000 numbers and the softmax over them is steep;
    `normalise_by_dim` makes them means. Scores are divided by `temperature`.
    """

    pooling: Literal["flatten", "mean"] = "flatten"
    normalise_by_dim: bool = False
    temperature: float = 1.0


class Model(Method):
    """Minus the squared Euclidean distance to the mean of a class's support (eq. 1 and 2)."""

    options: Options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Whole maps or their means over frames and joints, against class means."""
        prototypes = support.mean(2)
        if self.options.pooling == "mean":
            prototypes, query = prototypes.mean((2, 3)), query.mean((2, 3))
        scores = nearest_mean(prototypes.flatten(2), query.flatten(2)) / self.options.temperature
        return scores / prototypes[0, 0].numel() if self.options.normalise_by_dim else scores


def nearest_mean(prototypes: Float[Tensor, "B N D"], query: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q N"]:
    """Minus the squared distance from every query to every class mean.

    >>> import torch
    >>> nearest_mean(torch.tensor([[[1.0, 0.0], [3.0, 4.0]]]), torch.zeros(1, 1, 2)).tolist()
    [[[-1.0, -25.0]]]
    """
    return -frame_distance(query, prototypes, "squared_frobenius")
