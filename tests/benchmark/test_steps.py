"""Whole training steps, ST-GCN and a head, against the same backbone with plain heads: processor time on one thread.

`plain`: the best head that is still plain, each frame projected once, soft-DTW in loops compiled by numba, singular
values and Adam by torch. `literal`: the order of work of the paper's page (dastm) or of the repository's code
(dastm_official), frames projected and activated pair by pair, the rank measure frame by frame. Steps of 5 ways, 1 shot
and the queries of each recipe, 30 frames, two present bodies; empty bodies are measured in test_empty_bodies.py.
Run it with `pytest -m benchmark -s tests/benchmark/test_steps.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_dastm as plain
from helpers.interleaved import cpu_seconds, milliseconds, one_thread
from helpers.learners import episode_of
from helpers.plain_soft_dtw import soft_dtw
from torch import Tensor

from episodes.episode import Episode
from manifests.facts import layout
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.ranks import ALONE
from zoo.engine.step import Trainer, forward_backward, take_step, unit_seed
from zoo.experiment.prepare import make_learner
from zoo.experiment.resolve import resolve
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.activation import Side

ROUNDS = 3
Head = Callable[[Method, Tensor, Tensor, Tensor], Tensor]
# (recipe, queries of each class): how many times as fast as the plain step, and as the literal one, ours must be: two
# thirds of what was measured. The backbone is most of a step, and the same in all.
LIMITS = {
    ("protonet", 10): (0.66, 0.0),
    ("dtw", 10): (0.7, 0.0),
    ("dastm", 1): (0.7, 1.3),
    ("dastm", 10): (0.8, 3.2),
    ("dastm_official", 10): (0.79, 1.1),
}


def protonet(method: Method, support: Tensor, query: Tensor, answer: Tensor) -> Tensor:
    """Cross-entropy of squared Euclidean distances to class means."""
    distance = torch.cdist(query.flatten(1), support.mean(1).flatten(1)).square()
    return F.cross_entropy(-distance, answer)


def dtw(method: Method, support: Tensor, query: Tensor, answer: Tensor) -> Tensor:
    """Cross-entropy of the divergence of soft-DTW on cosines of frames."""
    first, second, gamma = query.flatten(2), support.mean(1).flatten(2), method.options.gamma
    between = soft_dtw(plain.cosine(first[:, None], second), gamma)
    own = soft_dtw(plain.cosine(first, first), gamma)[:, None] + soft_dtw(plain.cosine(second, second), gamma)
    return F.cross_entropy(own / 2 - between, answer)


def dastm(method: Method, support: Tensor, query: Tensor, answer: Tensor) -> Tensor:
    """The paper's form: Algorithm 2, and the nuclear norm over the Frobenius norm."""
    cost = plain.pairwise_projected(query, support.mean(1), method.activation)
    loss = F.cross_entropy(-soft_dtw(cost, method.options.gamma), answer)
    return loss - method.options.rank_weight * plain.nuclear_batched(query)


def dastm_literal(method: Method, support: Tensor, query: Tensor, answer: Tensor) -> Tensor:
    """The paper's form, pair by pair."""
    cost = plain.pairwise(query, support.mean(1), method.activation)
    loss = F.cross_entropy(-soft_dtw(cost, method.options.gamma), answer)
    return loss - method.options.rank_weight * plain.nuclear_normalised(query)


def official(method: Method, support: Tensor, query: Tensor, answer: Tensor) -> Tensor:
    """The repository's form: frames of the same index, the residual block with its dropout, the surrogate."""
    prototypes = support.mean(1)
    cost = plain.aligned_projected(query, prototypes, method.activation)
    rank = plain.surrogate_batched(query) + plain.surrogate_batched(prototypes)
    return F.cross_entropy(-soft_dtw(cost, method.options.gamma), answer) - method.options.rank_weight * rank


