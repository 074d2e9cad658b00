"""What is special to subspace networks: literal singular vectors, what one shot does, safe gradients."""

from __future__ import annotations

import pytest
import torch
from helpers.learners import FIVE, GivenMaps, LinearBackbone, episode_of
from torch import Tensor

from episodes.augment import mirror
from episodes.episode import Episode
from manifests.layout import Layout
from zoo.learner import Known
from zoo.methods.subspace import Model, Options, pooled

ANSWER = torch.tensor([[0, 0, 2, 1]])
SWAP = torch.tensor([0, 1, 2, 4, 3])


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(**options: object) -> Model:
    return Model(GivenMaps(6), Options(**options)).eval()


def task(shot: int = 4) -> tuple[Tensor, Tensor, Episode]:
    support, query = maps(1, 3, shot, 5, 4, 6), maps(1, 4, 5, 4, 6, seed=1)
    return support, query, episode_of(support[:, :, :, None], query[:, :, None], ANSWER)


def basis(clips: Tensor, dimensions: int) -> Tensor:
    """The first right singular vectors of (K, D), as rows."""
    return torch.linalg.svd(clips, full_matrices=False)[2][:dimensions]


@pytest.mark.parametrize(("dimensions", "taken"), [(0, 3), (2, 2), (9, 3)])
def test_scores_and_overlap_are_those_of_the_literal_singular_vectors(dimensions: int, taken: int) -> None:
    support, query, _ = task()
    made = model(dimensions=dimensions, temperature=2.0, discriminative_weight=0.5)
    shots, queries = support[0].mean((-3, -2)), query[0].mean((-3, -2))
    bases = [basis(own - own.mean(0), taken) for own in shots]
    for number, (own, axes) in enumerate(zip(shots, bases, strict=True)):
        gap = queries - own.mean(0)
        expected = -(gap - gap @ axes.T @ axes).norm(dim=-1) / 2
        torch.testing.assert_close(made.score(support, query)[0, :, number].double(), expected, rtol=1e-5, atol=1e-5)
    overlap = sum((a @ b.T).square().sum() for a in bases for b in bases if a is not b)
    term = made.auxiliary_losses(support, query)["discriminative"]
    torch.testing.assert_close(term.double(), 0.5 * overlap, rtol=1e-5, atol=1e-5)


def test_the_uncentred_form_has_a_learnable_scale() -> None:
    support, query, _ = task()
    made = model(form="uncentred")
    axes = basis(support[0, 1].mean((-3, -2)), 3)
    queries = query[0].mean((-3, -2))
    expected = -(queries - queries @ axes.T @ axes).square().sum(-1) / 6
    torch.testing.assert_close(made.score(support, query)[0, :, 1].double(), expected, rtol=1e-5, atol=1e-5)
    made.score(support, query).sum().backward()
    assert made.scale is not None
    assert made.scale.grad is not None
    assert model().scale is None


def layout(**changes: object) -> Layout:
    return Layout(**{**{name: getattr(FIVE, name) for name in FIVE.__dataclass_fields__}, **changes})


def one_shot(known: Known, **options: object) -> tuple[Model, Episode]:
    torch.manual_seed(0)
    support, query = torch.randn(1, 3, 1, 1, 4, 5, 3), torch.randn(1, 4, 1, 4, 5, 3)
    return Model(LinearBackbone(), Options(**options), known).eval(), episode_of(support, query, ANSWER)


def test_with_one_shot_the_mirror_image_is_the_second() -> None:
    made, episode = one_shot(Known(FIVE))
    both = torch.cat([episode.support, mirror(episode.support, SWAP)], dim=2)
    assert made.maps(episode)[0].shape == (1, 3, 2, 4, 5, 8)
    torch.testing.assert_close(made(episode), made.score(made.embed(both), made.embed(episode.query)))
    two = episode_of(both, episode.query, ANSWER)
    assert made.maps(two)[0].shape == (1, 3, 2, 4, 5, 8)
    assert "discriminative" in made.losses(episode).parts


