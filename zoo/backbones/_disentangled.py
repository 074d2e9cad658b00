"""Disentangled multi-scale graph convolution: in one frame (MS-GCN) and over windows of frames (G3D)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from zoo.backbones._backbone import ChannelNorm, mix_joints, pointwise

FEW = 32
"""Channels below which one large matrix product is faster than one per frame."""
SMALL = 1e-6
"""The learnt edges begin between minus and plus this number, as the authors' do."""


def inverse_roots(largest: int) -> Float[Tensor, "_"]:
    """degree ** -0.5 for degrees up to the largest, as the authors' code rounds it: numpy's float32.

    >>> inverse_roots(4)[[1, 4]].tolist()
    [1.0, 0.5]
    """
    degrees = np.arange(largest + 1, dtype=np.float32).clip(min=1)
    return torch.from_numpy(np.power(degrees, np.float32(-0.5)))


def scale_graphs(
    hops: Int[Tensor, "V V"], roots: Float[Tensor, "_"], scales: int, window: int = 1
) -> Float[Tensor, "P _ _"]:
    """The k-adjacencies for k = 0 .. scales - 1: joints that are exactly k hops apart (Liu et al., 2020, eq. 3).

    Each has self loops and is normalised by the roots of the degrees at both ends. Joints that are more hops apart
    than the skeleton has are joined by self loops alone. With a window, a node is a joint in one of its frames, frame
    after frame, and has an edge to itself and to its neighbours in every other frame (eq. 6): (scales, window * V,
    window * V). `roots` are at least inverse_roots(window * V), on the device of `hops`; rounded as by the authors.

    >>> import torch
    >>> scale_graphs(torch.tensor([[0, 1], [1, 0]]), inverse_roots(2), scales=3).round(decimals=1).tolist()
    [[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]]
    """
    own = torch.eye(len(hops) * window, dtype=torch.bool, device=hops.device)
    # A joint is one hop away from itself in another frame.
    distance = hops.clamp(min=1).repeat(window, window).masked_fill(own, 0)
    scale = torch.arange(scales, device=hops.device)[:, None, None]
    kept = distance.eq(scale) | own
    root = roots.double()[kept.sum(-1)]
    return (root[:, :, None] * kept * root[:, None, :]).float()


class MultiScaleGcn(nn.Module):
    """Joints at 0 .. P - 1 hops mixed with weights of their own, over fixed plus learnt edges (Liu et al., eq. 4).

    `pair_norm` comes between the sum and its batch normalisation.
    """

    def __init__(self, channels: int, width: int, scales: int, joints: int, pair_norm: nn.Module) -> None:
        super().__init__()
        self.channels = channels
        self.learnt = nn.Parameter(torch.empty(scales, joints, joints).uniform_(-SMALL, SMALL))
        self.maps = nn.Linear(scales * channels, width)
        self.pair_norm = pair_norm
        self.norm = ChannelNorm(width)

    def forward(self, maps: Float[Tensor, "X T V C"], graphs: Float[Tensor, "P V V"]) -> Float[Tensor, "X T V D"]:
        """ReLU of the normalised sum over scales."""
        graphs = graphs + self.learnt
        mixed = mix_joints(maps, graphs) if self.channels < FEW else _mix_each_frame(maps, graphs)
        out = self.pair_norm(pointwise(mixed, self.maps.weight, self.maps.bias))
        return F.relu(self.norm(out))


def _mix_each_frame(maps: Float[Tensor, "X T V C"], graphs: Float[Tensor, "P V V"]) -> Float[Tensor, "X T V _"]:
    """`mix_joints` as one matrix product per frame: nothing is copied, which is faster where channels are many."""
    table = graphs.movedim(-1, 0).flatten(0, 1).to(maps.dtype)
    frames = maps.flatten(0, 1)
    mixed = torch.bmm(table.expand(len(frames), -1, -1), frames)
    return mixed.view(*maps.shape[:3], -1)


class WindowGcn(nn.Module):
    """G3D: multi-scale graph convolution over a window of frames, then the window's frames are joined (Section 3.3).

    A window of an odd number of frames lies around every `stride`-th frame; frames beyond the ends are zeros. Joints
    of all its frames are mixed along the graph of scale_graphs with that window, into `middle` channels.
    """

    def __init__(
        self, channels: int, middle: int, width: int, scales: int, joints: int, window: int, stride: int
    ) -> None:
        super().__init__()
        self.window, self.stride = window, stride
        nodes = window * joints
        self.learnt = nn.Parameter(torch.empty(scales, nodes, nodes).uniform_(-SMALL, SMALL))
        self.maps = nn.Linear(scales * channels, middle)
        self.norm = ChannelNorm(middle)
        self.join = nn.Conv2d(middle, width, (window, 1), (window, 1))
        self.norm_out = ChannelNorm(width)

    def forward(self, maps: Float[Tensor, "X T V C"], graphs: Float[Tensor, "P _ _"]) -> Float[Tensor, "X _ V D"]:
        """(X, T, V, C) to (X, ceil(T / stride), V, D), no activation at the end."""
        few = maps.shape[-1] < self.maps.out_features
        mixed = (self._mix_first if few else self._map_first)(maps, graphs + self.learnt)
        windows = F.relu(self.norm(mixed)).permute(0, 3, 1, 2)
        return self.norm_out(self.join(windows).permute(0, 2, 3, 1))

    def _mix_first(self, maps: Float[Tensor, "X T V C"], graphs: Float[Tensor, "P _ _"]) -> Float[Tensor, "X _ V D"]:
        """The windows, frame after frame: joints mixed for every scale, then one linear map of all scales."""
        (X, _, V, C), (P, nodes) = maps.shape, graphs.shape[:2]
        half = self.window // 2
        windows = F.pad(maps, (0, 0, 0, 0, half, half)).unfold(1, self.window, self.stride)
        nodes_last = windows.permute(0, 1, 3, 4, 2).reshape(-1, nodes)
        mixed = F.linear(nodes_last, graphs.mT.flatten(0, 1)).view(X, -1, C, P, nodes)
        mixed = mixed.permute(0, 1, 4, 3, 2).reshape(X, -1, V, P * C)
        return pointwise(mixed, self.maps.weight, self.maps.bias)

    def _map_first(self, maps: Float[Tensor, "X T V C"], graphs: Float[Tensor, "P _ _"]) -> Float[Tensor, "X _ V D"]:
        """The same sum in another order: each frame is mapped once, not once per window that has it.

        Then mixing joints over a window is a convolution over frames, whose channels are pairs of joint and scale.
        """
        (X, T, V, C), (P, nodes), D = maps.shape, graphs.shape[:2], self.maps.out_features
        weight = self.maps.weight.view(D, P, C).transpose(0, 1).flatten(0, 1)
        mapped = pointwise(maps, weight).reshape(X, T, V * P, D)
        # graphs[p, (frame, source), target] as a kernel [target, (source, p), frame].
        kernel = graphs.view(P, self.window, V, nodes).permute(3, 2, 0, 1).reshape(nodes, V * P, self.window, 1)
        channels_last = mapped.mT.contiguous().permute(0, 3, 1, 2)
        mixed = F.conv2d(channels_last, kernel, stride=(self.stride, 1), padding=(self.window // 2, 0))
        mixed = mixed.transpose(1, 2).reshape(X, -1, V, D)
        return mixed + self.maps.bias.to(mixed.dtype)
