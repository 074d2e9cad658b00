"""CTR-GCN, one stream (Chen et al., ICCV 2021): every channel has its own graph, learnt + drawn from each clip.

"Channel-wise Topology Refinement Graph Convolution": all channels share one learnt graph, and each refines it.
"""

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
from zoo.backbones._backbone import ChannelNorm, TemporalConvolution
from zoo.backbones._graph import directed_partition, hops, outward_bones
from zoo.backbones._graph_backbone import GraphBackbone, GraphOptions
from zoo.backbones._multi_scale_tcn import MultiScaleTcn, tcn_from_authors
from zoo.backbones._slot_norm import SlotNorm
from zoo.checks import share

# (channels, stride) of every block.
BLOCKS = ((64, 1),) * 4 + ((128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1))
STEM = 3
"""Blocks of a stem: the first ones, three layers of 64 channels."""
FRAMES, DILATIONS = 5, (1, 2)
SMALL = 1e-6
"""Where the weight of the normalisation after each graph convolution begins, and the share of the refinement."""


@dataclass(frozen=True)
class Options(GraphOptions):
    """What a recipe may change: `dropout` after the temporal convolution of every block but the first.

    CHOICE: the authors' own dropout, 0 by default, comes before their classifier, which no backbone has; this is where
    ST-GCN has its own.
    """

    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        share(self, "dropout")


class Model(GraphBackbone):
    """Clips (X, M, T, V, C) to the mean map over present bodies, (X, ceil(ceil(T / 2) / 2), V, 256).

    The input's normalisation has statistics for every body slot (M*V*C), as the authors' has: once it is trained, the
    order of bodies matters. DropEdge takes bones from the fixed graph where the shared graph began; what it has learnt
    since, and the refinements, stay.
    """

    adjacency: Float[Tensor, "P V V"]
    outward: Bool[Tensor, "V V"]

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options, stem: bool = False) -> None:
        super().__init__(layout, channels, bodies, options, stem)
        self.register_buffer("outward", outward_bones(layout), persistent=False)
        # The matrices are those of 2s-AGCN, which the authors apply from the other side: rows are outputs.
        self.register_buffer("adjacency", directed_partition(hops(layout), self.outward).mT, persistent=False)
        self.norm = SlotNorm(bodies, len(layout.joints), self.channels)
        blocks, channels = [], self.channels
        for index, (width, stride) in enumerate(BLOCKS[: STEM if stem else None]):
            joints = RefinedConvolution(channels, width, self.adjacency, self.make_pair_norm())
            blocks.append(Block(joints, channels, width, stride, options.dropout if index else 0.0, index > 0))
            channels = width
        self.blocks = nn.ModuleList(blocks)
        self.width = channels

    def dropped(self) -> Float[Tensor, "P V V"] | None:
        """What this pass adds to every shared graph: the fixed graph of the bones left minus the whole one, or None."""
        if self.dropped_hops is None:
            return None
        return directed_partition(self.dropped_hops, self.outward).mT.to(self.adjacency) - self.adjacency

    def normalise_input(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M T V C"]:
        """In training, each slot by the statistics of the bodies that are counted in it."""
        return self.norm(clips, counted)

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ V D"]:
        """One map per body, body after body of one clip."""
        maps, dropped = clips.flatten(0, 1), self.dropped()
        for block in self.blocks:
            maps = block(maps, dropped)
        return maps


class Block(nn.Module):
    """Joints, then frames, then the shortcut: none, identity, or a strided 1x1 convolution where shapes change."""

    def __init__(
        self, joints: RefinedConvolution, channels: int, width: int, stride: int, dropout: float, residual: bool
    ) -> None:
        super().__init__()
        self.joints = joints
        self.frames = _started(MultiScaleTcn(width, width, FRAMES, DILATIONS, stride))
        self.dropout = nn.Dropout(dropout)
        self.residual = residual
        self.shortcut = nn.Sequential()
        if residual and (channels != width or stride != 1):
            self.shortcut = _projection(channels, width, stride)

    def forward(
        self, maps: Float[Tensor, "X T V C"], dropped: Float[Tensor, "P V V"] | None
    ) -> Float[Tensor, "X _ V D"]:
        """One block; the frames are divided by its stride."""
        out = self.dropout(self.frames(self.joints(maps, dropped)))
        return F.relu(out + self.shortcut(maps)) if self.residual else F.relu(out)


class RefinedConvolution(nn.Module):
    """Graph convolution whose graph is A + alpha * Q for each channel (eq. 1-4), summed over the partitions.

    Q is a linear map of tanh(first[w] - second[v]), where `first` and `second` are linear maps of a joint's mean over
    frames. CHOICE: alpha begins at 1e-6; at the authors' 0 the weights of Q have no gradient in the first step.
    """

    def __init__(self, channels: int, width: int, adjacency: Float[Tensor, "P V V"], pair_norm: nn.Module) -> None:
        super().__init__()
        self.partitions, self.narrow = len(adjacency), 8 if channels < 64 else channels // 8
        self.shared = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.full((1,), SMALL))
        self.pair = nn.Linear(channels, 2 * self.partitions * self.narrow)
        self.refine = nn.Linear(self.narrow, self.partitions * width)
        self.maps = nn.Linear(channels, self.partitions * width)
        self.pair_norm = pair_norm
        self.norm = ChannelNorm(width)
        self.shortcut = _projection(channels, width, 1) if channels != width else nn.Sequential()
        for layer, outputs in ((self.pair, self.narrow), (self.refine, width), (self.maps, width)):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / outputs))
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.norm.weight, SMALL)

    def forward(
        self, maps: Float[Tensor, "X T V C"], dropped: Float[Tensor, "P V V"] | None
    ) -> Float[Tensor, "X T V D"]:
        """The normalised sum over partitions plus the shortcut, ReLU; `dropped` is added to the shared graph."""
        out = self.pair_norm(self.mixed(maps, self.shared if dropped is None else self.shared + dropped))
        return F.relu(self.norm(out) + self.shortcut(maps))

    def mixed(self, maps: Float[Tensor, "X T V C"], shared: Float[Tensor, "P V V"]) -> Float[Tensor, "X T V D"]:
        """The sum over partitions: one matrix product makes all graphs of a partition, one adds all mixed channels."""
        (X, T, V, C), P = maps.shape, self.partitions
        relations = self.relations(maps)
        weights = (self.alpha * self.refine.weight).view(P, -1, self.narrow)
        fixed = shared.flatten(1)[:, None] + (self.alpha * self.refine.bias).view(P, -1, 1)
        rows = maps.permute(0, 3, 1, 2).reshape(X, C, T * V)
        out = None
        for part, (weight, bias) in enumerate(zip(self.maps.weight.chunk(P), self.maps.bias.chunk(P), strict=True)):
            graphs = torch.baddbmm(fixed[part, None], weights[part].expand(X, -1, -1), relations[:, part])
            mapped = torch.baddbmm(bias[None, :, None], weight.expand(X, -1, -1), rows)
            channels = mapped.reshape(-1, T, V), graphs.reshape(-1, V, V)
            out = torch.bmm(*channels) if out is None else torch.baddbmm(out, *channels)
        assert out is not None
        return out.view(X, -1, T, V).permute(0, 2, 3, 1)

    def relations(self, maps: Float[Tensor, "X T V C"]) -> Float[Tensor, "X P _ _"]:
        """tanh(first[w] - second[v]) of every clip and partition; joints v (source) and w (output) in one axis."""
        both = self.pair(maps.mean(1)).unflatten(2, (2, self.partitions, self.narrow)).permute(2, 0, 3, 4, 1)
        first, second = both.unbind(0)
        return torch.tanh(first[..., None, :] - second[..., :, None]).flatten(3)


