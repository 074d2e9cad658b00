"""What is special to FEAT: prototypes see one another, unequal classes in the regulariser, a fast attention."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from episodes.episode import Episode
from zoo.methods.feat import Model, Options, similarity

ANSWER = torch.tensor([[0, 0, 0, 1]])


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def model(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(GivenMaps(6), Options(**options)).eval()


def task(way: int = 3) -> tuple[Tensor, Tensor, Episode]:
    """Classes with two shots and 3, 1 and 0 queries: their maps, and the episode that holds them."""
    support, query = maps(1, way, 2, 5, 4, 6), maps(1, 4, 5, 4, 6, seed=1)
    return support, query, episode_of(support[:, :, :, None], query[:, :, None], ANSWER)


def adapted(made: Model, members: Tensor) -> Tensor:
    """The literal attention over a set (X, D), vector by vector."""
    own, out = made.attention, []
    for member in members:
        products = torch.stack([own.query(member) @ own.key(other) for other in members]) / 6**0.5
        taken = sum(weight * own.value(other) for weight, other in zip(products.softmax(0), members, strict=True))
        out.append(own.norm(member + own.output(taken)))
    return torch.stack(out)


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("metric", ["squared_euclidean", "cosine"])
def test_losses_are_those_of_the_literal_sets(metric: str, rescale: bool) -> None:
    made = model(metric=metric, rescale=rescale, temperature=2.0, contrastive_temperature=3.0, contrastive_weight=0.5)
    support, query, episode = task()
    shots, queries = support[0].mean((-3, -2)), query[0].mean((-3, -2))
    if rescale:
        shots, queries = (F.normalize(vectors, dim=-1) * 6**0.5 for vectors in (shots, queries))

    def scores(clips: Tensor, prototypes: Tensor) -> Tensor:
        if metric == "cosine":
            return torch.stack([clip @ (prototypes / prototypes.norm(dim=1, keepdim=True)).T for clip in clips])
        return torch.stack([-(clip - prototypes).square().sum(1) for clip in clips])

    expected = scores(queries, adapted(made, shots.mean(1))) / 2
    losses = made.losses(episode)
    torch.testing.assert_close(losses.scores[0], expected, rtol=1e-4, atol=1e-4)
    members = [torch.cat([shots[n], queries[ANSWER[0] == n]]) for n in range(3)]
    centres = torch.stack([adapted(made, each).mean(0) for each in members])
    label = torch.tensor([0, 0, 1, 1, 2, 2, 0, 0, 0, 1])
    contrastive = F.cross_entropy(scores(torch.cat([shots.flatten(0, 1), queries]), centres) / 3, label)
    torch.testing.assert_close(losses.parts["contrastive"], 0.5 * contrastive, rtol=1e-4, atol=1e-4)
    assert set(losses.parts) == {"cross_entropy", "contrastive"}


def test_without_weight_there_is_no_contrastive_part() -> None:
    assert set(model(contrastive_weight=0.0).losses(task()[2]).parts) == {"cross_entropy"}


def test_a_prototype_depends_on_the_other_classes() -> None:
    made, (support, query, _) = model(), task()
    assert not torch.allclose(made.score(support, query)[..., :2], made.score(support[:, :2], query), rtol=1e-3)


def test_the_attention_learns_faster() -> None:
    class Trained(GivenMaps):
        def __init__(self) -> None:
            super().__init__(6)
            self.weight = torch.nn.Parameter(torch.ones(()))

    (encoder, attention) = Model(Trained(), Options(attention_lr_multiplier=7.0)).parameter_groups()
    assert (encoder.lr_multiplier, len(encoder.parameters)) == (1.0, 1)
    assert (attention.lr_multiplier, len(attention.parameters)) == (7.0, 7)
    assert [group.lr_multiplier for group in model().parameter_groups()] == [10.0]


@pytest.mark.parametrize("rescale", [True, False])
@pytest.mark.parametrize("metric", ["squared_euclidean", "cosine"])
def test_evidence_adds_up_to_the_scores(metric: str, rescale: bool) -> None:
    made, (support, query, episode) = model(metric=metric, rescale=rescale), task()
    evidence = made.evidence(episode)
    assert {name: tuple(value.shape) for name, value in evidence.items()} == {
        "prototype_attention": (1, 4, 3, 3),
        "joint_score": (1, 4, 3, 5, 4),
    }
    torch.testing.assert_close(evidence["prototype_attention"].sum(-1), torch.ones(1, 4, 3))
    scores = made.score(support, query)
    torch.testing.assert_close(evidence["joint_score"].sum((-1, -2)), scores, rtol=1e-4, atol=1e-4)


def test_cosine_keeps_the_length_of_the_query() -> None:
    query, prototypes = torch.tensor([[[6.0, 8.0]]]), torch.tensor([[[0.0, 0.5]]])
    assert similarity(query, prototypes, "cosine").item() == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
        ({"contrastive_temperature": -1.0}, "contrastive_temperature is -1.0; it must be positive"),
        ({"attention_lr_multiplier": 0.0}, "attention_lr_multiplier is 0.0; it must be positive"),
        ({"contrastive_weight": -0.1}, r"contrastive_weight is -0.1; it must be 0 \(none\) or positive"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be at least 0 and below 1"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