@pytest.mark.parametrize(
    ("known", "options", "words"),
    [
        (
            Known(layout(mirror=())),
            {},
            "subspace has one shot, and the layout five has no mirror pairs: a class",
        ),
        (
            Known(FIVE),
            {"mirror": False},
            "one shot, and method.options.mirror is off: a class is its mean, as in",
        ),
        (Known(FIVE), {"mirror": False, "form": "uncentred"}, "a class is its mean"),
    ],
)
def test_one_shot_without_its_mirror_image_is_protonet_and_says_so(known: Known, options: dict, words: str) -> None:
    made, episode = one_shot(known, **options)
    assert known.layout is not None
    (remark,) = made.options.remarks(1, known.layout)
    assert words in remark
    assert made.options.remarks(5, known.layout) == Options().remarks(1, FIVE) == ()
    scores = made(episode)
    support, query = (pooled(clips) for clips in made.maps(episode))
    expected = -(query[:, :, None] - support[:, None, :, 0]).norm(dim=-1)
    if options.get("form"):
        expected = -expected.square() / 8
    torch.testing.assert_close(scores.double(), expected, rtol=1e-5, atol=1e-5)


def test_clips_that_are_equal_span_nothing() -> None:
    """Means of equal numbers are off by a rounding, which must not become a direction."""
    support, query, _ = task(1)
    shift = 1e-9 * maps(1, 3, 5, 5, 4, 6, seed=5)
    scores = model().score(support.expand(-1, -1, 5, -1, -1, -1) + shift, query)
    gap = pooled(query)[:, :, None] - pooled(support)[:, None, :, 0]
    torch.testing.assert_close(scores.double(), -gap.norm(dim=-1), rtol=1e-5, atol=1e-5)


def test_equal_singular_values_leave_the_gradient_finite_and_right() -> None:
    """The gradient of a decomposition divides by the difference of two equal values here; the projection's does not."""
    corners = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    support = torch.cat([corners, torch.zeros(6, 3, dtype=torch.float64)], dim=1)[None, None].requires_grad_()
    query = maps(1, 2, 6)

    def scores(clips: Tensor) -> Tensor:
        return model(dimensions=3).score(clips[..., None, None, :], query[:, :, None, None])

    gradient = torch.autograd.grad(scores(support).sum(), support)[0]
    assert torch.isfinite(gradient).all()
    way, step = maps(1, 1, 6, 6, seed=3), 1e-3
    moved = (scores(support + step * way) - scores(support - step * way)).sum().double() / (2 * step)
    torch.testing.assert_close((gradient * way).sum(), moved, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("form", ["centred", "uncentred"])
def test_evidence_adds_up_to_the_squared_distance(form: str) -> None:
    made, (support, query, episode) = model(form=form), task()
    evidence = made.evidence(episode)
    assert {name: tuple(value.shape) for name, value in evidence.items()} == {
        "inside": (1, 4, 3),
        "joint_score": (1, 4, 3, 5, 4),
    }
    squared = -made.score(support, query).detach()
    squared = squared.square() if form == "centred" else squared * 6
    total = -evidence["joint_score"].sum((-1, -2))
    torch.testing.assert_close(total, squared, rtol=1e-4, atol=1e-4)
    centre = pooled(support).mean(2) if form == "centred" else torch.zeros(1, 3, 6)
    whole = (pooled(query)[:, :, None] - centre[:, None]).square().sum(-1)
    torch.testing.assert_close(evidence["inside"].double(), 1 - squared / whole, rtol=1e-4, atol=1e-4)


def test_without_weight_there_is_no_discriminative_part() -> None:
    assert set(model(discriminative_weight=0.0).losses(task()[2]).parts) == {"cross_entropy"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dimensions": -1}, r"dimensions is -1; it must be 0 \(none\) or positive"),
        ({"discriminative_weight": -0.1}, r"discriminative_weight is -0.1; it must be 0 \(none\) or positive"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
