"""BYOL (Grill et al., NeurIPS 2020) on skeletons: each view of a clip predicts the other's momentum target.

The views differ by the recipe's augmentation and by their sampled frames, and with `augmentation` "asymmetric" by a
conservative and an aggressive pipeline, as in Skeleton_BYOL (Moliner et al., "Bootstrapped Representation Learning for
Skeleton-Based Action Recognition", CVPR Workshops 2022), of which only the abstract was read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Batch
from zoo.backbones._backbone import Backbone
from zoo.learner import Known, Losses
from zoo.parts.moving_average import frozen_copy, update_average
from zoo.parts.projector import cosine_loss, projector
from zoo.parts.skeleton_augment import SkeletonAugment
from zoo.pretrain._stage import Stage, pooled


@dataclass(frozen=True)
class Options:
    """`decay` of the moving average (0: a copy after every step, 1: the initial weights), widths of the projector.

    `augmentation`: "recipe", both views as the loader serves them; "asymmetric", on top of that the first is augmented
    conservatively and the second aggressively. CHOICE, since the abstract names no list: AimCLR's normal and extreme
    augmentation. Its second idea, views from two cameras, is data.other_camera of a recipe.
    """

    decay: float = 0.99
    hidden: int = 512
    width: int = 128
    augmentation: Literal["recipe", "asymmetric"] = field(default="recipe", metadata={"before": "recipe"})

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; it must be 0..1")


class Model(Stage):
    """Online network and predictor; the target is a moving average of backbone and projector."""

    options: Options
    views = 2
    least_clips = 2

    def __init__(self, backbone: Backbone, options: Options, known: Known) -> None:
        super().__init__(backbone, options, known)
        self.projector = projector(backbone.width, options.hidden, options.width)
        self.predictor = projector(options.width, options.hidden, options.width)
        self.target_backbone = frozen_copy(backbone)
        self.target_projector = frozen_copy(self.projector)
        self.augment: SkeletonAugment | None = None
        if options.augmentation == "asymmetric":
            assert known.layout is not None
            self.augment = SkeletonAugment(known.layout, known.streams)

    def losses(self, batch: Batch) -> Losses:
        """The mean over both directions of 2 - 2 cos. In evaluation the views are those of the batch."""
        first, second = batch.clips[:, 0], batch.clips[:, 1]
        if self.augment is not None and self.training:
            first, second = self.augment.normal(first), self.augment.extreme(second)
        loss = (self._one_way(first, second) + self._one_way(second, first)) / 2
        return Losses(loss, {"byol": loss})

    def _one_way(self, view: Float[Tensor, "X M T V C"], other: Float[Tensor, "X M T V C"]) -> Float[Tensor, ""]:
        online = self.predictor(self.projector(pooled(self.backbone(view))))
        with torch.no_grad():
            target = self.target_projector(pooled(self.target_backbone(other)))
        return cosine_loss(online, target).mean()

    def after_step(self, share: float) -> None:
        """Move the target towards the online network."""
        update_average(self.target_backbone, self.backbone, self.options.decay)
        update_average(self.target_projector, self.projector, self.options.decay)