def _projection(channels: int, width: int, stride: int) -> nn.Sequential:
    layer = TemporalConvolution(channels, width, 1, stride)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    nn.init.zeros_(layer.get_parameter("bias"))
    return nn.Sequential(layer, ChannelNorm(width))


def _started(layer: MultiScaleTcn) -> MultiScaleTcn:
    """The authors' draws for the temporal branches: Kaiming by the outputs of each, normalisations around 1."""
    for linear in (layer.reduce, layer.direct):
        nn.init.normal_(linear.weight, std=math.sqrt(2 / layer.branch))
        nn.init.zeros_(linear.bias)
    for convolution in layer.dilated:
        nn.init.kaiming_normal_(convolution.get_parameter("weight"), mode="fan_out")
        nn.init.zeros_(convolution.get_parameter("bias"))
    for norm in (layer.norm_in, layer.norm_out):
        nn.init.normal_(norm.weight, 1.0, 0.02)
    return layer


def from_authors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state from that of the authors' `Model` (CTR-GCN, model/ctrgcn.py) with learnt graphs, their default.

    Three 1x1 convolutions per role are one linear map here, and graphs are (partition, source, output) rather than
    (partition, output, source). Their classifier `fc` is left out. Raises KeyError with the name of a missing weight.
    """
    state = moved(weights, "data_bn", "norm")
    names = {
        "gcn1.bn": "joints.norm",
        "gcn1.down.0": "joints.shortcut.0",
        "gcn1.down.1": "joints.shortcut.1",
        "residual.conv": "shortcut.0",
        "residual.bn": "shortcut.1",
    }
    for index in range(sum(name.endswith("gcn1.PA") for name in weights)):
        layer, block = f"l{index + 1}", f"blocks.{index}"
        for theirs, ours in names.items():
            state |= moved(weights, f"{layer}.{theirs}", f"{block}.{ours}")
        state |= tcn_from_authors(weights, f"{layer}.tcn1", f"{block}.frames")
        joints = _joined(weights, f"{layer}.gcn1")
        state |= {f"{block}.joints.{name}": value for name, value in joints.items()}
    return state


def _joined(weights: Mapping[str, Tensor], unit: str) -> dict[str, Tensor]:
    """One graph convolution: its graphs and its linear maps."""
    state = {"shared": weights[f"{unit}.PA"].mT.contiguous(), "alpha": weights[f"{unit}.alpha"]}
    for ours, roles in (("pair", ("conv1", "conv2")), ("maps", ("conv3",)), ("refine", ("conv4",))):
        layers = [f"{unit}.convs.{part}.{role}" for role in roles for part in range(3)]
        state[f"{ours}.weight"] = torch.cat([weights[f"{layer}.weight"].flatten(1) for layer in layers])
        state[f"{ours}.bias"] = torch.cat([weights[f"{layer}.bias"] for layer in layers])
    return state
