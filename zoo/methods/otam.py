"""OTAM, ordered temporal alignment with a free start and end (Cao et al., CVPR 2020), on skeletons.

The recursion is that of the published re-implementation (HyRSM's repository, class CNN_OTAM): softness 0.1, 0.01 added
to the product of norms in the cosine, a column of zeros before the first and behind the last frame, and no minimum in
the first row. The distance of query to support and that of support to query are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.checks import positive
from zoo.methods._method import Method
from zoo.parts.set_metric import cosine_costs


@dataclass(frozen=True)
class Options:
    """Softness `smoothing` of the minimum (lambda; 0: the minimum itself), `epsilon` of the cosine's denominator.

    Scores are divided by `temperature`. CHOICE: a frame is the vector of all joints and channels.
    """

    smoothing: float = 0.1
    epsilon: float = 0.01
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.smoothing >= 0:
            raise ValueError(f"smoothing is {self.smoothing}; it must be 0 (the minimum) or positive (soft)")
        if not self.epsilon >= 0:
            raise ValueError(f"epsilon is {self.epsilon}; it must be 0 or positive")
        positive(self, "temperature")


class Model(Method):
    """Minus the mean ordered temporal alignment distance between a query and the K supports of every class."""

    options: Options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Frames are flattened to V*D numbers; the mean over shots is taken of the distances."""
        return -self.distance(self.frame_costs(support, query)).mean(-1) / self.options.temperature

    def frame_costs(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N K T L"]:
        """One minus the cosine of all frames, in float32 or better."""
        costs = cosine_costs(query.flatten(3), support.flatten(4).flatten(1, 2), self.options.epsilon)
        return costs.unflatten(2, support.shape[1:3])

    def distance(self, cost: Float[Tensor, "*batch T L"]) -> Float[Tensor, "*batch"]:
        """The alignment of both directions, from costs of frames."""
        smoothing = self.options.smoothing
        return ordered_alignment(cost, smoothing) + ordered_alignment(cost.mT, smoothing)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`frame_distance` (B, Q, N, K, T', T'), the cost of each query frame against each frame of each support, and
        `alignment` of the same shape: how much a pair of frames adds to the distance, the gradient of the distance.
        """
        cost = self.frame_costs(*self.maps(episode))
        with torch.enable_grad():
            given = cost.detach().requires_grad_()
            (share,) = torch.autograd.grad(self.distance(given).sum(), given)
        return {"frame_distance": cost, "alignment": share}


def ordered_alignment(cost: Float[Tensor, "*batch T L"], smoothing: float) -> Float[Tensor, "*batch"]:
    """The cost of the cheapest path through all L frames of one sequence (columns), from any frame of the other (rows)
    to any later one.

    A path goes one column to the right at each step, and stays in its row or goes one down. No cell of an inner column
    depends on another of the same column, so whole columns are computed at once.

    >>> ordered_alignment(torch.tensor([[5.0, 5.0], [0.0, 5.0], [5.0, 0.0], [5.0, 5.0]]), smoothing=0.0).item()
    0.0
    """
    zero = torch.zeros_like(cost[..., 0, 0])
    column = [cost[..., 0, 0]]
    for row in range(1, cost.shape[-2]):
        column.append(cost[..., row, 0] + _soft_minimum([zero, column[-1], zero], smoothing))
    inner = torch.stack(column, dim=-1)
    for place in range(1, cost.shape[-1]):
        least = _soft_minimum([inner[..., :-1], inner[..., 1:]], smoothing)
        inner = cost[..., place] + torch.cat([inner[..., :1], least], dim=-1)
    last = inner[..., 0]
    for row in range(1, cost.shape[-2]):
        last = _soft_minimum([inner[..., row - 1], last, inner[..., row]], smoothing)
    return last


def _soft_minimum(values: list[Tensor], smoothing: float) -> Float[Tensor, "*batch"]:
    stacked = torch.stack(values)
    return -smoothing * (stacked / -smoothing).logsumexp(0) if smoothing > 0 else stacked.min(0).values
