"""What every method promises: an episode in, scores out, bigger is better; in training, a loss with named parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode


@dataclass(frozen=True)
class Losses:
    """One training step's numbers: `total` is the sum of `parts`, which carry their weights already."""

    total: Float[Tensor, ""]
    parts: dict[str, Tensor]
    scores: Float[Tensor, "B Q N"]


class Method(nn.Module):
    """A backbone and a way to compare its feature maps. A subclass writes `score` and, if it likes, `auxiliary_losses`.

    Maps are (T', V, D): what the backbone makes of one clip. Row n of `support` is class n throughout.
    """

    def __init__(self, backbone: nn.Module, options: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.options = options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """How well every query fits every class, from their maps."""
        raise TypeError(f"{type(self).__module__} is a method without `score`; write that method.")

    def auxiliary_losses(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> dict[str, Tensor]:
        """Further terms of the loss by name, each a scalar with its weight in it. None unless a subclass says so."""
        return {}

    def embed(self, clips: Float[Tensor, "*batch M T V C"]) -> Float[Tensor, "*batch _ V D"]:
        """The feature map of every clip; leading axes are the caller's."""
        batch = clips.shape[:-4]
        return self.backbone(clips.flatten(0, len(batch) - 1)).unflatten(0, batch)

    def maps(self, episode: Episode) -> tuple[Float[Tensor, "B N K T V D"], Float[Tensor, "B Q T V D"]]:
        """Support and query maps from ONE pass, so that batch normalisation sees an episode as its authors let it."""
        support = episode.support.flatten(1, 2)
        maps = self.embed(torch.cat([support, episode.query], dim=1))
        return maps[:, : support.shape[1]].unflatten(1, episode.support.shape[1:3]), maps[:, support.shape[1] :]

    def forward(self, episode: Episode) -> Float[Tensor, "B Q N"]:
        """Scores of every query for every class, bigger is better."""
        return self.score(*self.maps(episode))

    def losses(self, episode: Episode) -> Losses:
        """Cross entropy of the scores, and the auxiliary_losses."""
        support, query = self.maps(episode)
        scores = self.score(support, query)
        match = F.cross_entropy(scores.flatten(0, 1), episode.answer.flatten().long())
        parts = {"match": match} | self.auxiliary_losses(support, query)
        return Losses(total=torch.stack(list(parts.values())).sum(), parts=parts, scores=scores)
