"""Multi-scale temporal convolution (MS-TCN): the branches that MS-G3D and CTR-GCN share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.backbones._backbone import ChannelNorm, pointwise

POOLED = 3
"""Frames that the pooling branch looks at."""


class MultiScaleTcn(nn.Module):
    """Branches side by side: one convolution over frames per dilation, one maximum over frames, one 1x1 convolution.

    All but the last reduce the channels to `width` / branches first (1x1 convolution, batch normalisation, ReLU); each
    ends with batch normalisation. The reductions are one matrix product here, and so are all normalisations of one
    depth. Sources: Liu et al., "Disentangling and Unifying Graph Convolutions", CVPR 2020, Section 3.4, and Chen et
    al., "Channel-wise Topology Refinement Graph Convolution", ICCV 2021, Section 3.4. `width` must be a multiple of
    the number of branches, the dilations and two.
    """

    def __init__(self, channels: int, width: int, frames: int, dilations: tuple[int, ...], stride: int = 1) -> None:
        super().__init__()
        self.branch = width // (len(dilations) + 2)
        self.stride = stride
        self.reduce = nn.Linear(channels, width - self.branch)
        self.norm_in = ChannelNorm(width - self.branch)
        self.dilated = nn.ModuleList(
            nn.Conv2d(self.branch, self.branch, (frames, 1), (stride, 1), (dilation * (frames // 2), 0), (dilation, 1))
            for dilation in dilations
        )
        self.direct = nn.Linear(channels, self.branch)
        self.norm_out = ChannelNorm(width)

    def forward(self, maps: Float[Tensor, "X T V C"]) -> Float[Tensor, "X _ V D"]:
        """(X, T, V, C) to (X, ceil(T / stride), V, D), no activation at the end."""
        reduced = F.relu(self.norm_in(pointwise(maps, self.reduce.weight, self.reduce.bias)))
        parts = reduced.permute(0, 3, 1, 2).split(self.branch, dim=1)
        # A convolution over a slice of the channels is slower than over a copy of the slice.
        branches = [
            layer(part.contiguous(memory_format=torch.channels_last))
            for layer, part in zip(self.dilated, parts, strict=False)
        ]
        branches.append(F.max_pool2d(parts[-1], (POOLED, 1), (self.stride, 1), (POOLED // 2, 0)))
        direct = pointwise(maps[:, :: self.stride], self.direct.weight, self.direct.bias)
        return self.norm_out(torch.cat([*(branch.permute(0, 2, 3, 1) for branch in branches), direct], dim=-1))


def tcn_from_authors(weights: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    """The state of a MultiScaleTcn named `ours` from the authors' branches, `<theirs>.branches.<number>...`."""
    numbers = {key.split(".")[len(theirs.split(".")) + 1] for key in weights if key.startswith(f"{theirs}.branches.")}
    last = len(numbers) - 1
    pooled = last - 1
    branches = [f"{theirs}.branches.{number}" for number in range(last + 1)]
    outs = [f"{unit}.3.bn" for unit in branches[:pooled]] + [f"{branches[pooled]}.4", f"{branches[last]}.1"]
    state = norms_side_by_side(weights, [f"{unit}.1" for unit in branches[:last]], f"{ours}.norm_in")
    state |= norms_side_by_side(weights, outs, f"{ours}.norm_out")
    for part in ("weight", "bias"):
        reductions = [weights[f"{unit}.0.{part}"].flatten(1 if part == "weight" else 0) for unit in branches]
        state[f"{ours}.reduce.{part}"] = torch.cat(reductions[:last])
        state[f"{ours}.direct.{part}"] = reductions[last]
        for number, unit in enumerate(branches[:pooled]):
            state[f"{ours}.dilated.{number}.{part}"] = weights[f"{unit}.3.conv.{part}"]
    return state


def norms_side_by_side(weights: Mapping[str, Tensor], theirs: list[str], ours: str) -> dict[str, Tensor]:
    """One batch normalisation from several of the authors', whose channels lie side by side."""
    names = ("weight", "bias", "running_mean", "running_var")
    state = {f"{ours}.{name}": torch.cat([weights[f"{norm}.{name}"] for norm in theirs]) for name in names}
    return state | {f"{ours}.num_batches_tracked": weights[f"{theirs[0]}.num_batches_tracked"]}
