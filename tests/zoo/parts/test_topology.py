"""The part matrix's three readings, the joint-part relation of eq. 1, and the bias of bones."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_painet as plain
from helpers.learners import FIVE

from manifests.facts import layout, names
from zoo.parts.topology import JointPart, JointSemantic, PartMatrix, part_matrix, skeleton_adjacency

READINGS: tuple[PartMatrix, ...] = ("pool", "bipartite", "joint")


def symmetric(matrix: torch.Tensor) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2, as the page has it."""
    looped = matrix + torch.eye(len(matrix))
    root = torch.diag(looped.sum(1) ** -0.5)
    return root @ looped @ root


def test_readings_of_a_small_skeleton() -> None:
    member = torch.tensor([[1.0, 1, 1, 0, 0], [0, 0, 0, 1, 1]])
    pooled = torch.stack([member[0] / 3, member[1] / 2])
    torch.testing.assert_close(part_matrix(FIVE, "pool"), pooled)
    graph = torch.zeros(7, 7)
    graph[:2, 2:], graph[2:, :2] = member, member.T
    torch.testing.assert_close(part_matrix(FIVE, "bipartite"), symmetric(graph)[:2, 2:])
    torch.testing.assert_close(part_matrix(FIVE, "joint"), symmetric(member.T @ member - torch.eye(5)))


@pytest.mark.parametrize("name", names("layouts"))
def test_pooling_is_a_mean_on_every_layout(name: str) -> None:
    skeleton = layout(name)
    matrix = part_matrix(skeleton, "pool")
    assert matrix.shape == (len(skeleton.parts), len(skeleton.joints))
    torch.testing.assert_close(matrix.sum(1), torch.ones(len(matrix)))
    assert (matrix > 0).sum(0).eq(1).all()


@pytest.mark.parametrize("reading", READINGS)
def test_relation_is_equation_1(reading: PartMatrix) -> None:
    torch.manual_seed(0)
    module = JointPart(8, FIVE, reading).double()
    maps = torch.randn(2, 3, 5, 8, dtype=torch.float64)
    found = module(maps)
    for clip in range(2):
        for frame in range(3):
            literal = plain.joint_part(maps[clip, frame], module, part_matrix(FIVE, reading).double())
            torch.testing.assert_close(found[clip, frame], literal, rtol=1e-10, atol=1e-12)


def test_bias_is_bones_joints_and_what_is_learnt() -> None:
    module = JointSemantic(FIVE)
    assert torch.equal(module(), skeleton_adjacency(FIVE))
    assert skeleton_adjacency(FIVE).sum() == 5 + 2 * len(FIVE.bones)
    assert torch.equal(skeleton_adjacency(FIVE), skeleton_adjacency(FIVE).T)
    with torch.no_grad():
        module.learnt[0, 4] = 2.0
    assert (module() - skeleton_adjacency(FIVE)).nonzero().tolist() == [[0, 4]]
