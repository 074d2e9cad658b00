"""Enhanced Neural Graph Matching, "NGM" in DASTM's tables (Ma et al., ECCV 2022, sections 5.2 and 5.4, appendix B).

The original (Guo et al., ECCV 2018) learns the edges of a graph and matches graph tensors. DASTM's authors, for lack of
an official implementation, took the bones as edges, "deeper edge-weight learning layers in ST-GCNs", self-attention
inside each skeleton as the graph tensor, and time alignment by DTW; they published no code of it. Their words leave
open, and CHOICES are here:

- Edge weights are learnt by the backbone: its option `edge_importance`, which the recipe sets.
- The self-attention is the block of DASTM's code with the skeleton as its own partner: Q, K and V from the same joints,
  dropout, a linear map, residual and layer norm; one block for queries and class means.
- The alignment is that of the "DTW" row: cosine frame distance, gamma 0.01, divergence.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, positive, share, softness
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.activation import Side
from zoo.parts.frame_distance import Distance, between_all
from zoo.parts.soft_dtw import alignment, alignment_distance, check_bandwidth


@dataclass(frozen=True)
class Options:
    """`heads` and `dropout` of the self-attention; `heads` must divide the width of the backbone's map.

    `distance` between two frames (all joints and channels in one vector), softness `gamma` of the minimum (0: DTW),
    `divergence`: sequences are at distance zero from themselves, `bandwidth`: frames that are further apart are not
    aligned (0: any are). Scores are divided by `temperature`.
    """

    heads: int = 1
    dropout: float = 0.2
    distance: Distance = "cosine"
    gamma: float = 0.01
    divergence: bool = True
    bandwidth: int = 0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        at_least_one(self, "heads")
        share(self, "dropout")
        softness(self)
        positive(self, "temperature")
        check_bandwidth(self.bandwidth)


class Model(Method):
    """Minus the soft-DTW distance between maps whose joints have attended to the joints of their own skeleton.

    The mean over shots comes before the attention. On maps of one joint only the block's values are left.
    """

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.block = Side(backbone.width, True, options.dropout, options.heads, backbone.map_joints)

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Frames are flattened to V*D numbers after the self-attention."""
        options = self.options
        frames = self.matched(query).flatten(3), self.matched(support.mean(2)).flatten(3)
        distance = alignment_distance(*frames, options.distance, options.gamma, options.divergence, options.bandwidth)
        return -distance / options.temperature

    def matched(self, maps: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q T V D"]:
        """Maps ("graph tensors") in which each joint has attended to the joints of the same frame."""
        pile = maps.flatten(0, 1)[:, None]
        summed = self.block.summed(self.block.queries(pile), self.block.keys(pile), self.block.values(pile))
        return self.block.finish(summed, pile).view(maps.shape)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`frame_distance` (B, Q, N, T', T'), the cost of every query frame against every frame of the class mean;
        `alignment` of the same shape, the share of each of these pairs in the alignment; and on maps of several joints
        `attention` (B, Q, T', V, V) of the query's joints to each other, the mean over heads.
        """
        support, query = self.maps(episode)
        frames = self.matched(query).flatten(3), self.matched(support.mean(2)).flatten(3)
        cost = between_all(*frames, self.options.distance)
        arrays = {"frame_distance": cost, "alignment": alignment(cost, self.options.gamma, self.options.bandwidth)}
        if query.shape[3] > 1:
            pile = query.flatten(0, 1)[:, None]
            tables = self.block.attention(self.block.queries(pile), self.block.keys(pile))
            arrays["attention"] = tables.mean(5)[:, 0, :, 0].unflatten(0, query.shape[:2])
        return arrays
