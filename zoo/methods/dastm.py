"""DASTM (Ma et al., ECCV 2022): rank maximisation of joint features, cross-attention between query and support joints,
soft-DTW matching.

The defaults are the paper's form. Its published code computes something else: distance cosine, activation aligned,
block residual_ln, regulariser surrogate, rank_prototypes true. Its rows "DTW" and DASTM* have activation none and
divergence true (the code's SA 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from zoo.backbones._backbone import Backbone
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.activation import AlignedActivation, PairwiseActivation
from zoo.parts.frame_distance import Distance
from zoo.parts.rank import batch_nuclear_surrogate, normalised_nuclear_norm, nuclear_norm
from zoo.parts.soft_dtw import alignment_distance, soft_dtw

MEASURES = {
    "nuclear": nuclear_norm,
    "nuclear_normalised": normalised_nuclear_norm,
    "surrogate": batch_nuclear_surrogate,
}


@dataclass(frozen=True)
class Options:
    """`distance` between two frames: the paper's norm of the difference, its square, or the code's cosine.

    `activation`: `pairwise` for every pair of frames (the paper's Algorithm 2), `aligned` for frames of the same index
    (the code), or `none`. `block`: `plain` (eq. 4-5) or `residual_ln` with `dropout` (the code; only with `aligned`).
    `regulariser`: the rank measure that is maximised, with weight `rank_weight`. The paper's `nuclear` grows without
    bound with the maps, so a network can lower its loss by scale alone; `nuclear_normalised` divides it by the map's
    norm and is what a recipe should take. `surrogate` is the code's. `rank_prototypes` adds the class means' term to
    the queries' (the code). `gamma` softens the alignment; the paper gives none, this is the code's. `divergence` makes
    the distance of a sequence to itself zero (only with activation `none`: an activated sequence depends on its
    partner).
    """

    distance: Distance = "frobenius"
    activation: Literal["pairwise", "aligned", "none"] = "pairwise"
    block: Literal["plain", "residual_ln"] = "plain"
    regulariser: Literal["nuclear", "nuclear_normalised", "surrogate", "none"] = "nuclear_normalised"
    rank_weight: float = 0.1
    rank_prototypes: bool = False
    gamma: float = 0.01
    divergence: bool = False
    dropout: float = 0.2
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise ValueError(f"gamma is {self.gamma}; it must be 0 (hard DTW) or positive (soft)")
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}; it must be positive")
        if self.block == "residual_ln" and self.activation != "aligned":
            raise ValueError(f"block `residual_ln` needs activation `aligned`, not `{self.activation}`. Take `plain`.")
        if self.divergence and self.activation != "none":
            raise ValueError(f"divergence needs activation `none`, not `{self.activation}`. Set divergence = false.")


class Model(Method):
    """Minus the aligned distance between a query's map and the mean map of every class (eq. 1, 6, 7)."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.activation: PairwiseActivation | AlignedActivation | None = None
        if options.activation == "pairwise":
            self.activation = PairwiseActivation(backbone.width)
        if options.activation == "aligned":
            self.activation = AlignedActivation(backbone.width, options.block == "residual_ln", options.dropout)

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """The mean over shots is taken before activation, frame by frame and joint by joint."""
        options, prototypes = self.options, support.mean(2)
        if self.activation is None:
            frames = query.flatten(3), prototypes.flatten(3)
            distance = alignment_distance(*frames, options.distance, options.gamma, options.divergence)
        else:
            distance = soft_dtw(self.activation(query, prototypes, options.distance), options.gamma)
        return -distance / options.temperature

    def auxiliary_losses(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> dict[str, Tensor]:
        """Minus the mean rank measure of all frames before activation (eq. 3), times its weight."""
        if self.options.regulariser == "none":
            return {}
        rank = MEASURES[self.options.regulariser]
        total = rank(query).mean()
        if self.options.rank_prototypes:
            total = total + rank(support.mean(2)).mean()
        return {"rank": -self.options.rank_weight * total}
