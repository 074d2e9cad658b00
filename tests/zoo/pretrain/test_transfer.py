"""What is special to representation transfer: the teacher's vectors, the loss, the predictor's rate."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import LinearBackbone

from episodes.episode import Batch
from zoo.learner import Known
from zoo.pretrain._stage import Teacher
from zoo.pretrain.transfer import Model, Options

SMALL = {"hidden": 16, "width": 8}


def made(**options: object) -> tuple[Model, Batch]:
    torch.manual_seed(0)
    stage = Model(LinearBackbone(), Options(**(SMALL | options)), Known(None, ("a",), 5))  # type: ignore[arg-type]
    has = torch.tensor([True, True, False, True, True, False])
    target = torch.randn(6, 5) * has[:, None]
    return stage, Batch(torch.randn(6, 1, 1, 4, 25, 3), torch.zeros(6, dtype=torch.int64), target, has)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_teacher_is_the_video_the_name_or_their_sum(normalise: bool) -> None:
    torch.manual_seed(0)
    has = torch.tensor([True, False, True])
    video, text = torch.randn(3, 4) * has[:, None], torch.randn(3, 4)
    teacher = Teacher(video, has, text)
    unit = (lambda vector: F.normalize(vector, dim=-1)) if normalise else (lambda vector: vector)
    expected = {"video": (unit(video), has), "text": (unit(text), torch.ones(3, dtype=torch.bool))}
    expected["vision_language"] = (unit(video) + unit(text), has)
    for name, (vector, which) in expected.items():
        targets = Model.targets(Options(teacher=name, normalise=normalise), teacher)  # type: ignore[arg-type]
        torch.testing.assert_close(targets[0], vector)
        assert torch.equal(targets[1], which)


def test_only_clips_with_a_target_count() -> None:
    stage, batch = made()
    stage.eval()  # batch statistics would mix the clips
    assert batch.target is not None
    assert batch.has_target is not None
    chosen = batch.has_target.nonzero()[:, 0]
    part = Batch(batch.clips[chosen], batch.label[chosen], batch.target[chosen], batch.has_target[chosen])
    torch.testing.assert_close(stage.losses(batch).total, stage.losses(part).total)


def test_the_loss_written_out() -> None:
    stage, batch = made()
    online = stage.predictor(stage.projector(stage.adapter(stage.backbone(batch.clips[:, 0]).mean((1, 2)))))
    target = stage.target_projector(batch.target)
    squared = (F.normalize(online, dim=-1) - F.normalize(target, dim=-1)).square().sum(-1)
    torch.testing.assert_close(stage.losses(batch).total, squared[batch.has_target].mean())


def test_the_predictor_learns_faster_and_may_be_left_out() -> None:
    rest, predictor = made(predictor_lr=7.0)[0].parameter_groups()
    assert (rest.lr_multiplier, predictor.lr_multiplier) == (1.0, 7.0)
    (only,) = made(predictor=False)[0].parameter_groups()
    assert only.lr_multiplier == 1.0
