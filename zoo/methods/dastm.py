"""DASTM (Ma et al., ECCV 2022): rank maximisation of joint features, cross-attention between query and support joints,
soft-DTW matching.

The defaults are the paper's form. Its published code computes something else: distance cosine, activation aligned,
block residual_ln, regulariser surrogate, rank_prototypes true. Its rows "DTW" and DASTM* have activation none and
divergence true (the code's SA 0).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, positive, softness
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.activation import AlignedActivation, PairwiseActivation
from zoo.parts.frame_distance import Distance, between_all
from zoo.parts.rank import batch_nuclear_surrogate, frobenius_per_frame, normalised_nuclear_norm, nuclear_norm
from zoo.parts.soft_dtw import alignment, alignment_distance, check_bandwidth, soft_dtw

# Each of maps (B, clips, T, V, D), any number of values: their mean is the regulariser's.
MEASURES = {
    "nuclear": nuclear_norm,
    "nuclear_normalised": normalised_nuclear_norm,
    "surrogate": batch_nuclear_surrogate,
    "frobenius": lambda maps: frobenius_per_frame(maps.flatten(1, 2)),
}


@dataclass(frozen=True)
class Options:
    """`distance` between two frames: the paper's norm of the difference, its square, or the code's cosine.

    `activation`: `pairwise` for every pair of frames (the paper's Algorithm 2), `aligned` for frames of the same index
    (the code), or `none`. `block`: `plain` (eq. 4-5) or `residual_ln` with `dropout` and `heads` (the code, where
    `heads` is 1; only with `aligned`). `heads` must divide the width of the backbone's map.
    `regulariser`: the rank measure that is maximised, with weight `rank_weight`. The paper's `nuclear` grows without
    bound with the maps, so a network can lower its loss by scale alone; `nuclear_normalised` divides it by the map's
    norm and is what a recipe should take. `surrogate` is the code's, `frobenius` that of ESR-MM's code (with weight
    5e-4), which has no bound either. `rank_prototypes` adds the class means' term to the queries' (the code). `gamma`
    softens the alignment; the paper gives none, this is the code's. `bandwidth` > 0 aligns only frames that are at most
    that many apart. `divergence` makes the distance of a sequence to itself zero (only with activation `none`: an
    activated sequence depends on its partner).

    On maps of one joint (backbones that pool joints) every attention is 1 and every rank is 1: of an activation only
    the values are left, and `nuclear_normalised` is a constant.
    """

    distance: Distance = "frobenius"
    activation: Literal["pairwise", "aligned", "none"] = "pairwise"
    block: Literal["plain", "residual_ln"] = "plain"
    regulariser: Literal["nuclear", "nuclear_normalised", "surrogate", "frobenius", "none"] = "nuclear_normalised"
    rank_weight: float = 0.1
    rank_prototypes: bool = False
    gamma: float = 0.01
    divergence: bool = False
    dropout: float = 0.2
    temperature: float = 1.0
    heads: int = field(default=1, metadata={"before": 1})
    bandwidth: int = field(default=0, metadata={"before": 0})

    def __post_init__(self) -> None:
        softness(self)
        positive(self, "temperature")
        if self.block == "residual_ln" and self.activation != "aligned":
            raise ValueError(f"block `residual_ln` needs activation `aligned`, not `{self.activation}`. Take `plain`.")
        at_least_one(self, "heads")
        if self.heads > 1 and self.block != "residual_ln":
            raise ValueError(
                f"heads is {self.heads}, which needs block `residual_ln`, not `{self.block}`. Set heads = 1."
            )
        check_bandwidth(self.bandwidth)
        if self.divergence and self.activation != "none":
            raise ValueError(f"divergence needs activation `none`, not `{self.activation}`. Set divergence = false.")


class Model(Method):
    """Minus the aligned distance between a query's map and the mean map of every class (eq. 1, 6, 7)."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.activation: PairwiseActivation | AlignedActivation | None = None
        joints = backbone.map_joints
        if options.activation == "pairwise":
            self.activation = PairwiseActivation(backbone.width, joints)
        if options.activation == "aligned":
            residual = options.block == "residual_ln"
            self.activation = AlignedActivation(backbone.width, residual, options.dropout, options.heads, joints)

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """The mean over shots is taken before activation, frame by frame and joint by joint."""
        options, prototypes = self.options, support.mean(2)
        if self.activation is None:
            frames = query.flatten(3), prototypes.flatten(3)
            gamma, bandwidth = options.gamma, options.bandwidth
            distance = alignment_distance(*frames, options.distance, gamma, options.divergence, bandwidth)
        else:
            cost = self.activation(query, prototypes, options.distance)
            distance = soft_dtw(cost, options.gamma, options.bandwidth)
        return -distance / options.temperature

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`frame_distance` (B, Q, N, T', T'), the cost of every query frame against every frame of the class mean;
        `alignment` of the same shape, the share of each of these pairs in the alignment; and, with an activation and on
        maps of several joints, `attention` (B, Q, N, T', V, V) of the query's joints to the class's (eq. 4): frame by
        frame for `aligned` (the mean over heads), and for `pairwise` the mean over the frames of the class, weighted by
        the alignment.
        """
        support, query = self.maps(episode)
        prototypes = support.mean(2)
        if self.activation is None:
            cost = between_all(query.flatten(3), prototypes.flatten(3), self.options.distance)
        else:
            cost = self.activation(query, prototypes, self.options.distance)
        share = alignment(cost, self.options.gamma, self.options.bandwidth)
        arrays = {"frame_distance": cost, "alignment": share}
        if self.activation is not None and query.shape[3] > 1:
            arrays["attention"] = self.activation.attention(query, prototypes, share)
        return arrays

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
