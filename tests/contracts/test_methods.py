"""What every method must do: each file of zoo/methods against each contract, and one wrong member that each must catch.

The backbone is a linear map of joints, so that the method alone is on trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import pytest
import torch
from helpers.learners import FIVE, LinearBackbone, episode_of
from torch import Tensor, nn

from episodes.episode import Episode
from prep.progress import result
from zoo import registry
from zoo.engine.evaluate import measure
from zoo.engine.header import Progress
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.options import Optimiser
from zoo.engine.step import Trainer
from zoo.engine.train import Plan, Record, train
from zoo.learner import Known
from zoo.methods import protonet
from zoo.methods._method import Method

Make = Callable[[], Method]
V, C, T = len(FIVE.joints), 3, 4


def episode(
    batch: int = 1, way: int = 3, shot: int = 2, queries: int = 7, seed: int = 0, noise: float = 0.1
) -> Episode:
    """Classes are random clips, members are those plus noise; queries are spread unevenly over classes."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(batch, way, 1, T, V, C, generator=generator)
    answer = torch.randint(way, (batch, queries), generator=generator)
    support = kinds[:, :, None] + noise * torch.randn(batch, way, shot, 1, T, V, C, generator=generator)
    chosen = torch.stack([row[index] for row, index in zip(kinds, answer, strict=True)])
    query = chosen + noise * torch.randn(batch, queries, 1, T, V, C, generator=generator)
    return episode_of(support, query, answer)


def part_of(both: Episode, index: int) -> Episode:
    """One episode of several."""
    return Episode(*(getattr(both, field.name)[index : index + 1] for field in fields(Episode)))


@dataclass(frozen=True)
class Tasks:
    """A loader of synthetic episodes."""

    steps: int
    way: int = 5
    seed: int = 0

    def __len__(self) -> int:
        return self.steps

    def at(self, step: int) -> Episode:
        return episode(way=self.way, shot=1, queries=20, seed=self.seed + step)


def maker(name: str) -> Make:
    entry = registry.find(name, "methods")
    text = torch.randn(20, 6, generator=torch.Generator().manual_seed(0)) if entry.model.uses_novel_names else None
    known = Known(FIVE, ("a", "b", "c"), frames=T, class_text=text)
    return lambda: entry.model(LinearBackbone(), entry.options(), known)


def seeded(make: Make, seed: int = 0) -> Method:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()


def near(first: Tensor, second: Tensor, tolerance: float = 1e-4) -> None:
    torch.testing.assert_close(first, second, rtol=tolerance, atol=tolerance * second.abs().max().item())


def shapes(make: Make) -> None:
    task = episode(batch=2, way=4, shot=3, queries=6)
    model = seeded(make)
    losses = model.losses(task)
    assert model(task).shape == losses.scores.shape == (2, 6, 4)
    assert 0 <= float(losses.accuracy) <= 1
    assert losses.total.shape == ()
    near(losses.total, torch.stack(list(losses.parts.values())).sum())


def finite(make: Make) -> None:
    task = episode()
    for support in (task.support, torch.zeros_like(task.support)):
        for query in (task.query, torch.zeros_like(task.query)):
            model = seeded(make)
            spoilt = replace(task, support=support, query=query)
            model.losses(spoilt).total.backward()
            assert torch.isfinite(model(spoilt)).all()
            assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@torch.no_grad()
def classes_in_any_order(make: Make) -> None:
    task, order = episode(way=4), torch.tensor([2, 0, 3, 1])
    model = seeded(make)
    shuffled = replace(task, support=task.support[:, order], class_id=task.class_id[:, order])
    near(model(shuffled), model(task)[:, :, order])


@torch.no_grad()
def queries_in_any_order(make: Make) -> None:
    task, order = episode(queries=5), torch.tensor([4, 1, 0, 3, 2])
    model = seeded(make)
    near(model(replace(task, query=task.query[:, order])), model(task)[:, order])


@torch.no_grad()
def shots_in_any_order(make: Make) -> None:
    task = episode(shot=3, noise=1.0)
    model = seeded(make)
    near(model(replace(task, support=task.support.flip(2))), model(task))


@torch.no_grad()
def episodes_apart(make: Make) -> None:
    both = episode(batch=2)
    model = seeded(make)
    near(model(both), torch.cat([model(part_of(both, index)) for index in range(2)]))


def gradient_everywhere(make: Make) -> None:
    model = seeded(make).train()
    model.losses(episode(noise=1.0)).total.backward()
    trained = {id(parameter) for group in model.parameter_groups() for parameter in group.parameters}
    for name, parameter in model.named_parameters():
        assert (id(parameter) in trained) == parameter.requires_grad, name
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def same_again(make: Make) -> None:
    model = seeded(make)
    assert torch.equal(model(episode()), model(episode()))


