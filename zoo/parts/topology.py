"""What PAINet's attention knows of a skeleton: relations of joints to body parts, and of joints to joints
(Liu et al., ICCV 2023, section 3.2)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._graph import hops

PartMatrix = Literal["pool", "bipartite", "joint"]


def part_matrix(layout: Layout, reading: PartMatrix) -> Float[Tensor, "_ V"]:
    """The matrix of eq. 1 that gathers joints into body parts, by one of three readings of the paper.

    The paper has a P x V matrix of one-hot columns, and normalises it as if it were square: D^-1/2 (A + I) D^-1/2.

    pool: the mean of every part's joints, P x V; the shapes and the figure of the paper.
    bipartite: the graph of P parts and V joints with self-loops, normalised by degrees on both sides, its P x V block.
    joint: the V x V graph that joins all joints of one part, with self-loops, normalised on both sides.
    """
    member = torch.zeros(len(layout.parts), len(layout.joints), dtype=torch.float64)
    for row, joints in enumerate(layout.parts.values()):
        member[row, list(joints)] = 1
    size = member.sum(1, keepdim=True)
    if reading == "pool":
        return (member / size).float()
    if reading == "bipartite":
        return (member / (2 * (size + 1)).sqrt()).float()
    # Every joint of a part of n joints has n neighbours, itself included.
    return (member.T @ (member / size)).float()


def skeleton_adjacency(layout: Layout) -> Float[Tensor, "V V"]:
    """1 where two joints are the same or joined by a bone, else 0: "the pre-defined adjacency matrix" of section 3.2.

    CHOICE: with self-loops; the paper does not say.
    """
    return (hops(layout) <= 1).float()


class JointPart(nn.Module):
    """The joint-part relation (eq. 1): every joint attends to the body parts of its own frame.

    softmax(Q K^T / root(D)) V with Q = F W1, K = A F W2 and V = A F W3, where A is the part matrix.
    """

    matrix: Float[Tensor, "P V"]

    def __init__(self, width: int, layout: Layout, reading: PartMatrix) -> None:
        super().__init__()
        self.own = nn.Linear(width, width, bias=False)
        self.other = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.register_buffer("matrix", part_matrix(layout, reading), persistent=False)

    def forward(self, maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch V D"]:
        """The feature of every joint from all parts. The parts are gathered first: fewer rows to project."""
        parts = self.matrix.to(maps.dtype) @ maps
        scores = self.own(maps) @ self.other(parts).mT / maps.shape[-1] ** 0.5
        return scores.softmax(-1) @ self.value(parts)


class JointSemantic(nn.Module):
    """The joint-semantic relation E = A + B: the skeleton's bones plus one learnt number for every pair of joints.

    It is added to the scores of an attention, before the softmax. CHOICE: B starts at 0.
    """

    adjacency: Float[Tensor, "V V"]

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.register_buffer("adjacency", skeleton_adjacency(layout), persistent=False)
        self.learnt = nn.Parameter(torch.zeros(len(layout.joints), len(layout.joints)))

    def forward(self) -> Float[Tensor, "V V"]:
        """The bias: rows are the joints that attend, columns those attended to."""
        return self.adjacency + self.learnt
