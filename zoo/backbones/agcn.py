"""2s-AGCN, one stream (Shi et al., CVPR 2019): ST-GCN whose graph is fixed + learnt + drawn from each clip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._authors import moved
from zoo.backbones._backbone import ChannelNorm, TemporalConvolution, graph_convolution, pointwise
from zoo.backbones._graph import directed_partition, hops, outward_bones
from zoo.backbones._graph_backbone import GraphBackbone, GraphOptions
from zoo.backbones._slot_norm import SlotNorm

# (channels, stride) of every block.
BLOCKS = ((64, 1),) * 4 + ((128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1))
STEM = BLOCKS[:3]
SMALL = 1e-6
"""Where the authors let learnt edges, and the weight of the normalisation after each graph convolution, begin."""


@dataclass(frozen=True)
class Options(GraphOptions):
    """What a recipe may change: `adaptive` False leaves out the graph drawn from each clip (C_k in the paper)."""

    adaptive: bool = True


class Model(GraphBackbone):
    """Clips (X, M, T, V, C) to the mean map over present bodies, (X, ceil(ceil(T / 2) / 2), V, 256).

    The input's normalisation has statistics for every body slot (M*V*C), as the authors' has: once it is trained, the
    order of bodies matters.
    """

    adjacency: Float[Tensor, "P V V"]
    outward: Bool[Tensor, "V V"]

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options, stem: bool = False) -> None:
        super().__init__(layout, channels, bodies, options, stem)
        self.register_buffer("outward", outward_bones(layout), persistent=False)
        self.register_buffer("adjacency", directed_partition(hops(layout), self.outward))
        self.norm = SlotNorm(bodies, len(layout.joints), self.channels)
        sizes = STEM if stem else BLOCKS
        widths = [self.channels] + [width for width, _ in sizes]
        self.blocks = nn.ModuleList(
            Block(
                AdaptiveConvolution(
                    widths[index], width, self.adjacency.shape, options.adaptive, self.make_pair_norm()
                ),
                widths[index],
                width,
                stride,
                residual=index > 0,
            )
            for index, (width, stride) in enumerate(sizes)
        )
        self.width = widths[-1]

    def graph(self) -> Float[Tensor, "P V V"]:
        """The fixed graph of this pass: DropEdge does not touch learnt edges, nor those that are drawn from a clip."""
        if self.dropped_hops is None:
            return self.adjacency
        return directed_partition(self.dropped_hops, self.outward).to(self.adjacency)

    def normalise_input(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M T V C"]:
        """In training, each slot by the statistics of the bodies that are counted in it."""
        return self.norm(clips, counted)

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ V D"]:
        """One map per body, body after body of one clip."""
        maps, graph = clips.flatten(0, 1), self.graph()
        for block in self.blocks:
            maps = block(maps, graph)
        return maps


class Block(nn.Module):
    """Joints, then frames, then the shortcut: none, identity, or a strided 1x1 convolution where shapes change."""

    def __init__(self, joints: AdaptiveConvolution, channels: int, width: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.joints = joints
        self.frames = nn.Sequential(_kaiming(TemporalConvolution(width, width, stride=stride)), ChannelNorm(width))
        self.residual = residual
        self.shortcut = nn.Sequential()
        if residual and (channels != width or stride != 1):
            self.shortcut = nn.Sequential(_kaiming(TemporalConvolution(channels, width, 1, stride)), ChannelNorm(width))

    def forward(self, maps: Float[Tensor, "X T V C"], adjacency: Float[Tensor, "P V V"]) -> Float[Tensor, "X _ V D"]:
        """One block; the frames are divided by its stride."""
        out = self.frames(self.joints(maps, adjacency))
        return F.relu(out + self.shortcut(maps)) if self.residual else F.relu(out)


class AdaptiveConvolution(nn.Module):
    """Graph convolution over A + B + C: the skeleton's graph, learnt edges, and a graph drawn from the clip (eq. 3)."""

    def __init__(
        self, channels: int, width: int, graph: torch.Size, adaptive: bool, pair_norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.pair_norm = pair_norm or nn.Identity()
        self.partitions, self.narrow = graph[0], width // 4
        self.learnt = nn.Parameter(torch.full(graph, SMALL))
        self.pair = nn.Linear(channels, 2 * self.partitions * self.narrow) if adaptive else None
        self.maps = nn.Linear(channels * self.partitions, width)
        self.norm = ChannelNorm(width)
        self.shortcut = nn.Sequential()
        if channels != width:
            self.shortcut = nn.Sequential(_kaiming(TemporalConvolution(channels, width, 1)), ChannelNorm(width))
        self._initialise(channels, width)

    def _initialise(self, channels: int, width: int) -> None:
        """The authors' draws: Kaiming by outputs for each pair map, a third of the variance for the three outputs."""
        nn.init.normal_(self.maps.weight, std=math.sqrt(2 / (width * channels * self.partitions)))
        nn.init.zeros_(self.maps.bias)
        nn.init.constant_(self.norm.weight, SMALL)
        if self.pair is not None:
            nn.init.normal_(self.pair.weight, std=math.sqrt(2 / self.narrow))
            nn.init.zeros_(self.pair.bias)

    def forward(self, maps: Float[Tensor, "X T V C"], adjacency: Float[Tensor, "P V V"]) -> Float[Tensor, "X T V D"]:
        """The sum over partitions of W_p x G_p + b_p, normalised, plus the shortcut."""
        graph = adjacency + self.learnt
        if self.pair is not None:
            graph = graph + self.similarity(maps, self.pair)
        out = graph_convolution(maps, graph, self.maps.weight, self.maps.bias)
        return F.relu(self.norm(self.pair_norm(out)) + self.shortcut(maps))

    def similarity(self, maps: Float[Tensor, "X T V C"], pair: nn.Linear) -> Float[Tensor, "X P V V"]:
        """C_p of every clip: how like two joints are over all frames, a softmax over the source joints."""
        both = pointwise(maps, pair.weight, pair.bias).unflatten(3, (2, self.partitions, self.narrow))
        source, output = both[:, :, :, 0], both[:, :, :, 1]
        scores = torch.einsum("xtvpe,xtwpe->xpvw", source, output) / (maps.shape[1] * self.narrow)
        return scores.softmax(-2)


def _kaiming(layer: TemporalConvolution) -> TemporalConvolution:
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def from_authors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state from that of the authors' `Model` (2s-AGCN, model/agcn.py), or of DASTM's copy.

    Three 1x1 convolutions per role are one linear map here, and their three output biases are one, the sum. Their
    classifier `fc` is left out. Raises KeyError with the name of a weight that is missing.
    """
    state = moved(weights, "data_bn", "norm")
    names = {
        "gcn1.bn": "joints.norm",
        "gcn1.down.0": "joints.shortcut.0",
        "gcn1.down.1": "joints.shortcut.1",
        "tcn1.conv": "frames.0",
        "tcn1.bn": "frames.1",
        "residual.conv": "shortcut.0",
        "residual.bn": "shortcut.1",
    }
    for index in range(sum(name.endswith("gcn1.PA") for name in weights)):
        for theirs, ours in names.items():
            state |= moved(weights, f"l{index + 1}.{theirs}", f"blocks.{index}.{ours}")
        joints = _joined(weights, f"l{index + 1}.gcn1")
        state |= {f"blocks.{index}.joints.{name}": value for name, value in joints.items()}
    return state


def _joined(weights: Mapping[str, Tensor], unit: str) -> dict[str, Tensor]:
    """One graph convolution: its learnt edges, pair maps and output maps."""
    pairs = [f"{unit}.{role}.{part}" for role in ("conv_a", "conv_b") for part in range(3)]
    outs = [f"{unit}.conv_d.{part}" for part in range(3)]
    return {
        "pair.weight": torch.cat([weights[f"{name}.weight"].flatten(1) for name in pairs]),
        "pair.bias": torch.cat([weights[f"{name}.bias"] for name in pairs]),
        "maps.weight": torch.cat([weights[f"{name}.weight"].flatten(1) for name in outs], dim=1),
        "maps.bias": torch.stack([weights[f"{name}.bias"] for name in outs]).sum(0),
        "learnt": weights[f"{unit}.PA"],
    }
