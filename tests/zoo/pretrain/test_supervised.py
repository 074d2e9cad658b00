"""What is special to supervised pre-training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from helpers.learners import LinearBackbone

from episodes.episode import Batch
from zoo.learner import Known
from zoo.pretrain.supervised import Model, Options


def test_the_loss_is_the_cross_entropy_of_all_base_classes() -> None:
    torch.manual_seed(0)
    stage = Model(LinearBackbone(), Options(label_smoothing=0.1), Known(None, ("a", "b", "c")))
    batch = Batch(torch.randn(5, 1, 1, 4, 25, 3), torch.tensor([0, 2, 1, 1, 0]))
    losses = stage.losses(batch)
    features = stage.backbone(batch.clips[:, 0]).mean((1, 2))
    scores = features @ stage.classifier.weight.T + stage.classifier.bias
    torch.testing.assert_close(losses.total, F.cross_entropy(scores, batch.label, label_smoothing=0.1))
    assert float(losses.accuracy) == (scores.argmax(-1) == batch.label).float().mean()  # type: ignore[arg-type]
