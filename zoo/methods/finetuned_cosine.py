"""Cosine classifier, fine-tuned on the support set at test time.

Also known as Baseline++ (Chen et al., ICLR 2019); the cross-modal paper's section IV-C (eq. 3-4) adds the entropy of
the predictions. In training it is a cosine nearest-mean classifier, its section V-B. The two classifiers that the paper
compares it with (Table XI, which its text calls XII) take its place at test time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.checks import not_negative, positive
from zoo.methods._method import Method

EPSILON = 1e-12
"""The least norm that a vector is divided by, as in torch's `normalize`."""


@dataclass(frozen=True)
class Options:
    """`scale` multiplies the cosines before the softmax (the paper's text has 1, Meta-Baseline 10).

    `fine_tuning_steps` full-batch steps of SGD at `fine_tuning_lr` with `momentum` on cross-entropy plus
    `entropy_weight` times the entropy; the step count and rate are the paper's, the optimiser is not named there.
    `classifier` answers at test time: "cosine"; "linear", W x + b, which is fine-tuned likewise (CHOICE: it starts from
    class means and zeros too); or "nearest", the Euclidean distance to class means, where nothing is fine-tuned.
    """

    scale: float = 10.0
    fine_tuning_steps: int = 20
    fine_tuning_lr: float = 5e-4
    momentum: float = 0.9
    entropy_weight: float = 1.0
    classifier: Literal["cosine", "linear", "nearest"] = field(default="cosine", metadata={"before": "cosine"})

    def __post_init__(self) -> None:
        positive(self, "scale", "fine_tuning_lr")
        not_negative(self, "fine_tuning_steps", "momentum", "entropy_weight")


class Model(Method):
    """Class weights start as class means of pooled features. Pitfall: with one shot the loss starts near its optimum,
    so that fine-tuning hardly changes the answers of the nearest mean."""

    options: Options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Scaled cosines with the class weights; these are fine-tuned, or of another classifier, in evaluation mode
        only."""
        weight, bias = self.classifier(support)
        return scorer(self.options, self.training)(weight, bias, query.mean((2, 3)).float())

    def classifier(self, support: Float[Tensor, "B N K T V D"]) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N"]]:
        """Weights and biases: class means and zeros, in evaluation mode fine-tuned. The nearest mean m has the weights
        2 m and the bias -m.m, so that its score is minus the squared distance, less what all classes share."""
        shots = support.mean((3, 4)).float()
        if self.training:
            return shots.mean(2), torch.zeros(shots.shape[:2], device=shots.device)
        if self.options.classifier == "nearest":
            means = shots.mean(2)
            return 2 * means, -means.square().sum(-1)
        with torch.autocast(shots.device.type, enabled=False):
            return fine_tuned(shots, self.options)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`joint_score` (B, Q, N, T', V): what every frame and joint contributes to the score; their sum is the score
        less the class's bias (`scale` times it for cosines).
        """
        support, query = self.maps(episode)
        weight, _ = self.classifier(support)
        query = query.float() / query[0, 0, ..., 0].numel()
        if self.options.classifier == "cosine" or self.training:
            query = query / query.sum((2, 3), keepdim=True).norm(dim=-1, keepdim=True).clamp(min=EPSILON)
            weight = self.options.scale * F.normalize(weight, dim=-1)
        return {"joint_score": torch.einsum("bqtvd,bnd->bqntv", query, weight)}


def fine_tuned(
    shots: Float[Tensor, "B N K D"], options: Options
) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N"]]:
    """Weights and biases of the classifier after fine-tuning on the support, each episode for itself."""
    B, N, K, _ = shots.shape
    fixed = shots.detach().flatten(1, 2)
    label = torch.arange(N, device=shots.device).repeat_interleave(K).repeat(B)
    with torch.enable_grad():
        weight = shots.detach().mean(2).requires_grad_()
        bias = torch.zeros(B, N, device=shots.device, requires_grad=True)
        optimiser = torch.optim.SGD([weight, bias], options.fine_tuning_lr, momentum=options.momentum)
        for _ in range(options.fine_tuning_steps):
            scores = scorer(options)(weight, bias, fixed).flatten(0, 1)
            entropy = -(scores.softmax(-1) * scores.log_softmax(-1)).sum()
            loss = F.cross_entropy(scores, label, reduction="sum") + options.entropy_weight * entropy
            weight.grad, bias.grad = torch.autograd.grad(loss / (N * K), (weight, bias))
            optimiser.step()
    return weight.detach(), bias.detach()


def scorer(options: Options, training: bool = False) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """(weights, biases, features) to scores: cosines in training, those of the classifier in evaluation."""
    if training or options.classifier == "cosine":
        return partial(cosine_scores, scale=options.scale)
    return linear_scores


def cosine_scores(
    weight: Float[Tensor, "B N D"], bias: Float[Tensor, "B N"], features: Float[Tensor, "B Q D"], scale: float
) -> Float[Tensor, "B Q N"]:
    """scale * (cos(feature, weight) + bias).

    >>> weight, features = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[3.0, 0.0]]])
    >>> cosine_scores(weight, torch.zeros(1, 2), features, scale=10.0).tolist()
    [[[10.0, 0.0]]]
    """
    return scale * (F.normalize(features, dim=-1) @ F.normalize(weight, dim=-1).mT + bias[:, None])


def linear_scores(
    weight: Float[Tensor, "B N D"], bias: Float[Tensor, "B N"], features: Float[Tensor, "B Q D"]
) -> Float[Tensor, "B Q N"]:
    """feature . weight + bias.

    >>> weight, features = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[3.0, 1.0]]])
    >>> linear_scores(weight, torch.zeros(1, 2), features).tolist()
    [[[3.0, 2.0]]]
    """
    return features @ weight.mT + bias[:, None]
