"""What every stage must do: each file of zoo/pretrain against each contract, and a wrong member for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from helpers.learners import FIVE, LinearBackbone
from torch import Tensor, nn

from episodes.episode import Batch
from zoo import registry
from zoo.engine.header import Progress
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.options import Optimiser
from zoo.engine.step import Trainer
from zoo.engine.train import Plan, Record, train
from zoo.learner import Known, Losses
from zoo.pretrain import supervised
from zoo.pretrain._stage import Stage, Teacher

Make = Callable[[], Stage]
CLASSES, T, V, C, D = 4, 4, 5, 3, 6


def batch(seed: int = 0, clips: int = 16, views: int = 2, noise: float = 0.1) -> Batch:
    """Clips of a class are alike but for noise, and so are their targets."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(CLASSES, 1, 1, T, V, C, generator=torch.Generator().manual_seed(7))
    vectors = torch.randn(CLASSES, D, generator=torch.Generator().manual_seed(8))
    label = torch.arange(clips) % CLASSES
    shown = kinds[label] + noise * torch.randn(clips, views, 1, T, V, C, generator=generator)
    return Batch(shown, label, vectors[label])


@dataclass(frozen=True)
class Batches:
    """A loader of synthetic batches."""

    steps: int

    def __len__(self) -> int:
        return self.steps

    def at(self, step: int) -> Batch:
        return batch(step)


def maker(name: str) -> Make:
    entry = registry.find(name, "pretrain")
    known = Known(FIVE, tuple(f"class {index}" for index in range(CLASSES)), D)
    return lambda: entry.model(LinearBackbone(), entry.options(), known)


def seeded(make: Make, seed: int = 0) -> Stage:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().train()


def run(stage: Stage, steps: int) -> list[Record]:
    options = Optimiser(lr=0.01)
    optimiser = make_optimiser(options, stage)
    plan = Plan(0, 1, 16, 16 * steps, 5, 5, 0, "float32", 0.0)
    trainer = Trainer(stage, optimiser, make_schedule(options, optimiser, 1 / steps))
    records = train(trainer, Batches(steps), plan, Progress())
    return [record for record in records if isinstance(record, Record)]


def the_fewest_clips_are_enough(make: Make) -> None:
    """Fewer than a stage's `least_clips` are refused before training."""
    stage = seeded(make)
    assert stage.losses(batch(clips=stage.least_clips)).total.isfinite()


def parts_add_up(make: Make) -> None:
    losses = seeded(make).losses(batch())
    assert losses.total.shape == ()
    torch.testing.assert_close(losses.total, torch.stack(list(losses.parts.values())).sum())
    assert losses.accuracy is None or 0 <= float(losses.accuracy) <= 1


def finite(make: Make) -> None:
    stage, given = seeded(make), batch()
    for clips in (given.clips, torch.zeros_like(given.clips)):
        stage.zero_grad()
        losses = stage.losses(replace(given, clips=clips))
        losses.total.backward()
        assert torch.isfinite(losses.total)
        assert all(torch.isfinite(p.grad).all() for p in stage.parameters() if p.grad is not None)


def gradient_everywhere(make: Make) -> None:
    stage = seeded(make)
    stage.losses(batch(noise=1.0)).total.backward()
    trained = [parameter for group in stage.parameter_groups() for parameter in group.parameters]
    assert {id(parameter) for parameter in trained} == {id(p) for p in stage.parameters() if p.requires_grad}
    for name, parameter in stage.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0 or "bias" in name, name
        else:
            assert parameter.grad is None, name


def clips_in_any_order(make: Make) -> None:
    """In evaluation, where a stage that augments its clips draws nothing."""
    given, order = batch(), torch.randperm(16, generator=torch.Generator().manual_seed(1))
    assert given.target is not None
    turned = Batch(given.clips[order], given.label[order], given.target[order])
    torch.testing.assert_close(seeded(make).eval().losses(turned).total, seeded(make).eval().losses(given).total)


def the_loss_falls_in_the_real_loop(make: Make) -> None:
    """The loss on other clips, of the trained weights and of the first ones, both against the targets of the end.

    Targets move in training (a momentum network, a queue of keys), so that the loss of a stage that learns may rise.
    """
    stage, given = seeded(make), batch(100)
    first = {name: p.detach().clone() for name, p in stage.named_parameters() if p.requires_grad}
    run(stage, 40)
    stage.eval()
    trained = float(stage.losses(given).total.detach())
    stage.load_state_dict(first, strict=False)
    assert trained < 0.9 * float(stage.losses(given).total.detach())


def the_backbone_learns(make: Make) -> None:
    stage = seeded(make)
    before = stage.backbone.map.weight.clone()
    run(stage, 2)
    assert not torch.equal(stage.backbone.map.weight, before)


def weights_saved(make: Make) -> None:
    first, second = seeded(make, seed=1), seeded(make, seed=2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.eval().losses(batch()).total, second.eval().losses(batch()).total)


class Wrong(supervised.Model):
    """A supervised stage with whatever is wrong with its loss."""

    def __init__(self, spoil: Callable[[Wrong, Losses, Batch], Tensor]) -> None:
        super().__init__(LinearBackbone(), supervised.Options(), Known(None, ("a", "b", "c", "d")))
        self.spoil = spoil
        self.unused = nn.Parameter(torch.zeros(1))
        self.noise = torch.rand(())

    def losses(self, given: Batch) -> Losses:
        losses = super().losses(given)
        return replace(losses, total=self.spoil(self, losses, given))


CONTRACTS: dict[Callable[[Make], None], Callable[[Wrong, Losses, Batch], Tensor]] = {
    parts_add_up: lambda self, losses, given: losses.total * 2,
    finite: lambda self, losses, given: losses.total / given.clips.abs().sum(),
    the_fewest_clips_are_enough: lambda self, losses, given: losses.total / (len(given.label) - 1),
    gradient_everywhere: lambda self, losses, given: losses.total,
    clips_in_any_order: lambda self, losses, given: losses.total + given.clips[0].sum(),
    the_loss_falls_in_the_real_loop: lambda self, losses, given: losses.total.detach() + 0 * losses.total,
    the_backbone_learns: lambda self, losses, given: self.classifier.weight.square().sum(),
    weights_saved: lambda self, losses, given: losses.total + self.noise,
}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("name", registry.names("pretrain"))
def test_stage(name: str, contract: Callable[[Make], None]) -> None:
    contract(maker(name))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract_catches_a_wrong_stage(contract: Callable[[Make], None]) -> None:
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        contract(lambda: Wrong(CONTRACTS[contract]))


@pytest.mark.parametrize("name", registry.names("pretrain"))
def test_targets_are_made_of_what_the_store_has(name: str) -> None:
    """A stage either needs no targets, or gives one per clip and names the part that is missing."""
    entry = registry.find(name, "pretrain")
    vectors, has = torch.randn(5, D), torch.tensor([True, True, False, True, True])
    targets = entry.model.targets(entry.options(), Teacher(vectors * has[:, None], has, torch.randn(5, D)))
    if targets is None:
        return
    assert targets[0].shape == (5, D)
    assert torch.equal(targets[1], has)
    with pytest.raises(LookupError):
        entry.model.targets(entry.options(), Teacher(None, None, None))


def test_there_are_stages() -> None:
    assert {"aimclr", "byol", "supervised", "transfer"} <= set(registry.names("pretrain"))
