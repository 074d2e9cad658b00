"""FEAT, few-shot embedding adaptation with a transformer (Ye et al., CVPR 2020), on skeletons.

The prototypes of an episode attend to one another, so that each knows the classes that it is compared with. For
skeletons, CHOICES: a clip is the mean of its map over frames and joints, brought to a fixed length (option `rescale`);
temperatures and weight are those that the paper's code has for ResNet-12. FEAT starts from an encoder that was trained
on all base classes at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import not_negative, positive, share
from zoo.learner import Known, Losses, ParameterGroup, total_of
from zoo.methods._method import Method
from zoo.parts.frame_distance import at_least_float32, frame_distance

EPSILON = 1e-12
"""Added to a mean of squares before its root is taken."""


@dataclass(frozen=True)
class Options:
    """`metric` between a query and an adapted prototype: minus the squared distance, or the product of the query with
    the prototype's direction (`cosine`, as in the paper's code: the query keeps its length).

    Scores are divided by `temperature`, those of the contrastive regulariser by `contrastive_temperature`; it has the
    weight `contrastive_weight` (0: none). The paper's code has for (weight, temperatures): convolutions (1, 64, 16);
    ResNet-12 with one shot (0.01, 64, 64), with five (0.1, 64, 32). `attention_dropout` is for the weights of the
    attention, `dropout` for its output. The attention learns at `attention_lr_multiplier` times the learning rate.

    `rescale` brings pooled vectors to length sqrt(D) first, which adapted prototypes have from their layer norm; the
    paper's code takes them as they are. Vectors much shorter than sqrt(D) are drowned by the attention's output.
    """

    metric: Literal["squared_euclidean", "cosine"] = "squared_euclidean"
    temperature: float = 64.0
    contrastive_temperature: float = 64.0
    contrastive_weight: float = 0.1
    attention_dropout: float = 0.1
    dropout: float = 0.5
    attention_lr_multiplier: float = 10.0
    rescale: bool = True

    def __post_init__(self) -> None:
        positive(self, "temperature", "contrastive_temperature", "attention_lr_multiplier")
        not_negative(self, "contrastive_weight")
        share(self, "attention_dropout", "dropout")


class Model(Method):
    """Distances of queries to prototypes that self-attention over all prototypes has adapted."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.attention = SetAttention(backbone.width, options.attention_dropout, options.dropout)

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Means over frames and joints against the adapted class means."""
        adapted = self.attention(self._vectors(support).mean(2))
        return similarity(self._vectors(query), adapted, self.options.metric) / self.options.temperature

    def losses(self, episode: Episode) -> Losses:
        """Cross-entropy of the scores, and `contrastive`: the centre of each class, made by the same attention
        from all clips of the class, support and query, has to be nearest to these clips.
        """
        support, query = self.maps(episode)
        scores, answer = self.checked_scores(support, query), episode.answer.long()
        parts = {"cross_entropy": F.cross_entropy(scores.flatten(0, 1), answer.flatten())}
        if self.options.contrastive_weight:
            parts["contrastive"] = self.options.contrastive_weight * self._contrastive(support, query, answer)
        accuracy = (scores.detach().argmax(-1) == answer).float().mean()
        return Losses(total_of(parts), parts, accuracy, scores)

    def parameter_groups(self) -> list[ParameterGroup]:
        """The attention at its multiple of the learning rate, and the backbone at the learning rate."""
        own = list(self.attention.parameters())
        rest = [parameter for parameter in self.backbone.parameters() if parameter.requires_grad]
        groups = [ParameterGroup(rest), ParameterGroup(own, self.options.attention_lr_multiplier)]
        return [group for group in groups if group.parameters]

    def adapted(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> tuple[Float[Tensor, "B Q N D"], Float[Tensor, "B Q N D"]]:
        """The vectors of queries, which stay as they are, and the adapted class means, for every pair of them."""
        own, other = self._vectors(query), self.attention(self._vectors(support).mean(2))
        shape = (*own.shape[:2], other.shape[1], own.shape[2])
        return own[:, :, None].expand(shape), other[:, None].expand(shape)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`prototype_attention` (B, Q, N, N): how much each class takes from each other one, the same for all queries.

        `joint_score` (B, Q, N, T', V): what every frame and joint contributes to the score, which is their sum.
        """
        support, query = self.maps(episode)
        prototypes = self._vectors(support).mean(2)
        weights, adapted = self.attention.weights(prototypes, prototypes), self.attention(prototypes)
        if self.options.rescale:
            query = query * to_fixed_length(pooled(query))[..., None, None]
        if self.options.metric == "cosine":
            parts = torch.einsum("bqtvd,bnd->bqntv", query, F.normalize(adapted, dim=-1))
        else:
            gap = query.mean((2, 3))[:, :, None] - adapted[:, None]
            parts = torch.einsum("bqnd,bnd->bqn", gap, adapted)[..., None, None]
            parts = parts - torch.einsum("bqtvd,bqnd->bqntv", query, gap)
        shared = query.shape[2] * query.shape[3] * self.options.temperature
        attention = weights[:, None].expand(-1, query.shape[1], -1, -1)
        return {"prototype_attention": attention, "joint_score": parts / shared}

    def _contrastive(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"], answer: Tensor
    ) -> Float[Tensor, ""]:
        """The cross-entropy of all clips against the centres of the classes; classes may have unequal numbers of clips.

        Every class attends within ALL clips of the episode, those of other classes masked.
        """
        way, shot = support.shape[1:3]
        clips = torch.cat([self._vectors(support).flatten(1, 2), self._vectors(query)], dim=1)
        own = torch.arange(way, device=clips.device).repeat_interleave(shot).expand(len(clips), -1)
        label = torch.cat([own, answer], dim=1)
        member = label[:, :, None] == label[:, None, :]
        adapted = self.attention(clips, member)
        chosen = F.one_hot(label, way).to(adapted.dtype)
        centres = torch.einsum("bxn,bxd->bnd", chosen, adapted) / chosen.sum(1)[..., None]
        scores = similarity(clips, centres, self.options.metric) / self.options.contrastive_temperature
        return F.cross_entropy(scores.flatten(0, 1), label.flatten())

    def _vectors(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch D"]:
        """One vector per clip."""
        vectors = pooled(maps)
        return vectors * to_fixed_length(vectors) if self.options.rescale else vectors


class SetAttention(nn.Module):
    """Self-attention of one head over a set of vectors, with a residual and a layer norm after it.

    Weights and their initialisation are those of the paper's code (`model/models/feat.py`): only the output has a bias.
    """

    def __init__(self, width: int, attention_dropout: float, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.output, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.attention_dropout, self.dropout = nn.Dropout(attention_dropout), nn.Dropout(dropout)
        for layer in (self.query, self.key, self.value):
            nn.init.normal_(layer.weight, std=math.sqrt(1 / width))
        nn.init.xavier_normal_(self.output.weight)

    def forward(
        self, members: Float[Tensor, "B X D"], visible: Bool[Tensor, "B X X"] | None = None
    ) -> Float[Tensor, "B X D"]:
        """The adapted vectors; member i sees member j where `visible[:, i, j]` is True, all others unless given."""
        weights = self.attention_dropout(self.weights(members, members, visible))
        return self.norm(members + self.dropout(self.output(weights @ self.value(members))))

    def weights(
        self,
        asking: Float[Tensor, "B X D"],
        answering: Float[Tensor, "B X D"],
        visible: Bool[Tensor, "B X X"] | None = None,
    ) -> Float[Tensor, "B X X"]:
        """The attention of every vector; rows sum to 1."""
        products = self.query(asking) @ self.key(answering).mT / math.sqrt(asking.shape[-1])
        if visible is not None:
            products = products.masked_fill(~visible, -torch.inf)
        return products.softmax(-1)


def pooled(maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch D"]:
    """The mean over frames and joints, in float32 or better."""
    return at_least_float32(maps).mean((-3, -2))


def to_fixed_length(vectors: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch 1"]:
    """What brings every vector to length sqrt(D); vectors far shorter than 1e-6 stay short.

    >>> to_fixed_length(torch.tensor([[0.0, 2.0, 0.0, 0.0]])).item()
    1.0
    """
    return (vectors.square().mean(-1, keepdim=True) + EPSILON).rsqrt()


def similarity(
    query: Float[Tensor, "B Q D"], prototypes: Float[Tensor, "B N D"], metric: Literal["squared_euclidean", "cosine"]
) -> Float[Tensor, "B Q N"]:
    """Minus the squared distance, or the length of the query along the direction of the prototype.

    >>> query, prototypes = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[2.0, 0.0], [3.0, 3.0]]])
    >>> similarity(query, prototypes, "squared_euclidean").tolist()
    [[[-17.0, -1.0]]]
    >>> similarity(query, prototypes[:, :1], "cosine").tolist()
    [[[3.0]]]
    """
    if metric == "cosine":
        return at_least_float32(query) @ F.normalize(at_least_float32(prototypes), dim=-1).mT
    return -frame_distance(query, prototypes, "squared_frobenius")
