"""What is special to BYOL: both directions, and a target that follows without a gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import FIVE, LinearBackbone

from episodes.episode import Batch
from zoo.learner import Known
from zoo.pretrain.byol import Model, Options


def made(decay: float = 0.9) -> tuple[Model, Batch]:
    torch.manual_seed(0)
    stage = Model(LinearBackbone(), Options(decay=decay, hidden=16, width=8), Known())
    return stage, Batch(torch.randn(6, 2, 1, 4, 25, 3), torch.zeros(6, dtype=torch.int64))


def test_the_loss_is_symmetric_in_the_views() -> None:
    stage, batch = made()
    turned = Batch(batch.clips.flip(1), batch.label)
    torch.testing.assert_close(stage.losses(batch).total, stage.losses(turned).total)


def test_the_loss_is_the_squared_distance_of_unit_vectors() -> None:
    stage, batch = made()
    total = torch.zeros(())
    for view, other in ((0, 1), (1, 0)):
        online = stage.predictor(stage.projector(stage.backbone(batch.clips[:, view]).mean((1, 2))))
        target = stage.target_projector(stage.target_backbone(batch.clips[:, other]).mean((1, 2)))
        total = total + (F.normalize(online, dim=-1) - F.normalize(target, dim=-1)).square().sum(-1).mean() / 2
    torch.testing.assert_close(stage.losses(batch).total, total)


@pytest.mark.parametrize(("decay", "share"), [(1.0, 0.0), (0.0, 1.0), (0.75, 0.25)])
def test_the_target_follows(decay: float, share: float) -> None:
    stage, _ = made(decay)
    with torch.no_grad():
        stage.backbone.map.weight += 1
    stage.after_step(0.5)
    gone = stage.backbone.map.weight - stage.target_backbone.map.weight
    torch.testing.assert_close(gone, torch.full_like(gone, 1 - share))


def test_a_decay_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"decay is 1\.5; it must be 0\.\.1"):
        Options(decay=1.5)


def test_asymmetric_views_are_one_conservative_and_one_aggressive() -> None:
    torch.manual_seed(0)
    stage = Model(LinearBackbone(), Options(hidden=16, width=8, augmentation="asymmetric"), Known(FIVE))
    batch = Batch(torch.randn(6, 2, 1, 12, 5, 3), torch.zeros(6, dtype=torch.int64))
    torch.manual_seed(1)
    found = stage.losses(batch).total
    torch.manual_seed(1)
    assert stage.augment is not None
    first, second = stage.augment.normal(batch.clips[:, 0]), stage.augment.extreme(batch.clips[:, 1])
    plain = Model(LinearBackbone(), Options(hidden=16, width=8), Known())
    plain.load_state_dict(stage.state_dict())
    torch.testing.assert_close(plain.losses(Batch(torch.stack((first, second), 1), batch.label)).total, found)


def test_asymmetric_views_are_not_augmented_in_evaluation() -> None:
    torch.manual_seed(0)
    stage = Model(LinearBackbone(), Options(hidden=16, width=8, augmentation="asymmetric"), Known(FIVE)).eval()
    batch = Batch(torch.randn(6, 2, 1, 12, 5, 3), torch.zeros(6, dtype=torch.int64))
    state = torch.get_rng_state()
    assert torch.equal(stage.losses(batch).total, stage.losses(batch).total)
    assert torch.equal(torch.get_rng_state(), state)
