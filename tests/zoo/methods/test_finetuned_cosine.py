"""What is special to the fine-tuned cosine classifier: the literal loop, and what fine-tuning is for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.methods.finetuned_cosine import Model, Options, fine_tuned


def maps(shots: int = 3, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    centre = torch.randn(1, 4, 1, 1, 1, 6, generator=generator)
    support = centre + noise * torch.randn(1, 4, shots, 2, 5, 6, generator=generator)
    return support, torch.randn(1, 7, 2, 5, 6, generator=generator)


def literal(support: Tensor, query: Tensor, options: Options) -> Tensor:
    """One episode, by torch's own layers and optimiser, with the entropy as eq. 4 has it."""

    def scores_of(features: Tensor) -> Tensor:
        if options.classifier == "linear":
            return F.linear(features, weight, bias)
        return options.scale * (F.cosine_similarity(features[:, None], weight[None], dim=-1) + bias)

    shots = support[0].mean((2, 3))
    weight = torch.nn.Parameter(shots.mean(1))
    bias = torch.nn.Parameter(torch.zeros(4))
    optimiser = torch.optim.SGD([weight, bias], options.fine_tuning_lr, momentum=options.momentum)
    features, label = shots.flatten(0, 1), torch.arange(4).repeat_interleave(shots.shape[1])
    for _ in range(options.fine_tuning_steps):
        scores = scores_of(features)
        p = scores.softmax(-1)
        loss = F.cross_entropy(scores, label) - options.entropy_weight * (p * p.log()).sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return scores_of(query[0].mean((1, 2)))


def test_scores_written_out() -> None:
    support, query = maps()
    other = Options(fine_tuning_lr=0.05, scale=3.0, entropy_weight=0.3)
    for options in (Options(), other, Options(classifier="linear", fine_tuning_lr=0.05)):
        fast = Model(GivenMaps(6), options).eval().score(support, query)
        torch.testing.assert_close(fast[0], literal(support, query, options).detach())


def test_the_nearest_class_mean_wins_without_fine_tuning() -> None:
    support, query = maps()
    model = Model(GivenMaps(6), Options(classifier="nearest")).eval()
    means, features = support.mean((2, 3, 4)), query.mean((2, 3))
    squared = torch.cdist(features, means).square()
    torch.testing.assert_close(model.score(support, query), features.square().sum(-1, keepdim=True) - squared)


def test_the_classifier_makes_no_difference_in_training() -> None:
    support, query = maps()
    cosine, linear, nearest = (
        Model(GivenMaps(6), Options(classifier=name)).train().score(support, query)  # type: ignore[arg-type]
        for name in ("cosine", "linear", "nearest")
    )
    assert torch.equal(cosine, linear)
    assert torch.equal(cosine, nearest)


def test_fine_tuning_lowers_the_loss_on_the_support() -> None:
    support, _ = maps(noise=3.0)
    shots = support.mean((3, 4))
    label = torch.arange(4).repeat_interleave(3)

    def loss(steps: int) -> float:
        weight, bias = fine_tuned(shots, Options(fine_tuning_steps=steps, fine_tuning_lr=0.05))
        scores = 10 * (F.normalize(shots.flatten(1, 2), dim=-1) @ F.normalize(weight, dim=-1).mT + bias[:, None])
        return float(F.cross_entropy(scores[0], label))

    assert loss(50) < loss(0)


def test_training_does_not_fine_tune() -> None:
    support, query = maps()
    model = Model(GivenMaps(6), Options(fine_tuning_lr=1.0)).train()
    nearest = F.cosine_similarity(query.mean((2, 3))[:, :, None], support.mean((2, 3, 4))[:, None], dim=-1)
    torch.testing.assert_close(model.score(support, query), 10 * nearest)
    assert not torch.allclose(model.eval().score(support, query), 10 * nearest)


@pytest.mark.parametrize("classifier", ["cosine", "linear", "nearest"])
@torch.no_grad()
def test_scores_of_frames_and_joints_add_up(classifier: str) -> None:
    support, query = maps()
    model = Model(GivenMaps(6), Options(fine_tuning_lr=0.5, classifier=classifier)).eval()  # type: ignore[arg-type]
    parts = model.evidence(episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 7).long()))[
        "joint_score"
    ]
    _, bias = model.classifier(support)
    assert parts.shape == (1, 7, 4, 2, 5)
    assert bias.abs().max() > 1e-3
    factor = 10 if classifier == "cosine" else 1
    torch.testing.assert_close(parts.sum((3, 4)) + factor * bias[:, None], model.score(support, query))
