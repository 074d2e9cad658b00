"""SMAM, "lite": self and mutual adaptive matching of joints (one-shot skeleton action recognition).

Only the abstract of the paper was public, and no code. It names a module that turns feature maps into vectors, measures
the similarity of support and query adaptively, and matches features within the query set too. All else is this
project's design, not the paper's:

- Self part: a vector of a clip is the mean of its joints, weighted by an attention that a perceptron learns.
- Mutual part: for every pair of clips, each joint weighs as much as the largest attention that a joint of the OTHER
  clip gives to it; the attention is a softmax over cosines of joints.
- The similarity is the cosine of the two vectors side by side.
- Query-set part: off unless `query_neighbours` is set, since scores are then transductive.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.checks import not_negative, positive
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.frame_distance import at_least_float32, from_products


@dataclass(frozen=True)
class Options:
    """Cosines of joints are divided by `affinity_temperature` before their softmax, those of clips by `temperature`.

    `query_neighbours`: the number of nearest queries of the same episode whose scores are added to those of a query
    with the weight `query_weight`; 0 (none) for the usual, inductive test. Pitfall: above 0 the method is TRANSDUCTIVE.
    A query's scores depend on the other queries that are served with it: on those of its episode, and in a protocol
    with exemplars on the chunk of the test clips that holds it. Do not compare such results with inductive ones.
    """

    affinity_temperature: float = 0.1
    temperature: float = 0.1
    query_neighbours: int = 0
    query_weight: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "affinity_temperature", "temperature", "query_weight")
        not_negative(self, "query_neighbours")

    @property
    def uses_other_queries(self) -> bool:
        """Whether the scores of a query depend on other queries."""
        return self.query_neighbours > 0

    def remarks(self, shot: int, layout: Layout) -> tuple[str, ...]:
        """That scores are transductive, where they are."""
        words = (
            f"smam_lite adds the scores of {self.query_neighbours} other queries: every result is marked transductive"
        )
        return (words,) if self.uses_other_queries else ()


class Model(Method):
    """The cosine of a query and a class by vectors of learnt and of matched joint weights; this project's design.

    CHOICES: joints are averaged over frames, and a class is the mean of its shots' joints; weights of joints add up to
    1 in both parts; the perceptron has one hidden layer of half the width. Maps of one joint leave nothing to weigh:
    the perceptron does not exist, and the score is the cosine of mean maps.
    """

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.attention = _attention(backbone.width) if backbone.map_joints > 1 else None

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """The cosine, divided by the temperature; then the scores of the nearest queries where these count."""
        with torch.autocast(query.device.type, enabled=False):
            classes, asked = class_joints(support), clip_joints(query)
            own_s, own_q = self.self_vectors(classes), self.self_vectors(asked)
            scores = self.similarity(asked, own_q, classes, own_s) / self.options.temperature
            if self.options.query_neighbours:
                near = neighbour_weights(own_q, self.options.query_neighbours)
                scores = scores + self.options.query_weight * near @ scores
        return scores

    def self_weights(self, joints: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch V"]:
        """The learnt weight of every joint, a softmax over the joints."""
        if self.attention is None:
            return torch.ones_like(joints[..., 0])
        return self.attention(joints).squeeze(-1).softmax(-1)

    def self_vectors(self, joints: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch D"]:
        """The weighted mean of the joints."""
        return (self.self_weights(joints).unsqueeze(-2) @ joints).squeeze(-2)

    def similarity(
        self,
        query: Float[Tensor, "B Q V D"],
        own_q: Float[Tensor, "B Q D"],
        support: Float[Tensor, "B N V D"],
        own_s: Float[Tensor, "B N D"],
    ) -> Float[Tensor, "B Q N"]:
        """The cosine of [self, mutual] vectors, from joints and self vectors."""
        weights_q, weights_s = mutual_weights(query, support, self.options.affinity_temperature)
        mutual_q = weights_q @ query
        mutual_s = (weights_s.transpose(1, 2) @ support).transpose(1, 2)
        dot = own_q @ own_s.mT + (mutual_q * mutual_s).sum(-1)
        first = own_q.square().sum(-1).unsqueeze(2) + mutual_q.square().sum(-1)
        second = own_s.square().sum(-1).unsqueeze(1) + mutual_s.square().sum(-1)
        return 1 - from_products(dot, first, second, "cosine")

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`query_joint_weight` and `class_joint_weight` (B, Q, N, V'): the mutual weights of the joints of a query and
        of a class, for every pair of them. `self_weight` (B, Q, V'): the learnt weights of a query's joints.
        """
        support, query = self.maps(episode)
        asked = clip_joints(query)
        weights = mutual_weights(asked, class_joints(support), self.options.affinity_temperature)
        return {
            "query_joint_weight": weights[0],
            "class_joint_weight": weights[1],
            "self_weight": self.self_weights(asked),
        }


def clip_joints(maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch V D"]:
    """The joints of a map, averaged over its frames, in float32 or better."""
    return at_least_float32(maps).mean(-3)


def class_joints(support: Float[Tensor, "B N K T V D"]) -> Float[Tensor, "B N V D"]:
    """The joints of a class, averaged over its shots and their frames."""
    return clip_joints(support).mean(2)


def mutual_weights(
    query: Float[Tensor, "B Q V D"], support: Float[Tensor, "B N V D"], temperature: float
) -> tuple[Float[Tensor, "B Q N V"], Float[Tensor, "B Q N V"]]:
    """How much every joint of a query, and every joint of a class, counts in their comparison.

    With A = softmax(cosine / temperature) over the joints of one clip, a row for each joint of the other, the weights
    are the maxima of A's columns, scaled to the sum 1.

    >>> joints = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> query, support = mutual_weights(joints[None, None], joints[[0, 0]][None, None], temperature=0.01)
    >>> query.round(decimals=2).flatten().tolist(), support.round(decimals=2).flatten().tolist()
    ([1.0, 0.0], [0.5, 0.5])
    """
    first, second = F.normalize(query, dim=-1), F.normalize(support, dim=-1)
    product = first.flatten(1, 2) @ second.flatten(1, 2).mT / temperature
    affinity = product.unflatten(1, query.shape[1:3]).unflatten(3, support.shape[1:3]).transpose(2, 3)
    of_query, of_support = affinity.softmax(-2).amax(-1), affinity.softmax(-1).amax(-2)
    return of_query / of_query.sum(-1, keepdim=True), of_support / of_support.sum(-1, keepdim=True)


def neighbour_weights(vectors: Float[Tensor, "B Q D"], neighbours: int) -> Float[Tensor, "B Q Q"]:
    """The cosine of every query with each of its nearest other queries, divided by their number; 0 for all others.

    An episode of fewer queries has fewer neighbours. Cosines below 0 count as 0.

    >>> vectors = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]])
    >>> neighbour_weights(vectors, 1)[0, :2].tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    queries = vectors.shape[1]
    unit = F.normalize(vectors, dim=-1)
    oneself = torch.eye(queries, dtype=torch.bool, device=vectors.device)
    cosine = (unit @ unit.mT).masked_fill(oneself, 0.0).relu()
    count = min(neighbours, queries - 1)
    if not count:
        return torch.zeros_like(cosine)
    nearest = cosine.topk(count, dim=-1)
    return torch.zeros_like(cosine).scatter(-1, nearest.indices, nearest.values / count)


def _attention(width: int) -> nn.Module:
    """A logit for every joint. The last layer has no bias, which the softmax over joints would cancel."""
    narrow = max(1, width // 2)
    return nn.Sequential(nn.Linear(width, narrow), nn.ReLU(), nn.Linear(narrow, 1, bias=False))
