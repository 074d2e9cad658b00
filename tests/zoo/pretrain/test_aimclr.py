"""What is special to AimCLR: the queue and its length, positives with and without mining, evaluation without draws."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import FIVE, LinearBackbone
from torch import Tensor

from episodes.episode import Batch
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.options import Optimiser
from zoo.engine.ranks import ALONE
from zoo.engine.step import Trainer, forward_backward, take_step
from zoo.learner import Known, Losses
from zoo.pretrain.aimclr import NEVER, Model, Options, distribution_loss, info_nce, similarities


class Pooling(LinearBackbone):
    """A backbone whose map has one frame and one joint, as that of an image encoder."""

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(clips).mean((1, 2), keepdim=True)


def made(backbone: type[LinearBackbone] = LinearBackbone, **options: float) -> Model:
    torch.manual_seed(0)
    chosen = Options(**{"width": 8, "queue": 10, "queue_share": 1.0, "momentum": 0.5} | options)  # type: ignore[arg-type]
    return Model(backbone(), chosen, Known(FIVE))


def batch(seed: int = 0, clips: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(torch.randn(clips, 1, 1, 12, 5, 3, generator=generator), torch.zeros(clips, dtype=torch.int64))


def keys(stage: Model, given: Batch) -> Tensor:
    """The keys of clips that nothing augments."""
    with torch.no_grad():
        return F.normalize(stage.target_head(stage.target_backbone(given.clips[:, 0]).mean((1, 2))), dim=-1)


def scores(stage: Model, given: Batch) -> list[Tensor]:
    return stage.scores(*[given.clips[:, 0]] * 3)


def test_the_oldest_keys_are_overwritten() -> None:
    stage = made()
    expected = stage.queue.clone()
    for step in range(5):
        rows = [(4 * step + row) % 10 for row in range(4)]
        expected[rows] = keys(stage, batch(step))
        scores(stage, batch(step))
        torch.testing.assert_close(stage.queue, expected)
        stage.after_step((step + 1) / 5)


def test_keys_of_a_step_are_no_negatives_of_it() -> None:
    stage = made()
    before = stage.queue.clone()
    found = scores(stage, batch())[0]
    query = F.normalize(stage.head(stage.backbone(batch().clips[:, 0]).mean((1, 2))), dim=-1)
    literal = torch.cat(((query * keys(stage, batch())).sum(1, keepdim=True), query @ before.T), dim=1) / 0.07
    torch.testing.assert_close(found, literal)


@pytest.mark.parametrize(("share", "length"), [(1.0, 50), (0.25, 25), (0.01, 4)])
def test_the_queue_is_a_share_of_the_clips_of_the_whole_training(share: float, length: int) -> None:
    stage = made(queue=50, queue_share=share)
    for step in range(25):  # 25 steps of 4 clips
        stage.losses(batch(step))
        stage.after_step((step + 1) / 25)
        assert int(stage.length) == length
    assert int(stage.place) == (25 * 4) % length


def test_places_that_are_not_used_have_no_probability() -> None:
    stage = made(queue=50, queue_share=0.01)
    stage.losses(batch())
    stage.after_step(0.01)
    found = scores(stage, batch(1))
    for score in found:
        assert score.softmax(1)[:, 5:].eq(0).all()
    stage.mining.fill_(1)
    assert stage.positives(found)[:, 5:].eq(0).all()
    assert torch.isfinite(stage.losses(batch(2)).total)


@pytest.mark.parametrize("neighbours", [1, 2])
def test_mining_adds_the_nearest_keys_of_all_views(neighbours: int) -> None:
    stage = made(neighbours=neighbours)
    given = [torch.randn(4, 11, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    literal = torch.zeros(4, 11)
    literal[:, 0] = 1
    assert torch.equal(stage.positives(given), literal)
    stage.mining.fill_(1)
    for clip in range(4):
        for score in given:
            for place in score[clip, 1:].argsort(descending=True)[:neighbours]:
                literal[clip, 1 + place] = 1
    assert torch.equal(stage.positives(given), literal)


@pytest.mark.parametrize(("start", "on"), [(0.0, [1, 1, 1, 1]), (0.5, [0, 0, 1, 1]), (1.0, [0, 0, 0, 0])])
def test_mining_begins_at_its_share_of_training(start: float, on: list[int]) -> None:
    stage, seen = made(mining_from=start), []
    for step in range(4):
        seen.append(int(stage.mining))
        stage.losses(batch(step))
        stage.after_step((step + 1) / 4)
    assert seen == on


def test_one_positive_is_the_usual_cross_entropy() -> None:
    given = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    mask = F.one_hot(torch.zeros(4, dtype=torch.int64), 7).float()
    torch.testing.assert_close(info_nce(given, mask), F.cross_entropy(given, torch.zeros(4, dtype=torch.int64)))


def test_the_distribution_loss_is_its_literal_form_and_trains_one_side() -> None:
    given, target = (torch.randn(4, 7, requires_grad=True) for _ in range(2))
    loss = distribution_loss(given, target)
    torch.testing.assert_close(loss, -(target.softmax(1) * given.softmax(1).log()).sum(1).mean())
    loss.backward()
    assert given.grad is not None
    assert target.grad is None


def test_half_precision_compares_in_full_precision() -> None:
    units = F.normalize(torch.randn(3, 4, 8), dim=-1)
    unused = torch.zeros(4, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        found = similarities(*units, unused, 0.07)
    assert torch.equal(found, similarities(*units, unused, 0.07))
    assert torch.equal(similarities(*units, ~unused, 0.07)[:, 1:], torch.full((4, 4), NEVER))


def test_evaluation_draws_nothing_and_leaves_the_queue() -> None:
    stage = made().eval()
    before, state = stage.queue.clone(), torch.get_rng_state()
    assert torch.equal(stage.losses(batch()).total, stage.losses(batch()).total)
    assert torch.equal(stage.queue, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_labels_of_the_base_classes_do_not_matter() -> None:
    stage, given = made().eval(), batch()
    assert torch.equal(stage.losses(given).total, stage.losses(Batch(given.clips, given.label + 3)).total)


def test_training_is_continued_from_the_saved_state() -> None:
    first, second = made(mining_from=0.25), made()
    for step in range(2):
        first.losses(batch(step))
        first.after_step((step + 1) / 4)
    second.load_state_dict(first.state_dict())
    for step in (2, 3):
        totals = []
        for stage in (first, second):
            torch.manual_seed(step)
            totals.append(stage.losses(batch(step)).total)
            stage.after_step((step + 1) / 4)
        assert torch.equal(*totals)
    assert torch.equal(first.queue, second.queue)


def test_batches_of_one_step_share_their_places() -> None:
    stage = made().train()
    stage.augment.normal = stage.augment.extreme = lambda clips: clips  # type: ignore[method-assign]
    both = keys(stage, batch(0)) + keys(stage, batch(1))
    optimiser = make_optimiser(Optimiser(lr=0.01), stage)
    trainer = Trainer(stage, optimiser, make_schedule(Optimiser(lr=0.01), optimiser, 1.0))

    def unit(served: Batch, number: int) -> Losses:
        return forward_backward(stage, served, number)

    take_step(trainer, range(2), batch, unit, ALONE)
    stage.after_step(0.1)
    assert int(stage.place) == 4
    torch.testing.assert_close(stage.queue[:4], F.normalize(both, dim=-1))
    torch.testing.assert_close(stage.queue.norm(dim=1), torch.ones(10))


def test_a_batch_larger_than_the_queue_fills_it() -> None:
    stage = made(queue=3)
    scores(stage, batch())
    torch.testing.assert_close(stage.queue, keys(stage, batch())[:3])


def test_it_trains_backbones_whose_map_is_one_vector() -> None:
    stage = made(Pooling)
    found = scores(stage, batch())
    assert torch.equal(found[1], found[2])
    stage.losses(batch()).total.backward()
    assert stage.backbone.map.weight.grad is not None


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"queue": 0}, "queue is 0; it must be at least 1"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
        ({"momentum": 1.5}, "momentum is 1.5; it must be 0..1"),
        ({"queue_share": -0.1}, "queue_share is -0.1; it must be 0..1"),
        ({"mining_from": 2.0}, "mining_from is 2.0; it must be 0..1"),
        ({"keep": 0.6}, "keep is 0.6; attention is at least 0.6225, so it must be more than that"),
        ({"queue": 4, "neighbours": 5}, "neighbours is 5; the queue has 4 keys, so it must not be more"),
    ],
)
def test_options_outside_their_range_are_refused(options: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        Options(**options)  # type: ignore[arg-type]
