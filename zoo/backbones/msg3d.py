"""MS-G3D (Liu et al., CVPR 2020): graphs of several scales, within frames and over windows; whole or DASTM's form.

"Disentangling and Unifying Graph Convolutions for Skeleton-Based Action Recognition". Two pathways side by side:
multi-scale graph convolution within a frame followed by multi-scale temporal convolution, and graph convolution over
windows of frames, whose graph joins joints across space and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._authors import moved
from zoo.backbones._backbone import ChannelNorm, TemporalConvolution
from zoo.backbones._disentangled import MultiScaleGcn, WindowGcn, inverse_roots, scale_graphs
from zoo.backbones._graph import hops
from zoo.backbones._graph_backbone import GraphBackbone, GraphOptions
from zoo.backbones._multi_scale_tcn import MultiScaleTcn, tcn_from_authors
from zoo.backbones._slot_norm import SlotNorm

# (channels, stride) of every block. DASTM keeps two of the authors' three, and the first divides the frames as well.
BLOCKS = {
    "full": ((96, 1), (192, 2), (384, 2)),
    "dastm": ((96, 2), (192, 2)),
}
STEM = ((96, 1),)
WINDOWS = (3, 5)
GRAPHS = ("spatial", *(f"window_{window}" for window in WINDOWS))
DILATIONS = (1, 2, 3, 4)
# The authors' numbers of scales (graph, windows) for NTU's skeleton, and for that of Kinetics.
SCALES = {"ntu25": (13, 6)}
OTHER_SCALES = (8, 8)


@dataclass(frozen=True)
class Options(GraphOptions):
    """What a recipe may change.

    `form` "dastm" is the network of DASTM's code: the first two blocks, maps of 192 channels. "full" is the authors'
    network of three blocks, maps of 384 channels. `graph_scales` counts the k-adjacencies within a frame, k = 0, 1, ...
    hops, and `window_scales` those of the windows; 0 takes the authors' numbers, 13 and 6 for `ntu25`, 8 and 8 for
    every other layout.
    """

    form: Literal["dastm", "full"] = "dastm"
    graph_scales: int = 0
    window_scales: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("graph_scales", "window_scales"):
            if (value := getattr(self, name)) < 0:
                raise ValueError(f"{name} is {value}; it counts scales: at least 1, or 0 for the authors' number")


class Model(GraphBackbone):
    """Clips (X, M, T, V, C) to the mean map over present bodies, (X, ceil(ceil(T / 2) / 2), V, D).

    D is 192 with form "dastm" and 384 with "full". The input's normalisation has statistics for every body slot
    (M*V*C), as the authors' has: once it is trained, the order of bodies matters.

    CHOICE: the window pathway of the first block goes to the block's channels at once, as the authors' does for clips
    of three channels, whatever the channels of the clips are. CHOICE: a stem of early fusion is the first block with
    all frames, so 96 channels for every stream.
    """

    roots: Float[Tensor, "_"]

    def __init__(self, layout: Layout, channels: int, bodies: int, options: Options, stem: bool = False) -> None:
        super().__init__(layout, channels, bodies, options, stem)
        graph_scales, window_scales = SCALES.get(layout.name, OTHER_SCALES)
        self.scales = (options.graph_scales or graph_scales, options.window_scales or window_scales)
        joints = len(layout.joints)
        self.register_buffer("roots", inverse_roots(joints * max(WINDOWS)), persistent=False)
        for name, graphs in zip(GRAPHS, self._graphs_of(hops(layout)), strict=True):
            self.register_buffer(name, graphs, persistent=False)
        self.norm = SlotNorm(bodies, joints, self.channels)
        blocks, width = [], self.channels
        for index, (wider, stride) in enumerate(STEM if stem else BLOCKS[options.form]):
            middle = wider if index == 0 else width
            blocks.append(Block(width, middle, wider, stride, self.scales, joints, self.make_pair_norm()))
            width = wider
        self.blocks = nn.ModuleList(blocks)
        self.width = width

    def graphs(self) -> list[Float[Tensor, "_ _ _"]]:
        """The k-adjacencies within a frame, then those of each window; in a pass with DropEdge, of the bones left."""
        if self.dropped_hops is None:
            return [self.get_buffer(name) for name in GRAPHS]
        return [graphs.to(self.roots) for graphs in self._graphs_of(self.dropped_hops)]

    def _graphs_of(self, joint_hops: Int[Tensor, "V V"]) -> list[Float[Tensor, "_ _ _"]]:
        sizes = [(self.scales[0], 1), *((self.scales[1], window) for window in WINDOWS)]
        return [scale_graphs(joint_hops, self.roots, scales, window) for scales, window in sizes]

    def normalise_input(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M T V C"]:
        """In training, each slot by the statistics of the bodies that are counted in it."""
        return self.norm(clips, counted)

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ V D"]:
        """One map per body, body after body of one clip."""
        maps, (spatial, *windows) = clips.flatten(0, 1), self.graphs()
        for block in self.blocks:
            maps = block(maps, spatial, windows)
        return maps


class Block(nn.Module):
    """The factorised pathway plus the window pathway, ReLU, then a multi-scale temporal convolution (Fig. 3)."""

    def __init__(
        self,
        channels: int,
        middle: int,
        width: int,
        stride: int,
        scales: tuple[int, int],
        joints: int,
        pair_norm: nn.Module,
    ) -> None:
        super().__init__()
        self.joints = MultiScaleGcn(channels, middle, scales[0], joints, pair_norm)
        self.frames = nn.Sequential(TemporalLayer(middle, width, stride), nn.ReLU(), TemporalLayer(width, width))
        self.windows = nn.ModuleList(
            WindowGcn(channels, middle, width, scales[1], joints, window, stride) for window in WINDOWS
        )
        self.last = TemporalLayer(width, width)

    def forward(
        self, maps: Float[Tensor, "X T V C"], spatial: Float[Tensor, "P V V"], windows: list[Float[Tensor, "_ _ _"]]
    ) -> Float[Tensor, "X _ V D"]:
        """One block; the frames are divided by its stride."""
        out = self.frames(self.joints(maps, spatial))
        for layer, graphs in zip(self.windows, windows, strict=True):
            out = out + layer(maps, graphs)
        return F.relu(self.last(F.relu(out)))


class TemporalLayer(nn.Module):
    """Multi-scale temporal convolution plus the shortcut: identity, or a strided 1x1 convolution for other shapes."""

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.branches = MultiScaleTcn(channels, width, 3, DILATIONS, stride)
        self.shortcut = nn.Sequential()
        if channels != width or stride != 1:
            self.shortcut = nn.Sequential(TemporalConvolution(channels, width, 1, stride), ChannelNorm(width))

    def forward(self, maps: Float[Tensor, "X T V C"]) -> Float[Tensor, "X _ V D"]:
        """No activation at the end."""
        return self.branches(maps) + self.shortcut(maps)


def from_authors(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state from that of the authors' `Model` (MS-G3D, model/msg3d.py; DASTM's copy has the same names).

    Their classifier `fc` is left out. Raises KeyError with the name of a weight that is missing.
    """
    state = moved(weights, "data_bn", "norm")
    for index in range(sum(name.startswith("sgcn") and name.endswith(".A_res") for name in weights)):
        ours, number = f"blocks.{index}", index + 1
        state |= _gcn(weights, f"sgcn{number}.0", f"{ours}.joints")
        layers = {f"sgcn{number}.1": "frames.0", f"sgcn{number}.2": "frames.2", f"tcn{number}": "last"}
        for theirs, layer in layers.items():
            state |= tcn_from_authors(weights, theirs, f"{ours}.{layer}.branches")
            state |= moved(weights, f"{theirs}.residual.conv", f"{ours}.{layer}.shortcut.0")
            state |= moved(weights, f"{theirs}.residual.bn", f"{ours}.{layer}.shortcut.1")
        for place in range(len(WINDOWS)):
            theirs, window = f"gcn3d{number}.gcn3d.{place}", f"{ours}.windows.{place}"
            state |= _gcn(weights, f"{theirs}.gcn3d.1", window)
            state |= moved(weights, f"{theirs}.out_bn", f"{window}.norm_out")
            state[f"{window}.join.weight"] = weights[f"{theirs}.out_conv.weight"].flatten(2)[..., None]
            state[f"{window}.join.bias"] = weights[f"{theirs}.out_conv.bias"]
    return state


def _gcn(weights: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    """Learnt edges are (scales * target, source) at the authors', (scales, source, target) here."""
    learnt = weights[f"{theirs}.A_res"]
    state = {
        f"{ours}.learnt": learnt.unflatten(0, (-1, learnt.shape[1])).mT.contiguous(),
        f"{ours}.maps.weight": weights[f"{theirs}.mlp.layers.0.weight"].flatten(1),
        f"{ours}.maps.bias": weights[f"{theirs}.mlp.layers.0.bias"],
    }
    return state | moved(weights, f"{theirs}.mlp.layers.1", f"{ours}.norm")
