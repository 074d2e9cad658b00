"""ST-GCN (Yan et al., AAAI 2018): a spatial graph convolution, then one over frames, ten times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._authors import moved
from zoo.backbones._backbone import ChannelNorm, TemporalConvolution, graph_convolution
from zoo.backbones._graph import hops, spatial_partition
from zoo.backbones._graph_backbone import GraphBackbone, GraphOptions

# (channels, stride) of every block. The authors' ten; the appendix of DASTM names nets of seven and four blocks
# without listing them: these two are our choice, and keep width 256 and a quarter of the frames.
BLOCKS: dict[int, tuple[tuple[int, int], ...]] = {
    10: ((64, 1),) * 4 + ((128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1)),
    7: ((64, 1),) * 3 + ((128, 2), (128, 1), (256, 2), (256, 1)),
    4: ((64, 1), (64, 1), (128, 2), (256, 2)),
}
STEM = BLOCKS[10][:3]


@dataclass(frozen=True)
class Options(GraphOptions):
    """What a recipe may change. The defaults are the settings of DASTM.

    `blocks` is 10, 7 or 4; `exact_hops` False keeps the authors' partition, True counts all hops (see _graph);
    `edge_importance` learns a factor for every edge of every block (the original's setting).
    """

    blocks: Literal[10, 7, 4] = 10
    exact_hops: bool = False
    edge_importance: bool = False
    dropout: float = 0.1


class Model(GraphBackbone):
    """Clips (X, M, T, V, C) to the mean map over present bodies, (X, ceil(ceil(T / 2) / 2), V, 256)."""

    adjacency: Float[Tensor, "P V V"]

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options, stem: bool = False) -> None:
        super().__init__(layout, channels, bodies, options, stem)
        self.centre, self.exact_hops = layout.centre, options.exact_hops
        self.register_buffer("adjacency", spatial_partition(hops(layout), self.centre, self.exact_hops))
        self.norm = nn.BatchNorm1d(len(layout.joints) * self.channels)
        sizes = STEM if stem else BLOCKS[options.blocks]
        self.blocks = nn.ModuleList(_blocks(self.channels, sizes, options.dropout, self.make_pair_norm))
        shape = self.adjacency.shape
        self.importance = nn.ParameterList(torch.ones(shape) for _ in self.blocks if options.edge_importance)
        self.width = sizes[-1][0]

    def graph(self) -> Float[Tensor, "P V V"]:
        """The partitions of this pass."""
        if self.dropped_hops is None:
            return self.adjacency
        return spatial_partition(self.dropped_hops, self.centre, self.exact_hops).to(self.adjacency)

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ V D"]:
        """One map per body; all bodies share the statistics of the input's normalisation (V*C of them)."""
        maps = self.norm(clips.flatten(0, 2).flatten(1)).view(-1, *clips.shape[2:])
        graph = self.graph()
        for index, block in enumerate(self.blocks):
            maps = block(maps, graph * self.importance[index] if len(self.importance) else graph)
        return maps


def _blocks(
    channels: int, sizes: Sequence[tuple[int, int]], dropout: float, pair_norm: Callable[[], nn.Module]
) -> Iterator[Block]:
    for index, (width, stride) in enumerate(sizes):
        first = index == 0
        yield Block(channels, width, stride, 0.0 if first else dropout, not first, pair_norm())
        channels = width


class Block(nn.Module):
    """Joints, then frames, then the shortcut: none, identity, or a strided 1x1 convolution where shapes change."""

    def __init__(
        self, channels: int, width: int, stride: int, dropout: float, residual: bool, pair_norm: nn.Module
    ) -> None:
        super().__init__()
        self.joints = JointConvolution(channels, width)
        self.pair_norm = pair_norm
        self.norm_in = ChannelNorm(width)
        self.frames = TemporalConvolution(width, width, stride=stride)
        self.norm_out = ChannelNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.residual = residual
        self.shortcut = nn.Sequential()
        if residual and (channels != width or stride != 1):
            self.shortcut = nn.Sequential(TemporalConvolution(channels, width, 1, stride), ChannelNorm(width))

    def forward(self, maps: Float[Tensor, "X T V C"], adjacency: Float[Tensor, "P V V"]) -> Float[Tensor, "X _ V D"]:
        """One block; the frames are divided by its stride."""
        out = self.frames(F.relu(self.norm_in(self.pair_norm(self.joints(maps, adjacency)))))
        out = self.dropout(self.norm_out(out))
        return F.relu(out + self.shortcut(maps)) if self.residual else F.relu(out)


class JointConvolution(nn.Module):
    """One linear map per partition, then a sum over joints: out[w] = sum of adjacency[p, v, w] * (W_p x[v] + b_p)."""

    def __init__(self, channels: int, width: int, partitions: int = 3) -> None:
        super().__init__()
        self.maps = nn.Linear(channels, partitions * width)
        self.partitions = partitions

    def forward(self, maps: Float[Tensor, "X T V C"], adjacency: Float[Tensor, "P V V"]) -> Float[Tensor, "X T V D"]:
        """Joints are mixed first, which is the same sum in another order; a bias then arrives once per edge."""
        weight = self.maps.weight.unflatten(0, (self.partitions, -1))
        bias = self.maps.bias.view(self.partitions, -1)
        out = graph_convolution(maps, adjacency, weight.movedim(0, 1).flatten(1))
        return out + (adjacency.sum(1).T @ bias).to(out.dtype)


def from_authors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state from that of the authors' `Model` (st-gcn, net/st_gcn.py) or of DASTM's ST_GCN_18.

    Their classifier `fcn` is left out. Raises KeyError with the name of a weight that is missing.
    """
    state = {"adjacency": weights["A"]} if "A" in weights else {}
    state |= moved(weights, "data_bn", "norm") | moved(weights, "edge_importance", "importance")
    names = {
        "gcn.conv": "joints.maps",
        "tcn.0": "norm_in",
        "tcn.2": "frames",
        "tcn.3": "norm_out",
        "residual.0": "shortcut.0",
        "residual.1": "shortcut.1",
    }
    for index in range(sum(name.endswith("gcn.conv.weight") for name in weights)):
        for theirs, ours in names.items():
            state |= moved(weights, f"st_gcn_networks.{index}.{theirs}", f"blocks.{index}.{ours}")
        state[f"blocks.{index}.joints.maps.weight"] = weights[f"st_gcn_networks.{index}.gcn.conv.weight"].flatten(1)
    return state
