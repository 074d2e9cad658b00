"""A cache of the support beside the names of the classes: Tip-Adapter (Zhang et al., ECCV 2022) on skeletons.

Nothing is trained in episodes. THE NAMES OF THE NOVEL CLASSES ARE USED: every class has the text vector of its name,
which methods that see clips alone do not have. Vectors of skeletons and of names can be compared only after
representation transfer (zoo/pretrain/transfer.py), whose networks this method takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from zoo.backbones._backbone import Backbone
from zoo.checks import at_least_one, not_negative, positive
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.frame_distance import at_least_float32
from zoo.parts.projector import projector


@dataclass(frozen=True)
class Options:
    """A score is `cache_weight` times the affinity with the support plus `text_weight` times the cosine with the name.

    An affinity is exp(-`beta` (1 - cosine)), summed over the shots of a class; beta 5 and weight 1 as in Tip-Adapter.
    CHOICE: `text_weight` 0.1, where Tip-Adapter has the 100 of CLIP's softmax. CLIP has seen countless names, the
    transfer those of the base classes alone. With the twelve base classes of the demo, 0.1 changes the accuracy by less
    than a point, and 1 costs up to 24 points.
    `hidden`, `width`, `predictor` and `normalise` are those of the transfer whose weights are taken.
    """

    beta: float = 5.0
    cache_weight: float = 1.0
    text_weight: float = 0.1
    hidden: int = 4096
    width: int = 256
    predictor: bool = True
    normalise: bool = True

    def __post_init__(self) -> None:
        positive(self, "beta")
        not_negative(self, "cache_weight", "text_weight")
        at_least_one(self, "hidden", "width")


class Model(Method):
    """Affinities with the support in the backbone's features, and cosines with names in the space of the transfer.

    There, a skeleton is its features after adapter, projector and predictor, and a name its text vector after the
    momentum projector: the two vectors whose cosine the transfer's loss has brought near 1 for base classes. These
    networks keep their weights and the statistics of their batch normalisation; only the backbone can be trained.
    Pitfall: with the transfer's option `teacher` other than "text", the momentum projector has not seen names alone.
    """

    options: Options
    uses_novel_names = True

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        channels = self.class_text.shape[1]
        self.adapter = nn.Linear(backbone.width, channels)
        self.projector = projector(channels, options.hidden, options.width)
        self.predictor: nn.Module = nn.Identity()
        if options.predictor:
            self.predictor = projector(options.width, options.hidden, options.width)
        self.target_projector = projector(channels, options.hidden, options.width)
        for module in self._frozen():
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Model:
        """As for every module, but the transfer's networks stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def score_named(
        self,
        support: Float[Tensor, "B N K T V D"],
        query: Float[Tensor, "B Q T V D"],
        text: Float[Tensor, "B N _"],
    ) -> Float[Tensor, "B Q N"]:
        """The sum of both scores."""
        return self.cache_score(support, query) + self.text_score(query, text)

    def cache_score(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N"]:
        """The weighted affinity with the support, from means over frames and joints."""
        shots, asked = (at_least_float32(maps).mean((-3, -2)) for maps in (support, query))
        return self.options.cache_weight * affinity(shots, asked, self.options.beta)

    def text_score(self, query: Float[Tensor, "B Q T V D"], text: Float[Tensor, "B N _"]) -> Float[Tensor, "B Q N"]:
        """The weighted cosine of every query with the name of every class."""
        features, names = at_least_float32(query).mean((-3, -2)).flatten(0, 1), text.flatten(0, 1)
        names = F.normalize(names, dim=-1) if self.options.normalise else names
        skeleton = self.predictor(self.projector(self.adapter(features))).unflatten(0, query.shape[:2])
        name = self.target_projector(names).unflatten(0, text.shape[:2])
        return self.options.text_weight * (unit(skeleton) @ unit(name).mT)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`cache_score` and `text_score` (B, Q, N), whose sum is the score."""
        support, query = self.maps(episode)
        text = self.text_score(query, self.class_text[episode.class_id])
        return {"cache_score": self.cache_score(support, query), "text_score": text}

    def _frozen(self) -> tuple[nn.Module, ...]:
        return self.adapter, self.projector, self.predictor, self.target_projector


def affinity(support: Float[Tensor, "B N K D"], query: Float[Tensor, "B Q D"], beta: float) -> Float[Tensor, "B Q N"]:
    """exp(-beta (1 - cosine)) of every query with every shot, summed over the shots of a class.

    >>> support, query = torch.tensor([[[[2.0, 0.0], [0.0, 1.0]]]]), torch.tensor([[[3.0, 0.0]]])
    >>> round(affinity(support, query, beta=5.0).item(), 4)
    1.0067
    """
    cosine = torch.einsum("bqd,bnkd->bqnk", unit(query), unit(support))
    return torch.exp(-beta * (1 - cosine)).sum(-1)


def unit(vectors: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch D"]:
    """Vectors of length 1, in float32 or better; zero stays zero.

    >>> unit(torch.tensor([0.0, 2.0])).tolist()
    [0.0, 1.0]
    """
    return F.normalize(at_least_float32(vectors), dim=-1)
