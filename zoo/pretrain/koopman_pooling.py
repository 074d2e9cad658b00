"""Koopman pooling (Wang, Xu and Mu, "Neural Koopman Pooling", CVPR 2023), training: one linear operator per base class.

A clip belongs to the class whose operator predicts its next frames best. The facts are those of the authors' code; its
second stage, which scales the eigenvalues of trained operators, is not part of its one-shot setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Batch
from zoo.backbones._backbone import Backbone
from zoo.checks import not_negative
from zoo.learner import Known, Losses
from zoo.pretrain._stage import Stage


@dataclass(frozen=True)
class Options:
    """`deviation` is the standard deviation of the operators' first numbers, which have mean 0 (theirs: 1)."""

    needs_frames: ClassVar[int] = 2

    deviation: float = 1.0

    def __post_init__(self) -> None:
        not_negative(self, "deviation")


class Model(Stage):
    """Cross-entropy of minus the mean prediction errors; the operators are dropped after training."""

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known) -> None:
        super().__init__(backbone, options, known)
        first = torch.randn(len(known.classes), backbone.width, backbone.width)
        self.operators = nn.Parameter(options.deviation * first)

    def losses(self, batch: Batch) -> Losses:
        """Cross-entropy of the first view. Raises ValueError for maps of one frame."""
        maps = self.backbone(batch.clips[:, 0])
        with torch.autocast(maps.device.type, enabled=False):
            scores = -prediction_errors(maps.mean(2).float(), self.operators)
        loss = F.cross_entropy(scores, batch.label)
        accuracy = (scores.detach().argmax(-1) == batch.label).float().mean()
        return Losses(loss, {"cross_entropy": loss}, accuracy)


def prediction_errors(frames: Float[Tensor, "X T D"], operators: Float[Tensor, "N D D"]) -> Float[Tensor, "X N"]:
    """The mean over t of |A x(t) - x(t + 1)| for every operator A. Raises ValueError for sequences of one frame.

    >>> frames = torch.tensor([[[1.0], [2.0], [4.0]]])
    >>> prediction_errors(frames, torch.tensor([[[2.0]], [[1.0]]])).tolist()
    [[0.0, 1.5]]
    """
    if frames.shape[1] < 2:
        raise ValueError(
            f"koopman_pooling predicts each frame from the one before, but maps have {frames.shape[1]} frame. Choose a "
            "backbone that keeps frames, or a larger data.frames."
        )
    predicted = torch.einsum("nij,xtj->xnti", operators, frames[:, :-1])
    return torch.linalg.vector_norm(predicted - frames[:, None, 1:], dim=-1).mean(-1)
