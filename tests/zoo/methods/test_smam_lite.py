"""What is special to SMAM, lite: the matching written out, maps of one joint, the query-set part and when it is off."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.experiment.resolve import resolve
from zoo.methods.smam_lite import Model, Options, mutual_weights, neighbour_weights

D, V = 6, 25


class OneJoint(GivenMaps):
    def __init__(self) -> None:
        super().__init__(D)
        self.map_joints = 1


def model(**options: float) -> Model:
    torch.manual_seed(0)
    return Model(GivenMaps(D), Options(**options)).double().eval()


def maps(joints: int = V) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    support = torch.randn(1, 3, 2, 4, joints, D, generator=generator, dtype=torch.float64)
    return support, torch.randn(1, 5, 4, joints, D, generator=generator, dtype=torch.float64)


def cosine(first: Tensor, second: Tensor) -> Tensor:
    return (first @ second) / (first.norm() * second.norm())


def attended(own: Tensor, other: Tensor, temperature: float) -> Tensor:
    """The mean of one clip's joints, each by the largest attention that a joint of the other gives to it."""
    table = torch.zeros(len(other), len(own), dtype=own.dtype)
    for row in range(len(other)):
        logits = torch.stack([cosine(other[row], joint) / temperature for joint in own])
        table[row] = logits.exp() / logits.exp().sum()
    weights = torch.stack([max(table[:, column]) for column in range(len(own))])
    return sum(weight * joint for weight, joint in zip(weights / weights.sum(), own, strict=True))


def learnt(made: Model, joints: Tensor) -> Tensor:
    logits = torch.stack([made.attention(joint)[0] for joint in joints]).exp()
    return sum(logit / logits.sum() * joint for logit, joint in zip(logits, joints, strict=True))


@torch.no_grad()
def test_scores_written_out() -> None:
    made, (support, query) = model(temperature=0.2, affinity_temperature=0.3), maps()
    scores = made.score(support, query)
    for n in range(3):
        theirs = (support[0, n, 0].mean(0) + support[0, n, 1].mean(0)) / 2
        for q in range(5):
            mine = query[0, q].mean(0)
            first = torch.cat([learnt(made, mine), attended(mine, theirs, 0.3)])
            second = torch.cat([learnt(made, theirs), attended(theirs, mine, 0.3)])
            torch.testing.assert_close(scores[0, q, n], cosine(first, second) / 0.2)


def test_a_joint_that_nothing_resembles_counts_less() -> None:
    query = torch.eye(3)[None, None]
    weights, _ = mutual_weights(query, torch.eye(3)[[0, 1, 0]][None, None], 0.1)
    assert weights[0, 0, 0, 2] < 0.01 < 0.49 < weights[0, 0, 0, 0]


def test_maps_of_one_joint_are_compared_by_their_cosine() -> None:
    made, (support, query) = Model(OneJoint(), Options()), maps(joints=1)
    assert made.attention is None
    scores = made.score(support, query)
    expected = cosine(query[0, 3].mean((0, 1)), support[0, 2].mean((0, 1, 2))) / 0.1
    torch.testing.assert_close(scores[0, 3, 2], expected)


@torch.no_grad()
def test_queries_are_scored_apart_unless_the_query_set_part_is_on() -> None:
    support, query = maps()
    alone = torch.cat([model().score(support, query[:, q : q + 1]) for q in range(5)], dim=1)
    torch.testing.assert_close(model().score(support, query), alone)
    assert not torch.allclose(model(query_neighbours=2).score(support, query), alone)
    torch.testing.assert_close(model(query_neighbours=2).score(support, query[:, :1]), alone[:, :1])
    assert resolve("smam_lite").method.options["query_neighbours"] == 0


@torch.no_grad()
def test_query_set_part_written_out() -> None:
    made, plain, (support, query) = model(query_neighbours=2, query_weight=0.3), model(), maps()
    scores, own = plain.score(support, query)[0], [learnt(plain, clip.mean(0)) for clip in query[0]]
    for q in range(5):
        others = sorted(((float(cosine(own[q], own[p])), p) for p in range(5) if p != q), reverse=True)[:2]
        added = sum(max(value, 0.0) * scores[p] for value, p in others) / 2
        torch.testing.assert_close(made.score(support, query)[0, q], scores[q] + 0.3 * added)


def test_more_neighbours_than_queries_are_all_the_others() -> None:
    vectors = torch.ones(1, 3, D)
    torch.testing.assert_close(neighbour_weights(vectors, 9), ((1 - torch.eye(3)) / 2)[None])


def test_evidence_is_the_weights_of_joints() -> None:
    support, query = (part.float() for part in maps())
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 5, dtype=torch.long))
    evidence = Model(GivenMaps(D), Options()).evidence(episode)
    shapes = {name: tuple(value.shape) for name, value in evidence.items()}
    pairs = (1, 5, 3, V)
    assert shapes == {"query_joint_weight": pairs, "class_joint_weight": pairs, "self_weight": (1, 5, V)}
    assert all(math.isclose(float(value.sum(-1).mean()), 1, rel_tol=1e-5) for value in evidence.values())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"affinity_temperature": 0.0}, "affinity_temperature is 0.0; it must be positive"),
        ({"temperature": -1.0}, "temperature is -1.0; it must be positive"),
        ({"query_neighbours": -1}, r"query_neighbours is -1; it must be 0 \(none\) or positive"),
        ({"query_weight": 0.0}, "query_weight is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
