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


WAYS = ("adapter", "fixed", "partial")


def made(**options: object) -> tuple[Model, Batch]:
    torch.manual_seed(0)
    stage = Model(LinearBackbone(), Options(**(SMALL | options)), Known(None, ("a",), 5))  # type: ignore[arg-type]
    target = torch.randn(6, 5)
    return stage, Batch(torch.randn(6, 1, 1, 4, 25, 3), torch.zeros(6, dtype=torch.int64), target)


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


@pytest.mark.parametrize("way", WAYS)
def test_the_loss_written_out(way: str) -> None:
    stage, batch = made(width_mismatch=way)
    features = stage.backbone(batch.clips[:, 0]).mean((1, 2))
    if way == "adapter":
        features = stage.adapter(features)
    online = stage.predictor(stage.projector(features))
    vectors = batch.target if way != "fixed" else F.linear(batch.target, stage.bridge.weight)  # type: ignore[arg-type]
    target = stage.target_projector(vectors)
    squared = (F.normalize(online, dim=-1) - F.normalize(target, dim=-1)).square().sum(-1)
    torch.testing.assert_close(stage.losses(batch).total, squared.mean())


def test_the_predictor_learns_faster_and_may_be_left_out() -> None:
    rest, predictor = made(predictor_lr=7.0)[0].parameter_groups()
    assert (rest.lr_multiplier, predictor.lr_multiplier) == (1.0, 7.0)
    (only,) = made(predictor=False)[0].parameter_groups()
    assert only.lr_multiplier == 1.0


@pytest.mark.parametrize("way", WAYS)
def test_what_the_moving_average_moves(way: str) -> None:
    """All weights of the embedding's projector; "partial" leaves its first layer, "fixed" the map before it."""
    stage, _ = made(width_mismatch=way, decay=0.0)
    before = {name: value.clone() for name, value in stage.named_parameters()}
    with torch.no_grad():
        for parameter in stage.projector.parameters():
            parameter.add_(1.0)
    stage.after_step(0.5)
    still = {name for name, value in stage.named_parameters() if torch.equal(value, before[name])}
    frozen = {"adapter": set(), "fixed": {"bridge.weight"}, "partial": {"target_projector.0.weight"}}[way]
    assert {name for name in still if name.startswith(("target_", "bridge"))} >= frozen
    moved = [name for name in before if name.startswith("target_projector") and name not in still]
    assert len(moved) == (4 if way == "partial" else 6)
    theirs = dict(stage.projector.named_parameters())
    assert all(torch.equal(stage.get_parameter(name), theirs[name.removeprefix("target_projector.")]) for name in moved)
    assert not any(
        parameter.requires_grad for parameter in [*stage.target_projector.parameters(), *stage.bridge.parameters()]
    )


def test_widths_are_checked() -> None:
    with pytest.raises(ValueError, match="hidden is 0; it must be at least 1"):
        Options(hidden=0)
    with pytest.raises(ValueError, match=r"decay is 1\.5; it must be 0\.\.1"):
        Options(decay=1.5)
