"""MS-G3D and CTR-GCN written out line by line: one layer per formula, (X, C, T, V) throughout, an einsum per graph.

Nothing of their arithmetic is shared with the project: these are what the fast forms are compared with, in value and
in time. Parameters have the authors' names, so the state of one fits `from_authors` of the backbone. Clips are
(X, M, T, V, C), all of whose bodies are present; maps are the means over bodies, (X, T', V, D).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def undirected(bones: tuple[tuple[int, int], ...], joints: int) -> np.ndarray:
    matrix = np.zeros((joints, joints), dtype=np.float32)
    for child, parent in bones:
        matrix[child, parent] = matrix[parent, child] = 1
    return matrix


def k_adjacency(matrix: np.ndarray, k: int) -> np.ndarray:
    own = np.eye(len(matrix), dtype=matrix.dtype)
    if k == 0:
        return own
    reached = [np.minimum(np.linalg.matrix_power(matrix + own, power), 1) for power in (k, k - 1)]
    return reached[0] - reached[1] + own


def scales_of(matrix: np.ndarray, scales: int, window: int = 1) -> Tensor:
    """(scales * window * V, window * V), scale after scale."""
    if window > 1:
        matrix = np.tile(matrix + np.eye(len(matrix), dtype=matrix.dtype), (window, window))
    graphs = []
    for k in range(scales):
        graph = k_adjacency(matrix, k)
        root = np.eye(len(graph)) * np.power(graph.sum(-1), -0.5)
        graphs.append((root @ graph @ root).astype(np.float32))
    return torch.from_numpy(np.concatenate(graphs))


class Convolution(nn.Module):
    """Over frames, with its normalisation."""

    def __init__(self, channels: int, width: int, frames: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = (dilation * (frames - 1)) // 2
        self.conv = nn.Conv2d(channels, width, (frames, 1), (stride, 1), (padding, 0), (dilation, 1))
        self.bn = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn(self.conv(maps))


class Branches(nn.Module):
    """Multi-scale temporal convolution, branch by branch."""

    def __init__(
        self, channels: int, width: int, frames: int, dilations: tuple[int, ...], stride: int, shortcut: bool
    ) -> None:
        super().__init__()
        branch = width // (len(dilations) + 2)

        def reduced() -> tuple[nn.Module, ...]:
            return nn.Conv2d(channels, branch, 1), nn.BatchNorm2d(branch), nn.ReLU()

        branches = [nn.Sequential(*reduced(), Convolution(branch, branch, frames, stride, d)) for d in dilations]
        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        branches.append(nn.Sequential(*reduced(), pool, nn.BatchNorm2d(branch)))
        branches.append(nn.Sequential(nn.Conv2d(channels, branch, 1, (stride, 1)), nn.BatchNorm2d(branch)))
        self.branches = nn.ModuleList(branches)
        self.shortcut = shortcut
        if shortcut and (channels != width or stride != 1):
            self.residual = Convolution(channels, width, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        out = torch.cat([branch(maps) for branch in self.branches], dim=1)
        if not self.shortcut:
            return out
        return out + (self.residual(maps) if hasattr(self, "residual") else maps)


class Mlp(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(maps)


class Scales(nn.Module):
    """Graph convolution over all scales of a graph of `nodes`: every scale's maps side by side, then one layer."""

    def __init__(self, channels: int, width: int, graphs: Tensor) -> None:
        super().__init__()
        self.register_buffer("graphs", graphs, persistent=False)
        self.A_res = nn.Parameter(torch.empty_like(graphs).uniform_(-1e-6, 1e-6))
        self.scales = len(graphs) // graphs.shape[1]
        self.mlp = Mlp(channels * self.scales, width)

    def forward(self, maps: Tensor) -> Tensor:
        X, C, T, V = maps.shape
        mixed = torch.einsum("vu,xctu->xctv", self.graphs + self.A_res, maps).view(X, C, T, self.scales, V)
        return F.relu(self.mlp(mixed.permute(0, 3, 1, 2, 4).reshape(X, -1, T, V)))


