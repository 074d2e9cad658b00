"""Scorers: how the episodes of an evaluation become scores. A clip is embedded once where its tensors are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from episodes.episode import Episode
from episodes.loader import EpisodeLoader
from zoo.engine.maps import MapTable
from zoo.methods._method import Method


@runtime_checkable
class Episodes(Protocol):
    """A list of steps with episodes; episodes.loader.EpisodeLoader is one."""

    def __len__(self) -> int:
        """The number of steps."""

    def at(self, step: int) -> Episode:
        """The episodes of one step."""


@runtime_checkable
class Scorer(Protocol):
    """Scores of the episodes of a loader; `modules` are put into evaluation mode before it is used."""

    @property
    def modules(self) -> Sequence[nn.Module]:
        """The modules that it calls."""

    def scores(self, loader: Episodes, step: int) -> tuple[Float[Tensor, "B Q N"], Int[Tensor, "B Q"]]:
        """The scores and the answers of one step."""


class EpisodeScorer:
    """Every episode is served and given to the model: for loaders and models of any kind."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.modules = (model,)

    def scores(self, loader: Episodes, step: int) -> tuple[Float[Tensor, "B Q N"], Int[Tensor, "B Q"]]:
        """See Scorer."""
        episode = loader.at(step)
        return self.model(episode), episode.answer


class MapScorer:
    """A method's scores from the maps in a table, which are computed once for each clip.

    Where the method takes the mirror image of a support clip as a further shot, supports come from two further tables,
    of the clips as they are and mirrored: a mean of both images would make the two shots equal.
    """

    def __init__(self, table: MapTable) -> None:
        self.table = table
        self.modules = (table.method,)
        self._images = tuple(table.of_one_image(mirrored) for mirrored in (False, True))

    def scores(self, loader: Episodes, step: int) -> tuple[Float[Tensor, "B Q N"], Int[Tensor, "B Q"]]:
        """See Scorer."""
        assert isinstance(loader, EpisodeLoader)
        draw = loader.sampler.at(step)
        if self.table.method.mirrors(draw.support.shape[2]):
            support = torch.cat([table.at(draw.support) for table in self._images], dim=2)
        else:
            support = self.table.at(draw.support)
        return self.table.method.checked_scores(support, self.table.at(draw.query), draw.class_id), draw.answer


class JoinedScorer:
    """The sum of several scorers' scores, each divided by its spread over the base classes.

    For squared Euclidean distances this is the distance of the vectors [f / s(f), g / s(g)] side by side.
    """

    def __init__(self, parts: Sequence[tuple[Scorer, float]]) -> None:
        self.parts = tuple(parts)
        self.modules = tuple(module for part, _ in parts for module in part.modules)

    def scores(self, loader: Episodes, step: int) -> tuple[Float[Tensor, "B Q N"], Int[Tensor, "B Q"]]:
        """See Scorer."""
        scored = [(part.scores(loader, step), spread) for part, spread in self.parts]
        return torch.stack([scores / spread for (scores, _), spread in scored]).sum(0), scored[0][0][1]


def can_use_maps(model: nn.Module, loader: Episodes) -> bool:
    """Whether a model's scores depend on the maps of single clips alone, and the clips' tensors on nothing else."""
    if not (isinstance(model, Method) and isinstance(loader, EpisodeLoader) and loader.transform.deterministic):
        return False
    return all(getattr(type(model), name) is getattr(Method, name) for name in ("forward", "maps", "embed"))


@torch.no_grad()
def spread(scorer: Scorer, loader: Episodes) -> float:
    """The mean over queries of the standard deviation of their scores over the classes; never zero.

    The scorer's modules must be in evaluation mode.
    """
    deviations = [scorer.scores(loader, step)[0].std(-1, correction=0).flatten() for step in range(len(loader))]
    return max(float(torch.cat(deviations).mean()), torch.finfo(torch.float32).tiny)
