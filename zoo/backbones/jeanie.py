"""JEANIE's encoder of temporal blocks (Wang and Koniusz, "Temporal-Viewpoint Transportation Plan for Skeletal Few-shot
Action Recognition", ACCV 2022): a small network for every joint of a block, then simple spectral graph convolution.

The facts are those of the authors' code; of the paper, only the abstract was at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.backbones._graph import hops
from zoo.checks import at_least_one, share

EPSILON = 1e-10
"""What the authors add to the largest coordinate before they divide by it."""


@dataclass(frozen=True)
class Options:
    """Blocks of `frames` frames, a new one every `stride`; the authors' other sizes are 2/1, 10/8 and 15/10.

    Each joint of a block becomes `joint_width` numbers (theirs: 10, and 50 or 100 for large datasets), each block
    `width` (theirs: the number of classes). `degree` and `alpha` are those of the graph convolution. `normalise`
    subtracts the spine and divides each axis by its largest value in the clip.
    """

    pools: ClassVar[tuple[str, ...]] = ("joints",)

    frames: int = 8
    stride: int = 4
    joint_width: int = 50
    width: int = 100
    degree: int = 6
    alpha: float = 0.7
    dropout: float = 0.5
    normalise: bool = True

    def __post_init__(self) -> None:
        at_least_one(self, "frames", "stride", "joint_width", "width", "degree")
        share(self, "dropout")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; it must be 0 (only neighbours) to 1 (only the joint itself)")


class Model(Backbone):
    """Clips (X, M, T, V, C) to the mean map over present bodies, (X, blocks, 1, D).

    A last block ends with the clip where the stride leaves frames over; a clip shorter than a block is one block, in
    which its last frame is repeated. CHOICE: `normalise` is done for each body by itself, since a body's map depends
    on that body alone; in the authors' code the largest value is that of all bodies.
    """

    graph: Float[Tensor, "V V"]

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options) -> None:
        super().__init__(layout, channels, bodies)
        V, width = len(layout.joints), channels * options.frames
        self.options, self.spine = options, layout.spine
        self.joints = nn.Sequential(
            *(nn.Linear(width, 2 * width), nn.LayerNorm(2 * width), nn.ReLU()),
            *(nn.Linear(2 * width, 3 * width), nn.LayerNorm(3 * width), nn.ReLU(), nn.Dropout(options.dropout)),
            *(nn.Linear(3 * width, options.joint_width), nn.LayerNorm(options.joint_width)),
        )
        bones = symmetric(hops(layout).le(1).float())
        self.register_buffer("graph", spectral(bones, options.degree, options.alpha), persistent=False)
        self.blocks = nn.Linear(V * options.joint_width, options.width)
        self.map_joints = 1
        self.width = options.width

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ 1 D"]:
        """One map per body."""
        bodies = clips.flatten(0, 1)
        if self.options.normalise:
            bodies = bodies - bodies[:, :, self.spine, None]
            bodies = bodies / (bodies.abs().amax((1, 2), keepdim=True) + EPSILON)
        joints = self.joints(blocks(bodies, self.options.frames, self.options.stride).transpose(2, 3).flatten(3))
        # Sums over joints, as the product with a matrix that does not depend on the clip.
        mixed = torch.einsum("wv,xtvd->xtwd", self.graph.to(joints.dtype), joints)
        return self.blocks(mixed.flatten(2))[:, :, None]


def blocks(bodies: Float[Tensor, "X T *_"], frames: int, stride: int) -> Float[Tensor, "X _ _ *_"]:
    """Blocks of `frames` frames that begin every `stride` frames, and one that ends with the clip if frames are left.

    >>> blocks(torch.arange(6.0)[None], frames=3, stride=2).tolist()
    [[[0.0, 1.0, 2.0], [2.0, 3.0, 4.0], [3.0, 4.0, 5.0]]]
    """
    given = bodies.shape[1]
    last = max(given - frames, 0)
    starts = torch.arange(0, last + stride, stride, device=bodies.device).clamp(max=last)
    index = starts[:, None] + torch.arange(frames, device=bodies.device)
    return bodies[:, index.clamp(max=given - 1)]


def symmetric(edges: Float[Tensor, "V V"]) -> Float[Tensor, "V V"]:
    """Edges divided by the square roots of the degrees of both ends (Kipf and Welling, 2017).

    >>> symmetric(torch.ones(2, 2)).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    degree = edges.sum(0)
    return edges / (degree[:, None] * degree[None, :]).sqrt()


def spectral(graph: Float[Tensor, "V V"], degree: int, alpha: float) -> Float[Tensor, "V V"]:
    """Simple spectral graph convolution (Zhu and Koniusz, ICLR 2021) as one matrix.

    The mean over l = 1 .. degree of (1 - alpha) graph^l + alpha I.

    >>> spectral(torch.tensor([[0.5, 0.5], [0.5, 0.5]]), degree=6, alpha=0.5).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    """
    powers = torch.stack([torch.linalg.matrix_power(graph, power) for power in range(1, degree + 1)])
    return (1 - alpha) * powers.mean(0) + alpha * torch.eye(len(graph))
