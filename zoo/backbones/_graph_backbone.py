"""GraphBackbone: what backbones with graph convolutions share. Early fusion of streams, PairNorm and DropEdge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._backbone import Backbone, ShapeError
from zoo.backbones._drop_edge import DropEdge, dropped_bones
from zoo.backbones._pair_norm import PairNorm


@dataclass(frozen=True)
class GraphOptions:
    """What a recipe may change in every backbone with graph convolutions.

    `early_fusion`: every stream of a clip (`data.streams`, such as joint, bone, velocity) goes through a stem of its
    own before the whole network (PAINet). `pair_norm` with `pair_norm_scale` normalises the joints of every frame
    after each graph convolution, before its batch normalisation. `drop_edges` bones, or the share `drop_edge_rate` of
    all bones, are left out of the graph in training, others in every forward pass.
    """

    early_fusion: bool = field(default=False, metadata={"before": False})
    pair_norm: Literal["none", "pn", "pn_si", "pn_scs"] = field(default="none", metadata={"before": "none"})
    pair_norm_scale: float = field(default=1.0, metadata={"before": 1.0})
    drop_edges: int = field(default=0, metadata={"before": 0})
    drop_edge_rate: float = field(default=0.0, metadata={"before": 0.0})

    def __post_init__(self) -> None:
        if self.pair_norm_scale <= 0:
            raise ValueError(f"pair_norm_scale is {self.pair_norm_scale}; it must be above 0")
        if self.drop_edges < 0:
            raise ValueError(f"drop_edges is {self.drop_edges}; it counts bones, so it must be at least 0")
        if not 0 <= self.drop_edge_rate <= 1:
            raise ValueError(f"drop_edge_rate is {self.drop_edge_rate}; it is a share of the bones, 0 to 1")
        if self.drop_edges and self.drop_edge_rate:
            both = f"drop_edges is {self.drop_edges} and drop_edge_rate is {self.drop_edge_rate}"
            raise ValueError(f"{both}; set one of them, and the other one to 0")


class GraphBackbone(Backbone):
    """A network of graph convolutions over `self.channels` input channels, and the stems before it.

    A subclass calls this `__init__` first and builds its network for `self.channels`; with `stem` True it builds only
    the first blocks of it, a stem, and sets `width` to their channels. Its graph is that of `self.dropped_hops` where
    these are not None (see DropEdge), and `self.make_pair_norm()` makes the layer between each graph convolution and
    its batch normalisation. An input normalisation with statistics for every body slot belongs into `normalise_input`.

    Early fusion (PAINet; read in the code of its follow-ups ESR-MM and FICAMA): one unshared stem per stream, each
    with an input normalisation of its own, then their maps side by side along the channels, then the whole network
    with its own input normalisation. Bodies are kept apart throughout. CHOICE: a stem is the first three blocks. Where
    empty bodies are left out (see Backbone), that is so in the stems too, and the host waits once for each.

    DropEdge draws once in a forward pass in training: all blocks and stems share the graph, and so do all clips of the
    pass: one episode, or the B episodes of a step. Self loops are kept. A joint without bones keeps its own channels.
    Partitions and normalisation are those of the remaining bones.
    """

    def __init__(self, layout: Layout, channels: int, bodies: int, options: GraphOptions, stem: bool = False) -> None:
        super().__init__(layout, channels, bodies)
        self.graph_options = options
        self.channels = channels
        self.stems = nn.ModuleList()
        self.drop_edge: DropEdge | None = None
        self.dropped_hops: Int[Tensor, "V V"] | None = None
        if stem:
            return
        if dropped := _checked_bones(layout, options):
            self.drop_edge = DropEdge(layout, dropped)
        if options.early_fusion:
            streams = _checked_streams(layout, channels)
            make = type(self)
            self.stems.extend(make(layout, layout.coordinates, bodies, options, True) for _ in range(streams))
            self.channels = sum(stem.width for stem in self._stems())

    def make_pair_norm(self) -> nn.Module:
        """A layer for between a graph convolution and its batch normalisation."""
        return PairNorm(self.graph_options.pair_norm, self.graph_options.pair_norm_scale)

    def normalise_input(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M T V C"]:
        """`normalise_slots` of the network alone: it comes after the stems. By default none."""
        return clips

    def normalise_slots(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M _ V _"]:
        """The stems, where there are any, then the input normalisation of the network."""
        if len(self.stems):
            streams = clips.split(self.shape[2] // len(self.stems), dim=-1)
            maps = [stem.stem_maps(part, counted) for stem, part in zip(self._stems(), streams, strict=True)]
            clips = torch.cat(maps, dim=-1)
        return self.normalise_input(clips, counted)

    def stem_maps(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M _ V D"]:
        """The map of every body; zeros for those that are left out."""
        return self.body_maps(self.normalise_slots(clips, counted), counted).unflatten(0, clips.shape[:2])

    def forward(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X _ _ D"]:
        """As that of Backbone; in training with DropEdge, on one draw of the graph."""
        if self.drop_edge is None or not self.training:
            return super().forward(clips)
        with self._graph_of(self.drop_edge()):
            return super().forward(clips)

    @contextmanager
    def _graph_of(self, hops: Int[Tensor, "V V"]) -> Iterator[None]:
        """Within, `dropped_hops` of this network and its stems are these."""
        networks = [self, *self._stems()]
        for network in networks:
            network.dropped_hops = hops
        try:
            yield
        finally:
            for network in networks:
                network.dropped_hops = None

    def _stems(self) -> Iterator[GraphBackbone]:
        for stem in self.stems:
            assert isinstance(stem, GraphBackbone)
            yield stem


def _checked_streams(layout: Layout, channels: int) -> int:
    """How many streams the channels hold. Raises ShapeError where early fusion has nothing to fuse."""
    streams, rest = divmod(channels, layout.coordinates)
    remedy = "Set data.streams to joint, bone and velocity, or early_fusion=false."
    if not layout.bones:
        raise ShapeError(f"early_fusion needs bones, and layout `{layout.name}` has none. Set early_fusion=false.")
    if rest:
        rule = f"which is no multiple of the {layout.coordinates} coordinates of layout `{layout.name}`"
        raise ShapeError(f"early_fusion: clips have {channels} channels, {rule}. {remedy}")
    if streams < 2:
        raise ShapeError(
            f"early_fusion needs several streams; {channels} channels are one of layout `{layout.name}`. {remedy}"
        )
    return streams


def _checked_bones(layout: Layout, options: GraphOptions) -> int:
    """How many bones DropEdge leaves out. Raises ShapeError where none would be left."""
    if not options.drop_edges and not options.drop_edge_rate:
        return 0
    bones = len(layout.bones)
    dropped = dropped_bones(bones, options.drop_edges, options.drop_edge_rate)
    if dropped >= bones:
        given = (
            f"drop_edges is {options.drop_edges}"
            if options.drop_edges
            else f"drop_edge_rate is {options.drop_edge_rate}"
        )
        raise ShapeError(f"{given}, which leaves none of the {bones} bones of layout `{layout.name}`. Drop fewer.")
    return dropped
