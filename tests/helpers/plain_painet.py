"""PAINet's equations as its pages have them, one query, one class and one frame at a time: slow and obvious.

Nothing here is shared with the project's own mathematics: these are the references that the fast forms are compared
with, and the other half of benchmarks. Modules are read for their weights only. Maps are (T, V, D).
"""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def joint_part(frame: Tensor, module: nn.Module, matrix: Tensor) -> Tensor:
    """Eq. 1 for the (V, D) joints of one frame."""
    query = frame @ module.own.weight.T
    key = matrix @ (frame @ module.other.weight.T)
    value = matrix @ (frame @ module.value.weight.T)
    return F.softmax(query @ key.T / frame.shape[1] ** 0.5, dim=1) @ value


def feed_forward(joints: Tensor, module: nn.Module) -> Tensor:
    """Three joint-wise layers with ReLU between them and a residual, then the mean over joints."""
    hidden = F.relu(joints @ module.first.weight.T + module.first.bias)
    hidden = F.relu(hidden @ module.second.weight.T + module.second.bias)
    refined = joints + hidden @ module.third.weight.T + module.third.bias
    return refined.mean(0)


def cross_frame(own: Tensor, other: Tensor, side: nn.Module, part: nn.Module | None) -> Tensor:
    """Eq. 2: one frame's vector as a frame of the other skeleton changes it."""
    key = other @ side.other.weight.T
    if part is not None:
        key = key + joint_part(other, part, part.matrix)
    scores = (own @ side.own.weight.T) @ key.T / own.shape[1] ** 0.5
    if side.semantic is not None:
        scores = scores + side.semantic.adjacency + side.semantic.learnt
    return feed_forward(F.softmax(scores, dim=1) @ (own @ side.value.weight.T), side.refine)


def cross_sequence(own: Tensor, other: Tensor, side: nn.Module, part: nn.Module | None) -> Tensor:
    """All frames of one clip against the frames of the same index of another: (T, D)."""
    return torch.stack([cross_frame(own[t], other[t], side, part) for t in range(len(own))])


def self_frame(joints: Tensor, module: nn.Module) -> Tensor:
    """Eq. 3-4 for one frame."""
    key = joints @ module.other.weight.T
    if module.part is not None:
        key = key + joint_part(joints, module.part, module.part.matrix)
    scores = (joints @ module.own.weight.T) @ key.T / joints.shape[1] ** 0.5
    if module.semantic is not None:
        scores = scores + module.semantic.adjacency + module.semantic.learnt
    return feed_forward(F.softmax(scores, dim=1) @ (joints @ module.value.weight.T), module.refine)


def windowed_frame(maps: Tensor, t: int, module: nn.Module, window: int) -> Tensor:
    """A frame whose joints attend to those of all frames of a window that are inside the clip."""
    inside = [frame for frame in range(t - window // 2, t + window // 2 + 1) if 0 <= frame < len(maps)]
    around = torch.cat([maps[frame] for frame in inside])
    scores = (maps[t] @ module.own.weight.T) @ (around @ module.other.weight.T).T / maps.shape[2] ** 0.5
    return feed_forward(F.softmax(scores, dim=1) @ (around @ module.value.weight.T), module.refine)


def channel_specific_frame(maps: Tensor, t: int, module: nn.Module) -> Tensor:
    """A frame whose joints are summed by one attention for every channel, drawn from the whole clip."""
    narrow = maps.mean(0) @ module.pair.weight.T + module.pair.bias
    first, second = narrow.split(narrow.shape[1] // 2, dim=1)
    value, rows = maps[t] @ module.value.weight.T, []
    for v in range(maps.shape[1]):
        scores = torch.tanh(first[v] - second) @ module.spread.weight.T
        rows.append((F.softmax(scores, dim=0) * value).sum(0))
    return feed_forward(torch.stack(rows), module.refine)


def mixer(frames: Tensor, module: nn.Module) -> Tensor:
    """Eq. 6 for the (T, D) frames of one clip."""

    def step(tokens: Tensor, part: nn.Module) -> Tensor:
        first, _, second = part.layers
        inner = F.layer_norm(tokens, tokens.shape[-1:], part.norm.weight, part.norm.bias)
        inner = F.gelu(inner @ first.weight.T + first.bias) @ second.weight.T + second.bias
        return tokens + F.gelu(inner)

    mixed = step(frames.T, module.frames)
    return step(mixed.T, module.channels)


def tuples(frames: Tensor) -> Tensor:
    """All pairs of frames in order, concatenated: (T (T - 1) / 2, 2 D)."""
    return torch.stack([torch.cat([frames[i], frames[j]]) for i, j in combinations(range(len(frames)), 2)])


def set_metric(query: Tensor, supports: list[Tensor]) -> Tensor:
    """Eq. 5: the mean over the query's pairs of the distance of the nearest pair of any of the K supports."""
    theirs = torch.cat([tuples(support) for support in supports])
    return torch.stack([(pair - theirs).norm(dim=1).min() for pair in tuples(query)]).mean()


def cross_matcher(query: Tensor, supports: list[Tensor], key: nn.Module, norm: nn.Module, value: nn.Module) -> Tensor:
    """Eq. 7-8: the mean distance of the query's pairs from their prototypes, with TRX's division by root(d_k)."""

    def keys(pairs: Tensor) -> Tensor:
        projected = pairs @ key.weight.T + key.bias
        return F.layer_norm(projected, projected.shape[-1:], norm.weight, norm.bias)

    mine, theirs = tuples(query), torch.cat([tuples(support) for support in supports])
    attention = F.softmax(keys(mine) @ keys(theirs).T / key.weight.shape[0] ** 0.5, dim=1)
    prototype = attention @ (theirs @ value.weight.T)
    return (mine @ value.weight.T - prototype).norm(dim=1).mean()


def cross_batched(query: Tensor, support: Tensor, module: nn.Module) -> tuple[Tensor, Tensor]:
    """Eq. 2 for all pairs at once, as anyone would write it: each frame projected once, then one einsum per line.

    `query` is (Q, T, V, D) and `support` (N, T, V, D); both results are (Q, N, T, D).
    """

    def parts(maps: Tensor) -> Tensor:
        part = module.part
        gathered = part.matrix @ maps
        scores = (maps @ part.own.weight.T) @ (gathered @ part.other.weight.T).mT / maps.shape[-1] ** 0.5
        return scores.softmax(-1) @ (gathered @ part.value.weight.T)

    def one_way(own: Tensor, other: Tensor, side: nn.Module) -> Tensor:
        key = other @ side.other.weight.T + parts(other)
        scores = torch.einsum("qtvd,ntwd->qntvw", own @ side.own.weight.T, key) / own.shape[-1] ** 0.5
        attention = (scores + side.semantic.adjacency + side.semantic.learnt).softmax(-1)
        joints = torch.einsum("qntvw,qtwd->qntvd", attention, own @ side.value.weight.T)
        return (joints + side.refine.third(F.relu(side.refine.second(F.relu(side.refine.first(joints)))))).mean(-2)

    return one_way(query, support, module.query), one_way(support, query, module.support).transpose(0, 1)
