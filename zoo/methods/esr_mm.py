"""ESR-MM, enriched skeletons and multi-relational metrics, as its published code computes it (jinjinggu00/ESR-MM).

A follow-up of DASTM ("Leveraging Enriched Skeleton Representation with Multi-relational Metrics for Few-shot Action
Recognition"), whose paper was not at hand.

Every clip of an episode, queries and supports, attends frame by frame to every SUPPORT clip: its joints take the values
of the support's joints, with residual and layer norm, and the results are averaged over all supports. Class means over
shots are then compared with queries by the bidirectional mean Hausdorff metric on cosine frames, with a penalty on
temporal inconsistency, and a query's distances are scaled to 0..1. CHOICES and what is left out:

- The rank regulariser is minus the norm of ALL singular values together, which is the Frobenius norm of the maps, so
  no singular value is computed.
- Their contrast leaves the first query of the next class out of each class's "other" queries, by an index that is one
  too far; here all of them count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import not_negative, positive, share
from zoo.learner import Known, Losses, total_of
from zoo.methods._method import Method
from zoo.parts.activation import Side, in_chunks
from zoo.parts.frame_distance import at_least_float32
from zoo.parts.set_metric import cosine_costs, mean_hausdorff, scaled_per_query


@dataclass(frozen=True)
class Options:
    """`attention`: clips attend to supports, with `dropout` on the attention and its output.

    `reduction` of the Hausdorff metric over frames and weight `consistency` of its penalty; `scaled`: a query's
    distances are scaled to 0..1. `norm_weight` of the regulariser and `contrast_weight` of the contrast, each 0 to
    leave it out. Scores are divided by `temperature`.
    """

    attention: bool = True
    dropout: float = 0.2
    reduction: Literal["mean", "sum"] = "mean"
    consistency: float = 0.1
    scaled: bool = True
    norm_weight: float = 0.0005
    contrast_weight: float = 0.003
    temperature: float = 1.0

    def __post_init__(self) -> None:
        share(self, "dropout")
        not_negative(self, "consistency", "norm_weight", "contrast_weight")
        positive(self, "temperature")


class Model(Method):
    """Minus the Hausdorff distance between a query and every class mean, both enriched by the supports' joints."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        joints = backbone.map_joints
        self.block = Side(backbone.width, True, options.dropout, joints=joints) if options.attention else None

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Frames are flattened to V*D numbers after the attention."""
        return -self.distance(*self.enriched(support, query)) / self.options.temperature

    def enriched(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> tuple[Float[Tensor, "B N T V D"], Float[Tensor, "B Q T V D"]]:
        """Class means and queries whose joints have attended to those of all supports."""
        clips = torch.cat([support.flatten(1, 2), query], dim=1)
        if self.block is not None:
            clips = self.attended(self.block, clips, support.flatten(1, 2))
        count = support.shape[1] * support.shape[2]
        return clips[:, :count].unflatten(1, support.shape[1:3]).mean(2), clips[:, count:]

    def attended(
        self, block: Side, clips: Float[Tensor, "B X T V D"], support: Float[Tensor, "B N T V D"]
    ) -> Float[Tensor, "B X T V D"]:
        """The mean over supports of what the block makes of a clip and the support's frame of the same index."""

        def mean(own: Tensor, maps: Tensor, other: Tensor, values: Tensor) -> Tensor:
            attention = block.dropout(block.attention(own, other)).squeeze(5)
            return block.finish(attention @ values.transpose(1, 2)[:, None], maps).mean(3)

        # As in DASTM's aligned activation: V x V numbers for each pair of frames, and V x D.
        pairs = 8 * support.shape[1] * support.shape[2]
        random = self.training and block.dropout.p > 0
        own, other = (block.queries(clips), clips), (block.keys(support), block.values(support))
        return in_chunks(mean, own, other, pairs, random)

    def distance(self, support: Float[Tensor, "B N T V D"], query: Float[Tensor, "B Q T V D"]) -> Tensor:
        """Distances (B, Q, N) of queries to class means, in float32 or better."""
        cost = cosine_costs(query.flatten(3), support.flatten(3))
        distance = mean_hausdorff(cost, self.options.reduction, self.options.consistency)
        return scaled_per_query(distance) if self.options.scaled else distance

    def losses(self, episode: Episode) -> Losses:
        """Cross-entropy, and where their weights are not 0 the regulariser (`norm`) and the `contrast`."""
        support, query = self.enriched(*self.maps(episode))
        distance = self.distance(support, query)
        scores = -distance / self.options.temperature
        parts = {"cross_entropy": F.cross_entropy(scores.flatten(0, 1), episode.answer.flatten().long())}
        if self.options.norm_weight:
            parts["norm"] = -self.options.norm_weight * (frame_norm(support) + frame_norm(query))
        if self.options.contrast_weight:
            parts["contrast"] = self.options.contrast_weight * contrast(distance, episode.answer)
        accuracy = (scores.detach().argmax(-1) == episode.answer).float().mean()
        return Losses(total_of(parts), parts, accuracy, scores)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`frame_distance` (B, Q, N, T', T') of every query frame to every frame of the class mean; and with
        `attention` on maps of several joints `attention` (B, Q, N, T', V, V) of a query's joints to those of a class's
        clips, the mean over its K clips.
        """
        support, query = self.maps(episode)
        means, enriched = self.enriched(support, query)
        arrays = {"frame_distance": cosine_costs(enriched.flatten(3), means.flatten(3))}
        block = self.block
        if block is not None and query.shape[3] > 1:
            own, other = block.queries(query), block.keys(support.flatten(1, 2))

            def mean(own: Tensor, other: Tensor) -> Tensor:
                return block.attention(own, other).squeeze(5).unflatten(3, support.shape[1:3]).mean(4).transpose(2, 3)

            arrays["attention"] = in_chunks(mean, (own,), (other,), other.shape[1] * other.shape[2])
        return arrays


def frame_norm(maps: Float[Tensor, "B X T V D"]) -> Float[Tensor, ""]:
    """The Frobenius norm of all maps of an episode divided by the number of frames; the mean over episodes.

    >>> frame_norm(torch.ones(1, 2, 2, 2, 2)).item()  # root(16) / 4
    1.0
    """
    norm = torch.linalg.vector_norm(at_least_float32(maps).flatten(1), dim=1)
    return (norm / (maps.shape[1] * maps.shape[2])).mean()


def contrast(distance: Float[Tensor, "B Q N"], answer: Int[Tensor, "B Q"]) -> Float[Tensor, ""]:
    """The mean over classes of the log of how far its own queries are, relative to all other queries.

    Sums of distances are compared. Classes without a query in an episode do not count.

    >>> distance = torch.tensor([[[1.0, 4.0], [1.0, 2.0]]])
    >>> round(contrast(distance, torch.tensor([[0, 1]])).item(), 4)  # (log(1 / 1) + log(2 / 4)) / 2
    -0.3466
    """
    own = answer.unsqueeze(-1) == torch.arange(distance.shape[-1], device=distance.device)
    near, far = (distance * own).sum(1), (distance * ~own).sum(1)
    present = own.any(1)
    tiny = torch.finfo(distance.dtype).tiny
    ratio = near.clamp(min=tiny).log() - (far + 1e-6).log()
    return (ratio * present).sum() / present.sum()
