"""Backbone: the contract of every backbone. Clips go in, one feature map per clip comes out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from manifests.layout import Layout
from zoo.backbones._recompute import not_kept


class ShapeError(ValueError):
    """Clips that do not fit the layout, channels or bodies that a backbone was built for."""


class Backbone(nn.Module):
    """Clips to feature maps. A subclass sets `width` (channels of the map) and writes `features`.

    A map has T' frames and V' joints; both may be 1 for backbones that pool, and `map_joints` is V'. It is the mean
    over the bodies that are present: a body that is zero in every frame is ignored, and a clip without any body gives
    zeros.

    On the CPU, empty bodies are left out of the computation in evaluation, where that changes nothing but rounding.
    In training they are computed, since in the authors' code the statistics of batch normalisation include their zeros,
    unless `skip_empty` is True. Only the device knows which bodies are empty, and reading that would make the host wait
    for a GPU. So a GPU computes all bodies, except in training with `skip_empty`, where the host waits once per call.
    """

    width: int
    map_joints: int
    skip_empty: bool = False

    def __init__(self, layout: Layout, channels: int, bodies: int) -> None:
        super().__init__()
        self.shape = (bodies, len(layout.joints), channels)
        self.layout_name = layout.name
        self.map_joints = len(layout.joints)

    def features(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "_ _ _ D"]:
        """One map per body, (X*M, T', V, D), body after body of one clip; a body's map depends on that body alone.

        Where empty bodies are left out, each present body arrives as a clip of its own, with M = 1.
        """
        raise TypeError(f"{type(self).__module__} is a backbone without `features`; write that method.")

    def normalise_slots(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "X M T V C"]:
        """What treats the first and the second body of a clip differently; it comes before `features`. By default none.

        Batch statistics are those of the bodies with True in `counted`, of all bodies where it is None.
        """
        return clips

    def forward(self, clips: Float[Tensor, "X M T V C"]) -> Float[Tensor, "X _ _ D"]:
        """The mean map over present bodies. Raises ShapeError when M, V or C is not what the backbone was built for."""
        given = (clips.shape[1], clips.shape[3], clips.shape[4])
        if given != self.shape:
            raise ShapeError(
                f"clips have (bodies, joints, channels) {given}, but this backbone was built for {self.shape} "
                f"(layout `{self.layout_name}`). Build it with the numbers of the store, or choose other streams."
            )
        present = present_bodies(clips)
        skips = self.skip_empty if self.training else clips.device.type == "cpu"
        counted = present if skips else None
        return mean_of_present(self.body_maps(self.normalise_slots(clips, counted), counted), present)

    def body_maps(
        self, clips: Float[Tensor, "X M T V C"], counted: Bool[Tensor, "X M"] | None
    ) -> Float[Tensor, "_ _ _ D"]:
        """`features` of the bodies with True in `counted`, and zeros for the others; of all bodies where it is None."""
        if counted is None or not 0 < (bodies := int(counted.sum())) < counted.numel():
            return self.features(clips)
        maps = self.features(clips[counted].view(bodies, 1, *clips.shape[2:]))
        return maps.new_zeros(counted.numel(), *maps.shape[1:]).index_put((counted.flatten(),), maps)

    def map_frames(self, frames: int) -> int:
        """T' of the map of a clip of T frames, which an empty clip shows; for what learns weights for every frame."""
        bodies, joints, channels = self.shape
        parameter = next(self.parameters(), None)
        training, device = self.training, None if parameter is None else parameter.device
        with torch.no_grad():
            maps = self.eval()(torch.zeros(1, bodies, frames, joints, channels, device=device))
        self.train(training)
        return maps.shape[1]


def present_bodies(clips: Float[Tensor, "X M T V C"]) -> Bool[Tensor, "X M"]:
    """True where a body is not zero in every frame."""
    return clips.ne(0).flatten(2).any(-1)


def mean_of_present(maps: Float[Tensor, "_ _ _ D"], present: Bool[Tensor, "X M"]) -> Float[Tensor, "X _ _ D"]:
    """Mean over bodies with True in `present`; zeros where there is none. `maps` has the bodies of a clip side by side.

    >>> import torch
    >>> maps = torch.tensor([2.0, 4.0, 6.0, 9.0]).view(4, 1, 1, 1)
    >>> mean_of_present(maps, torch.tensor([[True, True], [True, False]])).flatten().tolist()
    [3.0, 6.0]
    """
    share = present.to(maps.dtype) / present.sum(1, keepdim=True).clamp(min=1)
    maps = maps.unflatten(0, present.shape)
    return (maps * share[:, :, None, None, None]).sum(1)


def mix_joints(maps: Float[Tensor, "X T V C"], adjacency: Float[Tensor, "*_ P V V"]) -> Float[Tensor, "X T V _"]:
    """Graph aggregation: sum over v of adjacency[p, v, w] * maps[v] for every joint w, partitions p side by side (P*C).

    Mixing joints BEFORE the 1x1 convolution, while channels are few, equals the authors' order, and in channels-last
    memory every step is a view. `adjacency` is one stack (P, V, V) or one for every clip (X, P, V, V).

    >>> import torch
    >>> maps = torch.tensor([[[[1.0], [10.0]]]])
    >>> mix_joints(maps, torch.tensor([[[0.0, 1.0], [0.5, 0.0]]])).flatten().tolist()
    [5.0, 1.0]
    """
    table = adjacency.movedim(-1, -3).flatten(-3, -2)
    if table.dim() == 3:
        table = table[:, None]
    return (table.to(maps.dtype) @ maps).unflatten(2, (maps.shape[2], -1)).flatten(3)


def pointwise(
    maps: Float[Tensor, "X T V C"], weight: Float[Tensor, "D C"], bias: Float[Tensor, "D"] | None = None
) -> Float[Tensor, "X T V D"]:
    """`maps @ weight.T + bias` as a convolution: on a processor its channels-last kernel is far the faster one."""
    return F.conv2d(maps.permute(0, 3, 1, 2), weight[:, :, None, None], bias).permute(0, 2, 3, 1)


def graph_convolution(
    maps: Float[Tensor, "X T V C"],
    adjacency: Float[Tensor, "*_ P V V"],
    weight: Float[Tensor, "D _"],
    bias: Float[Tensor, "D"] | None = None,
) -> Float[Tensor, "X T V D"]:
    """`mix_joints`, then `pointwise`. The mixed joints, P times as large as the maps, are made again in the backward
    pass: of the three products of a block this is the smallest."""
    mixed = mix_joints(maps, adjacency)
    with not_kept(mixed, lambda: mix_joints(maps, adjacency)):
        return pointwise(mixed, weight, bias)


class TemporalConvolution(nn.Conv2d):
    """A convolution over frames only, (X, T, V, C) to (X, ceil(T / stride), V, D)."""

    def __init__(self, channels: int, width: int, frames: int = 9, stride: int = 1) -> None:
        super().__init__(channels, width, (frames, 1), (stride, 1), (frames // 2, 0))

    def forward(self, maps: Float[Tensor, "X T V C"]) -> Float[Tensor, "X _ V D"]:
        """Channels last in and out."""
        return super().forward(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ChannelNorm(nn.BatchNorm2d):
    """Batch normalisation of every channel of (X, T, V, C)."""

    def forward(self, maps: Float[Tensor, "X T V C"]) -> Float[Tensor, "X T V C"]:
        """Channels last in and out."""
        return super().forward(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