def official_literal(method: Method, support: Tensor, query: Tensor, answer: Tensor) -> Tensor:
    """The repository's form in its order of work."""
    prototypes = support.mean(1)
    cost = plain.aligned(query, prototypes, method.activation)
    rank = plain.surrogate(query) + plain.surrogate(prototypes)
    return F.cross_entropy(-soft_dtw(cost, method.options.gamma), answer) - method.options.rank_weight * rank


HEADS: dict[str, tuple[Head, ...]] = {
    "protonet": (protonet,),
    "dtw": (dtw,),
    "dastm": (dastm, dastm_literal),
    "dastm_official": (official, official_literal),
}


def learner(name: str, dropout: bool = True) -> Method:
    """The recipe's method; `dropout`: that of its head, whose draws differ between ours and the plain forms."""
    made = make_learner(resolve(name), layout("ntu25"), (2, 25, 3), Known(layout("ntu25"))).train()
    assert isinstance(made, Method)
    for part in made.modules() if not dropout else ():
        if isinstance(part, Side):
            part.dropout.p = 0.0
    return made


def episode(queries: int, frames: int = 30) -> Episode:
    draw = torch.Generator().manual_seed(0)
    support, query = (torch.randn(*shape, 2, frames, 25, 3, generator=draw) for shape in ((1, 5, 1), (1, 5 * queries)))
    return episode_of(support, query, torch.arange(5).repeat(1, queries))


def our_step(name: str, given: Episode, dropout: bool = True) -> Callable[[], float]:
    options, made = resolve(name).optimiser, learner(name, dropout)
    optimiser = make_optimiser(options, made)
    trainer = Trainer(made, optimiser, make_schedule(options, optimiser, 1e-5))

    def step() -> float:
        unit = lambda served, number: forward_backward(made, served, unit_seed(0, number))  # noqa: E731
        return take_step(trainer, range(1), lambda _: given, unit, ALONE)[0].total.item()

    return step


def plain_step(name: str, given: Episode, head: Head, dropout: bool = True) -> Callable[[], float]:
    options, made, shots = resolve(name).optimiser, learner(name, dropout), given.support.shape[1]
    optimiser = torch.optim.Adam(made.parameters(), options.lr, weight_decay=options.weight_decay)
    clips, answer = torch.cat([given.support[0, :, 0], given.query[0]]), given.answer[0]

    def step() -> float:
        with torch.random.fork_rng():
            torch.manual_seed(unit_seed(0, 0))  # the backbone's dropout then leaves out the same activations
            optimiser.zero_grad()
            maps = made.backbone(clips)
            loss = head(made, maps[:shots, None], maps[shots:], answer)
            loss.backward()
        optimiser.step()
        return loss.item()

    return step


@pytest.mark.slow
@pytest.mark.parametrize("name", list(HEADS))
def test_all_ways_have_the_same_losses(name: str) -> None:
    """Two steps each: the second has the first one's gradients in its weights."""
    given = episode(2, frames=8)
    with one_thread():
        steps = our_step(name, given, False), *(plain_step(name, given, head, False) for head in HEADS[name])
        ours, *others = ([step(), step()] for step in steps)
    for other in others:
        assert other == pytest.approx(ours, rel=1e-3)


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "queries"), list(LIMITS))
def test_a_step_against_plain_heads(name: str, queries: int) -> None:
    given = episode(queries)
    works = {"ours": our_step(name, given)}
    works |= {way: plain_step(name, given, head) for way, head in zip(("plain", "literal"), HEADS[name], strict=False)}
    seconds = cpu_seconds(works, ROUNDS)
    ratios = {way: taken / seconds["ours"] for way, taken in seconds.items()}
    literal = "" if "literal" not in ratios else f"{milliseconds(seconds['literal'])} ({ratios['literal']:.2f} x)"
    print(
        "\n| training step | literal | plain | ours |\n|---|---|---|---|\n"
        f"| {name}, {queries} of each class | {literal} | {milliseconds(seconds['plain'])} ({ratios['plain']:.2f} x) | "
        f"{milliseconds(seconds['ours'])} |"
    )
    assert ratios["plain"] >= LIMITS[name, queries][0]
    assert ratios.get("literal", 1.0) >= LIMITS[name, queries][1]
