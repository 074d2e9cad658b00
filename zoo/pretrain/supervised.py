"""Supervised pre-training: cross-entropy over all base classes, one linear layer on pooled features.

Also known as batch training or the classification baseline (Chen et al., "A Closer Look at Few-shot Classification",
ICLR 2019); "traditional training" in the cross-modal paper's Table VII.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from episodes.episode import Batch
from zoo.backbones._backbone import Backbone
from zoo.learner import Known, Losses
from zoo.pretrain._stage import Stage, pooled


@dataclass(frozen=True)
class Options:
    """`label_smoothing` is the share of the target spread evenly over all classes, 0..1."""

    label_smoothing: float = 0.0


class Model(Stage):
    """A linear classifier of the base classes; it is dropped after training, the backbone is kept."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known) -> None:
        super().__init__(backbone, options, known)
        self.classifier = nn.Linear(backbone.width, len(known.classes))

    def losses(self, batch: Batch) -> Losses:
        """Cross-entropy of the first view."""
        scores = self.classifier(pooled(self.backbone(batch.clips[:, 0])))
        loss = F.cross_entropy(scores.float(), batch.label, label_smoothing=self.options.label_smoothing)
        accuracy = (scores.detach().argmax(-1) == batch.label).float().mean()
        return Losses(loss, {"cross_entropy": loss}, accuracy)
