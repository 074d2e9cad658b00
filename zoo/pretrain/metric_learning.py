"""Deep metric learning on the base classes: a metric loss on mined pairs, and the cross-entropy of a classifier.

The training of SL-DML (Memmesheimer et al., ICPR 2020; triplet margin) and of Skeleton-DML (Memmesheimer et al., WACV
2022; multi-similarity) with the settings of the authors' code. The multi-similarity loss and the miner of both are
those of Wang et al., "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning", CVPR 2019, in
pytorch-metric-learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from episodes.episode import Batch
from zoo.backbones._backbone import Backbone
from zoo.checks import positive
from zoo.learner import Known, Losses, total_of
from zoo.parts.frame_distance import at_least_float32
from zoo.parts.metric_extra import import_metric
from zoo.pretrain._stage import Stage, pooled

FEWEST_CLASSES = 2


@dataclass(frozen=True)
class Options:
    """`loss` on the embeddings, which counts `metric_weight`, 0..1; the cross-entropy counts the rest.

    `margin` is that of the triplet loss, on distances of unit vectors. `alpha`, `beta` and `base` are the positive
    scale, the negative scale and the threshold of the multi-similarity loss (Wang et al., eq. 16). The miner keeps a
    negative pair more similar than the least similar positive one minus `epsilon`, a positive pair less similar than
    the most similar negative one plus `epsilon` (eq. 12 and 13).
    """

    loss: Literal["triplet", "multi_similarity"] = "multi_similarity"
    metric_weight: float = 0.5
    margin: float = 0.2
    alpha: float = 0.1
    beta: float = 40.0
    base: float = 0.5
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        positive(self, "margin", "alpha", "beta")
        if not 0 <= self.metric_weight <= 1:
            raise ValueError(f"metric_weight is {self.metric_weight}; it must be 0 (cross-entropy alone) to 1 (none)")


class Model(Stage):
    """The pooled map of a clip is its embedding, so the embedding layer of the authors is that of the backbone
    (`embedding_width` of resnet18) and is kept; the linear classifier on the embeddings is dropped.

    Needs the extra `metric`; raises ExtraMissing without it, and ValueError for fewer than two base classes. In a batch
    of one class, or of clips of different classes only, there is nothing to compare: the metric loss is 0, and
    `batches_without_pairs` counts such batches of training. Pitfall: random batches hold few pairs of a class where
    there are many classes; `budget.per_class` draws several clips of each class, the authors four. The miner waits for
    the device, so no CUDA graph can hold a step.
    """

    options: Options
    least_clips = 2
    batches_without_pairs: Int[Tensor, ""]

    def __init__(self, backbone: Backbone, options: Options, known: Known) -> None:
        super().__init__(backbone, options, known)
        if len(known.classes) < FEWEST_CLASSES:
            raise ValueError(
                f"metric_learning compares classes and needs at least {FEWEST_CLASSES} base classes; there are "
                f"{len(known.classes)}. Choose another split."
            )
        self.classifier = nn.Linear(backbone.width, len(known.classes))
        self.metric_loss, self.miner = make_loss(options), make_miner(options)
        self.register_buffer("batches_without_pairs", torch.zeros((), dtype=torch.int64))

    def losses(self, batch: Batch) -> Losses:
        """Both losses of the first view, with their weights."""
        embeddings = pooled(self.backbone(batch.clips[:, 0]))
        scores = self.classifier(embeddings).float()
        weight = self.options.metric_weight
        parts = {
            self.options.loss: weight * self._metric(embeddings, batch.label),
            "cross_entropy": (1 - weight) * F.cross_entropy(scores, batch.label),
        }
        accuracy = (scores.detach().argmax(-1) == batch.label).float().mean()
        return Losses(total_of(parts), parts, accuracy)

    def _metric(self, embeddings: Float[Tensor, "X D"], label: Int[Tensor, "X"]) -> Float[Tensor, ""]:
        """The metric loss of the mined pairs, not in half precision; 0 with a gradient of 0 where there are none."""
        if self.training:
            self.batches_without_pairs += lacks_pairs(label)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = at_least_float32(embeddings)
            loss: Tensor = self.metric_loss(embeddings, label, self.miner(embeddings, label))
            return loss


def lacks_pairs(label: Int[Tensor, "X"]) -> Bool[Tensor, ""]:
    """Whether there are no two clips of one class, or no two of different classes.

    >>> [bool(lacks_pairs(torch.tensor(label))) for label in ([3, 3, 3], [0, 1, 2], [0, 1, 1])]
    [True, True, False]
    """
    same = label[:, None].eq(label).sum()
    return same.eq(len(label)) | same.eq(len(label) ** 2)


def make_loss(options: Options) -> Any:
    """The loss of pytorch-metric-learning, a function of (embeddings, labels, mined pairs)."""
    losses = import_metric("pytorch_metric_learning.losses")
    if options.loss == "triplet":
        return losses.TripletMarginLoss(margin=options.margin)
    return losses.MultiSimilarityLoss(alpha=options.alpha, beta=options.beta, base=options.base)


def make_miner(options: Options) -> Any:
    """The miner: (embeddings, labels) to the anchors and positives, anchors and negatives of the pairs kept."""
    return import_metric("pytorch_metric_learning.miners").MultiSimilarityMiner(epsilon=options.epsilon)