class Window(nn.Module):
    def __init__(self, channels: int, middle: int, width: int, graphs: Tensor, window: int, stride: int) -> None:
        super().__init__()
        self.window, self.stride = window, stride
        self.gcn3d = nn.Sequential(nn.Identity(), Scales(channels, middle, graphs))
        self.out_conv = nn.Conv3d(middle, width, (1, window, 1))
        self.out_bn = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        X, C, _, V = maps.shape
        unfolded = F.unfold(maps, (self.window, 1), stride=(self.stride, 1), padding=(self.window // 2, 0))
        windows = unfolded.view(X, C, self.window, -1, V).permute(0, 1, 3, 2, 4)
        mixed = self.gcn3d(windows.reshape(X, C, -1, self.window * V))
        joined = self.out_conv(mixed.view(X, mixed.shape[1], -1, self.window, V))
        return self.out_bn(joined.squeeze(3))


class Windows(nn.Module):
    def __init__(self, channels: int, middle: int, width: int, matrix: np.ndarray, scales: int, stride: int) -> None:
        super().__init__()
        self.gcn3d = nn.ModuleList(
            Window(channels, middle, width, scales_of(matrix, scales, window), window, stride) for window in (3, 5)
        )

    def forward(self, maps: Tensor) -> Tensor:
        return self.gcn3d[0](maps) + self.gcn3d[1](maps)


class Plain(nn.Module):
    """The input's normalisation over slots, joints and channels; then `blocks`, and the mean over bodies."""

    def __init__(self, joints: int, channels: int, bodies: int) -> None:
        super().__init__()
        self.data_bn = nn.BatchNorm1d(bodies * joints * channels)

    def forward(self, clips: Tensor) -> Tensor:
        X, M, T, V, C = clips.shape
        normalised = self.data_bn(clips.permute(0, 1, 3, 4, 2).reshape(X, M * V * C, T))
        maps = self.blocks(normalised.view(X * M, V, C, T).permute(0, 2, 3, 1).contiguous())
        return maps.unflatten(0, (X, M)).mean(1).permute(0, 2, 3, 1)


class Msg3d(Plain):
    """MS-G3D: `sizes` are (channels, stride) of the blocks."""

    def __init__(
        self,
        bones: tuple[tuple[int, int], ...],
        joints: int,
        sizes: tuple[tuple[int, int], ...],
        scales: tuple[int, int],
        channels: int = 3,
        bodies: int = 2,
    ) -> None:
        super().__init__(joints, channels, bodies)
        matrix, self.count = undirected(bones, joints), len(sizes)
        for number, (width, stride) in enumerate(sizes, start=1):
            middle = width if number == 1 else channels
            layers = ((middle, width, stride), (width, width, 1), (width, width, 1))
            first, second, last = (Branches(a, b, 3, (1, 2, 3, 4), step, True) for a, b, step in layers)
            graph = Scales(channels, middle, scales_of(matrix, scales[0]))
            setattr(self, f"sgcn{number}", nn.Sequential(graph, first, second))
            setattr(self, f"gcn3d{number}", Windows(channels, middle, width, matrix, scales[1], stride))
            setattr(self, f"tcn{number}", last)
            channels = width

    def blocks(self, maps: Tensor) -> Tensor:
        for number in range(1, self.count + 1):
            graph, first, second = getattr(self, f"sgcn{number}")
            factorised = second(F.relu(first(graph(maps))))
            maps = F.relu(factorised + getattr(self, f"gcn3d{number}")(maps))
            maps = F.relu(getattr(self, f"tcn{number}")(maps))
        return maps


class Topology(nn.Module):
    """One partition of CTR-GCN: a graph for every channel."""

    def __init__(self, channels: int, width: int, narrow: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, narrow, 1), nn.Conv2d(channels, narrow, 1)
        self.conv3, self.conv4 = nn.Conv2d(channels, width, 1), nn.Conv2d(narrow, width, 1)

    def forward(self, maps: Tensor, shared: Tensor, alpha: Tensor) -> Tensor:
        first, second = self.conv1(maps).mean(2), self.conv2(maps).mean(2)
        refined = self.conv4(torch.tanh(first[:, :, :, None] - second[:, :, None, :])) * alpha + shared
        return torch.einsum("xcuv,xctv->xctu", refined, self.conv3(maps))


class Unit(nn.Module):
    def __init__(self, channels: int, width: int, graphs: Tensor) -> None:
        super().__init__()
        narrow = 8 if channels < 64 else channels // 8
        self.convs = nn.ModuleList(Topology(channels, width, narrow) for _ in graphs)
        self.PA, self.alpha = nn.Parameter(graphs.clone()), nn.Parameter(torch.full((1,), 0.5))
        self.bn = nn.BatchNorm2d(width)
        self.down = nn.Sequential()
        if channels != width:
            self.down = nn.Sequential(nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        out = sum(layer(maps, shared, self.alpha) for layer, shared in zip(self.convs, self.PA, strict=True))
        return F.relu(self.bn(out) + self.down(maps))


class CtrBlock(nn.Module):
    def __init__(self, channels: int, width: int, stride: int, graphs: Tensor, shortcut: bool) -> None:
        super().__init__()
        self.gcn1 = Unit(channels, width, graphs)
        self.tcn1 = Branches(width, width, 5, (1, 2), stride, False)
        self.shortcut = shortcut
        if shortcut and (channels != width or stride != 1):
            self.residual = Convolution(channels, width, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        out = self.tcn1(self.gcn1(maps))
        if self.shortcut:
            out = out + (self.residual(maps) if hasattr(self, "residual") else maps)
        return F.relu(out)


class Ctrgcn(Plain):
    """CTR-GCN; `graphs` (3, target, source) are its partitions, `sizes` (channels, stride) of the blocks."""

    def __init__(self, graphs: Tensor, sizes: tuple[tuple[int, int], ...], channels: int = 3, bodies: int = 2) -> None:
        super().__init__(graphs.shape[1], channels, bodies)
        self.count = len(sizes)
        for number, (width, stride) in enumerate(sizes, start=1):
            setattr(self, f"l{number}", CtrBlock(channels, width, stride, graphs, shortcut=number > 1))
            channels = width

    def blocks(self, maps: Tensor) -> Tensor:
        for number in range(1, self.count + 1):
            maps = getattr(self, f"l{number}")(maps)
        return maps
