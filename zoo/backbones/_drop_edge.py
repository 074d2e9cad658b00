"""DropEdge: in training, a graph with some of its bones left out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._graph import FAR, bone_paths, hops


class DropEdge(nn.Module):
    """Draws the bones that one forward pass leaves out (Rong et al., "DropEdge", ICLR 2020).

    The authors drop directed entries of the adjacency, each on its own. CHOICE, after DASTM's text ("randomly dropping
    4 edges"; "24 * 0.1 = 2.4 edges" of NTU's 24 bones): whole bones, so both directions, and always exactly `bones`.
    """

    hops: Int[Tensor, "V V"]
    paths: Float[Tensor, "V V E"]

    def __init__(self, layout: Layout, bones: int) -> None:
        super().__init__()
        self.bones = bones
        self.register_buffer("hops", hops(layout), persistent=False)
        self.register_buffer("paths", bone_paths(layout).float(), persistent=False)

    def forward(self) -> Int[Tensor, "V V"]:
        """Hops between joints along the bones that are left; FAR between joints that these do not connect.

        The draw is torch's, as that of dropout, on the device of this module, and the host does not wait for it.
        """
        order = torch.rand(self.paths.shape[-1], device=self.paths.device).argsort()
        dropped = torch.zeros_like(order, dtype=self.paths.dtype).index_fill(0, order[: self.bones], 1)
        return self.hops_without(dropped)

    def hops_without(self, dropped: Float[Tensor, "E"]) -> Int[Tensor, "V V"]:
        """The same for given bones, 1 where a bone is dropped and 0 elsewhere. A tree has one path for two joints."""
        return self.hops.masked_fill((self.paths * dropped).sum(-1) > 0, FAR)


def dropped_bones(bones: int, drop_edges: int, rate: float) -> int:
    """How many of a layout's bones a pass leaves out: `drop_edges`, or those that `int(bones * (1 - rate))` leaves.

    The product is rounded to nine digits, so that 10 bones at a rate of 0.9 keep one.

    >>> dropped_bones(24, drop_edges=4, rate=0.0), dropped_bones(24, 0, 0.1), dropped_bones(10, 0, 0.9)
    (4, 3, 9)
    """
    return drop_edges or bones - int(round(bones * (1 - rate), 9))