@torch.no_grad()
def any_size(make: Make) -> None:
    model = seeded(make)
    for way, shot, queries in ((2, 1, 3), (5, 5, 1), (20, 1, 7), (7, 2, 11)):
        scores = model(episode(way=way, shot=shot, queries=queries))
        assert scores.shape == (1, queries, way)


@torch.no_grad()
def half_precision(make: Make) -> None:
    model, task = seeded(make), episode(noise=1.0)
    exact = model(task)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(task)
    near(rough.float(), exact, tolerance=0.05)


@torch.no_grad()
def weights_saved(make: Make) -> None:
    first, second = seeded(make, seed=1), seeded(make, seed=2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(episode()), second(episode()))


def learnt_by_the_real_loop(make: Make) -> None:
    """The loop and the evaluator that users run: what fine-tunes on the support must pass here too."""
    model = seeded(make)
    options = Optimiser(lr=0.01 / max(group.lr_multiplier for group in model.parameter_groups()))
    optimiser = make_optimiser(options, model)
    trainer = Trainer(model, optimiser, make_schedule(options, optimiser, 0.1))
    plan = Plan(0, 1, 1, 10, 5, 5, 0, "float32", 0.0)
    records = train(trainer, Tasks(10), plan, Progress(), lambda: measure(model, [Tasks(2, 3)], stage="validation"))
    assert len([record for record in records if isinstance(record, Record)]) == 2
    assert result(measure(model, [Tasks(2, seed=99)])).accuracy > 0.9


def evaluation_changes_nothing(make: Make) -> None:
    model = seeded(make).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    first = result(measure(model, [Tasks(2)]))
    assert result(measure(model, [Tasks(2)])) == first
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@torch.no_grad()
def evidence_belongs_to_queries(make: Make) -> None:
    task = episode(batch=2, way=4, queries=6)
    model = seeded(make)
    evidence = model.evidence(task)
    assert all(value.shape[:2] == (2, 6) and torch.isfinite(value).all() for value in evidence.values())
    assert torch.equal(model(task), model(task))


class Wrong(protonet.Model):
    """A prototypical network with whatever is wrong with its scores, or with itself."""

    def __init__(self, spoil: Callable[[Method, Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__(LinearBackbone(), protonet.Options())
        self.calls = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.spoil = spoil
        self.unused = nn.Parameter(torch.zeros(1))
        self.noise = torch.rand(())

    def score(self, support: Tensor, query: Tensor) -> Tensor:
        return self.spoil(self, super().score(support, query), support, query)

    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        return {"first": self(episode)[:, :1]}


def tuned_without_gradient(self: Method, scores: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """Fine-tuning that forgets to switch gradients on: it works wherever gradients happen to be on."""
    weight = support.detach().mean(2).flatten(2).requires_grad_()
    (gradient,) = torch.autograd.grad(weight.square().sum(), weight)
    return scores + 0 * gradient.sum()


def counting(self: Wrong, scores: Tensor, support: Tensor, query: Tensor) -> Tensor:
    self.calls.data += 1
    return scores


def rounded(_: Method, __: Tensor, support: Tensor, query: Tensor) -> Tensor:
    gap = (query[:, :, None] + 1000) - (support.mean(2)[:, None] + 1000)
    return -gap.square().sum((-3, -2, -1))


CONTRACTS: dict[Callable[[Make], None], Callable[[Method, Tensor, Tensor, Tensor], Tensor]] = {
    shapes: lambda self, scores, support, query: scores.mT,
    finite: lambda self, scores, support, query: scores / query.norm(),
    classes_in_any_order: lambda self, scores, support, query: scores + torch.arange(scores.shape[-1]),
    queries_in_any_order: lambda self, scores, support, query: scores.cumsum(1),
    shots_in_any_order: lambda self, scores, support, query: scores + support[:, :, 0].sum((2, 3, 4))[:, None],
    episodes_apart: lambda self, scores, support, query: scores - scores.mean(0),
    gradient_everywhere: lambda self, scores, support, query: scores,
    same_again: lambda self, scores, support, query: scores + torch.rand(()),
    any_size: lambda self, scores, support, query: scores @ torch.eye(5)[: scores.shape[-1]],
    half_precision: rounded,
    weights_saved: lambda self, scores, support, query: scores + self.noise,
    learnt_by_the_real_loop: tuned_without_gradient,
    evaluation_changes_nothing: counting,
    evidence_belongs_to_queries: lambda self, scores, support, query: scores,
}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("name", registry.names("methods"))
def test_method(name: str, contract: Callable[[Make], None]) -> None:
    contract(maker(name))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_contract_catches_a_wrong_method(contract: Callable[[Make], None]) -> None:
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        contract(lambda: Wrong(CONTRACTS[contract]))


def test_there_are_methods() -> None:
    assert {"dastm", "dtw", "protonet"} <= set(registry.names("methods"))
