"""What is special to training with Koopman pooling: its scores, written out."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import LinearBackbone

from episodes.episode import Batch
from zoo.learner import Known
from zoo.pretrain.koopman_pooling import Model, Options


def made(**options: float) -> Model:
    torch.manual_seed(0)
    return Model(LinearBackbone(), Options(**options), Known(None, ("a", "b", "c")))


def test_the_loss_is_the_cross_entropy_of_minus_the_errors() -> None:
    stage = made(deviation=0.5)
    batch = Batch(torch.randn(4, 1, 1, 5, 5, 3), torch.tensor([0, 2, 1, 1]))
    losses = stage.losses(batch)
    frames = stage.backbone(batch.clips[:, 0]).mean(2)
    rows = []
    for clip in frames:
        pairs = list(pairwise(clip))
        errors = [sum((matrix @ x - y).norm() for x, y in pairs) / 4 for matrix in stage.operators]
        rows.append(-torch.stack(errors))  # type: ignore[arg-type]
    scores = torch.stack(rows)
    torch.testing.assert_close(losses.total, F.cross_entropy(scores, batch.label))
    assert float(losses.accuracy) == (scores.argmax(-1) == batch.label).float().mean()  # type: ignore[arg-type]


def test_the_first_operators() -> None:
    assert made().operators.shape == (3, 8, 8)
    assert made(deviation=0.0).operators.eq(0).all()
    assert abs(float(made().operators.detach().std()) - 1) < 0.1
    with pytest.raises(ValueError, match=r"deviation is -1\.0; it must be 0"):
        Options(deviation=-1.0)


def test_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="but maps have 1 frame. Choose a backbone that keeps frames"):
        made().losses(Batch(torch.randn(4, 1, 1, 1, 5, 3), torch.tensor([0, 2, 1, 1])))
