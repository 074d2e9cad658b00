"""JEANIE, joint temporal and camera viewpoint alignment (Wang and Koniusz, "Temporal-Viewpoint Transportation Plan for
Skeletal Few-shot Action Recognition", ACCV 2022).

Query clips are turned into a grid of views; blocks of a query and of a support clip are aligned by a soft-DTW whose
path may change the view. The facts are those of the authors' code; of the paper, only the abstract was at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from episodes.episode import Episode
from episodes.streams import SCALARS
from zoo.backbones._backbone import Backbone, ShapeError
from zoo.checks import at_least_one, not_negative, positive, softness
from zoo.learner import Known, Losses
from zoo.methods._method import Method
from zoo.parts.soft_dtw import divergence
from zoo.parts.view_alignment import block_distance, monotone_alignment, rotated, rotations, view_alignment


@dataclass(frozen=True)
class Options:
    """Query views are turned by each pair of `views`, angles in degrees about y and x; 0, the clip itself, is one.

    `paths`: the view of a path changes by at most `view_steps` on each axis from step to step (`free`, the recursion of
    the paper), or views and blocks alike never go back (`monotone`, the first published code, which also has
    `divergence`). `gamma` is the softness of the minimum. `normalise_by_length` divides a distance by the product of
    the two numbers of blocks. `loss`: cross-entropy of the scores, or the authors' `similarity`, with its `nearest`
    pairs. Scores are divided by `temperature`.
    """

    views: tuple[float, ...] = (-1.0, 0.0, 1.0)
    paths: Literal["free", "monotone"] = "free"
    view_steps: int = 1
    gamma: float = 0.01
    divergence: bool = False
    normalise_by_length: bool = True
    loss: Literal["cross_entropy", "similarity"] = "cross_entropy"
    nearest: int = 3
    temperature: float = 1.0

    def __post_init__(self) -> None:
        softness(self)
        not_negative(self, "view_steps")
        at_least_one(self, "nearest")
        positive(self, "temperature")
        if 0.0 not in self.views or list(self.views) != sorted(set(self.views)):
            raise ValueError(
                f"views is {self.views}; it must be different angles in increasing order, with 0 among them: "
                "neighbouring views are neighbours in the list, and support clips are not turned"
            )


class Model(Method):
    """Minus the mean distance of a query to the shots of a class, over the best alignment in time and views.

    A map holds the maps of all views side by side as joints, so that each clip is embedded once in evaluation; of a
    support clip, the view that is not turned is used. CHOICES: distances to several shots are averaged (the authors
    have one shot); a block is the vector of all joints and channels, for backbones that keep joints.

    Pitfall: `evaluation.mirror` averages view by view, and a clip that is mirrored and turned by an angle about y is
    the mirror image of the clip turned the other way. With views of a few degrees that hardly matters.
    """

    options: Options
    matrices: Float[Tensor, "R _ _"]

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.register_buffer("matrices", rotations(options.views).float(), persistent=False)
        self.turns = options.views != (0.0,)
        flat = backbone.shape[2] % 3 or (known.layout is not None and known.layout.axes != 3)
        if self.turns and (flat or not set(SCALARS).isdisjoint(known.streams)):
            raise ShapeError(
                f"jeanie turns clips in space, but those of layout `{backbone.layout_name}` have {backbone.shape[2]} "
                f"channels of {', '.join(known.streams)}. Choose a layout with three coordinates and streams with as "
                "many, or set method.options.views = [0.0]."
            )

    def clip_maps(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X _ _ D"]:
        """The maps of all views of every clip, view after view along the joints."""
        if not self.turns:
            return self.backbone(clips)
        views = rotated(clips, self.matrices)
        maps = self.backbone(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return maps.transpose(1, 2).flatten(2, 3)

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Minus the mean distance over shots."""
        return -self.distances(support, query).mean(-1) / self.options.temperature

    def distances(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N K"]:
        """The distance of every query to every support clip."""
        cost, options = self.costs(support, query), self.options
        value = self.aligned(cost.flatten(0, 3)).view(cost.shape[:4])
        if options.divergence:
            of_query = self._to_itself(self.grid(query).flatten(0, 1)).view(query.shape[:2])
            of_support = self._to_itself(self.unturned(support)[..., None, None, :].flatten(0, 2))
            value = divergence(value, of_query[:, :, None, None], of_support.view(support.shape[:3])[:, None])
        return value / (cost.shape[4] * cost.shape[5]) if options.normalise_by_length else value

    def costs(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N K T L R R"]:
        """The distance of every query block in every view to every support block."""
        blocks = self.grid(query)[:, :, :, None]
        shots = self.unturned(support)[:, :, :, None, None, :, None, None]
        # All differences together are D times as large as the costs: one shot at a time, again in the backward pass.
        costs = [remade(blocks, shot) for shot in shots.flatten(1, 2).unbind(1)]
        return torch.stack(costs, dim=2).unflatten(2, support.shape[1:3])

    def grid(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch T R R _"]:
        """The blocks of every view, each as one vector."""
        side = len(self.options.views)
        return maps.unflatten(-2, (side, side, -1)).flatten(-2)

    def unturned(self, maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch T _"]:
        """The blocks of the clips as they are."""
        middle = self.options.views.index(0.0)
        return self.grid(maps)[..., middle, middle, :]

    def aligned(self, cost: Float[Tensor, "X T L *_"]) -> Float[Tensor, "X"]:
        """The cost of the best path, in the reading of `paths`."""
        if self.options.paths == "monotone":
            return monotone_alignment(cost, self.options.gamma)
        return view_alignment(cost, self.options.gamma, self.options.view_steps)

    def _to_itself(self, grid: Float[Tensor, "X T R R D"]) -> Float[Tensor, "X"]:
        """The alignment of clips with themselves, views of both sides included."""
        first, second = grid[:, :, None, :, :, None, None], grid[:, None, :, None, None]
        costs = [remade(*pair) for pair in zip(first.unbind(0), second.unbind(0), strict=True)]
        return self.aligned(torch.stack(costs))

    def losses(self, episode: Episode) -> Losses:
        """Cross-entropy, or the mean of the authors' loss over episodes."""
        if self.options.loss == "cross_entropy":
            return super().losses(episode)
        scores = self.checked_scores(*self.maps(episode))
        loss = similarity_loss(-scores * self.options.temperature, episode.answer, self.options.nearest)
        accuracy = (scores.detach().argmax(-1) == episode.answer).float().mean()
        return Losses(loss, {"similarity": loss}, accuracy, scores)

    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`block_distance` (B, Q, N, K, T', T', R, R): the cost of every query block in every view, turned about y and
        about x, against every support block; `alignment` of the same shape: the share of each in the alignment.
        """
        with torch.no_grad():
            cost = self.costs(*self.maps(episode))
        with torch.enable_grad():
            given = cost.flatten(0, 3).requires_grad_()
            share = torch.autograd.grad(self.aligned(given).sum(), given)[0]
        return {"block_distance": cost, "alignment": share.view_as(cost)}


def remade(first: Tensor, second: Tensor) -> Tensor:
    """`block_distance`, whose differences are not kept for the backward pass but made again."""
    if not torch.is_grad_enabled():
        return block_distance(first, second)
    return checkpoint(block_distance, first, second, use_reentrant=False, preserve_rng_state=False)


def similarity_loss(distance: Float[Tensor, "B Q N"], answer: Int[Tensor, "B Q"], nearest: int) -> Float[Tensor, ""]:
    """The loss of the authors' code, the mean over episodes.

    relu(p - p_min) + relu(n_max - n), where p is the mean distance of pairs of one class and p_min that of the
    `nearest` such pairs; n is the mean distance of pairs of two classes and n_max that of the N * `nearest` farthest.
    p_min and n_max are constants. Fewer pairs than that are all taken.

    >>> distance = torch.tensor([[[1.0, 6.0], [8.0, 3.0]]])
    >>> similarity_loss(distance, torch.tensor([[0, 1]]), nearest=1).item()
    1.0
    """
    N = distance.shape[-1]
    own = F.one_hot(answer.long(), N).bool()
    totals = []
    for values, mine in zip(distance, own, strict=True):
        # As many of each kind in every episode: Q pairs of one class, Q * (N - 1) of two.
        Q = len(values)
        same = values.gather(1, mine.int().argmax(1, keepdim=True)).flatten()
        other = values.masked_fill(mine, 0)
        count = Q * (N - 1)
        lowest = same.detach().topk(min(nearest, Q), largest=False).values.mean()
        highest = values.detach().masked_fill(mine, -torch.inf).flatten().topk(min(N * nearest, count)).values.mean()
        totals.append(F.relu(same.mean() - lowest) + F.relu(highest - other.sum() / count))
    return torch.stack(totals).mean()
