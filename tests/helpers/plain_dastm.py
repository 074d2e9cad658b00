"""DASTM's mathematics written out as the paper's page and the repository's order of work have them: slow and obvious.

Nothing here is shared with the project: these are the references that the fast forms are compared with. `_projected`
forms are the best ones that are still plain: each frame is projected once, the rest is one einsum per line.
Maps are (Q, T, V, D) for queries and (N, T, V, D) for class means; distances (Q, N, T, T).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(own: Tensor, other: Tensor, side: nn.Module, residual: bool) -> Tensor:
    """One activated map per pair: eq. 4, or the repository's block; both arguments are (..., V, D), of equal shape.

    Each head has its share of the channels of the three projections; what the heads give stands side by side.
    """
    activated = []
    for head in torch.arange(own.shape[-1], device=own.device).chunk(side.heads):
        table = own.new_ones(*own.shape[:-2], 1, 1)
        if own.shape[-2] > 1:
            query, key = side.own(own)[..., head], side.other(other)[..., head]
            table = (query @ key.mT / len(head) ** 0.5).softmax(-1)
        activated.append(side.dropout(table) @ side.value(own)[..., head])
    activated = torch.cat(activated, -1)
    if residual:
        activated = side.norm(side.dropout(side.dense(activated)) + own)
    return activated


def pairwise(query: Tensor, support: Tensor, activation: nn.Module) -> Tensor:
    """Algorithm 2: for every pair of frames, both activated maps and the Frobenius norm of their difference."""
    shape = (len(query), len(support), query.shape[1], support.shape[1], *query.shape[2:])
    frames_q = query[:, None, :, None].expand(shape)
    frames_s = support[None, :, None].expand(shape)
    active_q = attend(frames_q, frames_s, activation.query, residual=False)
    active_s = attend(frames_s, frames_q, activation.support, residual=False)
    return torch.linalg.matrix_norm(active_q - active_s)


def aligned(query: Tensor, support: Tensor, activation: nn.Module, residual: bool = True) -> Tensor:
    """Frames of the same index activate each other; then one minus the cosine of all pairs of flattened frames."""
    shape = (len(query), len(support), *query.shape[1:])
    frames_q = query[:, None].expand(shape)
    frames_s = support[None].expand(shape)
    active_q = attend(frames_q, frames_s, activation.query, residual).flatten(3)
    active_s = attend(frames_s, frames_q, activation.support, residual).flatten(3)
    frames = active_q.shape[2]
    first = active_q[:, :, :, None].expand(-1, -1, -1, frames, -1)
    second = active_s[:, :, None].expand(-1, -1, frames, -1, -1)
    norms = (first.norm(dim=-1) + 1e-8) * (second.norm(dim=-1) + 1e-8)
    return 1 - (first * second).sum(-1) / norms


def objective(query: Tensor, support: Tensor, answer: Tensor, activation: nn.Module, weight: float) -> Tensor:
    """Eq. 8 of hard DTW: query maps (Q, T, V, D), support (N, K, T, V, D); `weight` is lambda."""
    prototypes = torch.stack([shots.mean(0) for shots in support])
    total = query.new_zeros(())
    for clip, label in zip(query, answer, strict=True):
        distances = []
        for prototype in prototypes:
            cost = query.new_empty(len(clip), len(prototype))
            for i, own in enumerate(clip):
                for j, other in enumerate(prototype):
                    active_q = eq_4(own, other, activation.query)
                    active_s = eq_4(other, own, activation.support)
                    cost[i, j] = (active_q - active_s).square().sum().sqrt()
            distances.append(soft_dtw(cost, 0.0))
        shares = torch.stack([torch.exp(-distance) for distance in distances])
        total = total - torch.log(shares[label] / shares.sum())
    return total / len(query) - weight * nuclear(query)


def eq_4(own: Tensor, other: Tensor, side: nn.Module) -> Tensor:
    """Eq. 4, and eq. 5 with the sides exchanged, from the matrices W1, W2 and W3 themselves."""
    first, second, third = side.own.weight, side.other.weight, side.value.weight
    scores = (own @ first.T) @ (other @ second.T).T / own.shape[1] ** 0.5
    shares = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
    return shares @ (own @ third.T)


def pairwise_projected(query: Tensor, support: Tensor, activation: nn.Module) -> Tensor:
    """`pairwise` with the projections of each frame computed once; activated maps pair by pair."""
    first, second, scale = activation.query, activation.support, query.shape[-1] ** -0.5
    scores_q = torch.einsum("qtvd,nlwd->qntlvw", first.own(query) * scale, first.other(support))
    scores_s = torch.einsum("nlvd,qtwd->qntlvw", second.own(support) * scale, second.other(query))
    active_q = torch.einsum("qntlvw,qtwd->qntlvd", scores_q.softmax(-1), first.value(query))
    active_s = torch.einsum("qntlvw,nlwd->qntlvd", scores_s.softmax(-1), second.value(support))
    return torch.linalg.matrix_norm(active_q - active_s)


def aligned_projected(query: Tensor, support: Tensor, activation: nn.Module) -> Tensor:
    """`aligned` with the repository's block, the projections of each frame computed once and cosines as a product."""
    first, second = activation.query, activation.support
    scale = (query.shape[-1] // first.heads) ** -0.5

    def by_head(maps: Tensor) -> Tensor:
        return maps.unflatten(-1, (first.heads, -1))

    scores_q = torch.einsum("qtvhd,ntwhd->qnthvw", by_head(first.own(query)) * scale, by_head(first.other(support)))
    scores_s = torch.einsum("ntvhd,qtwhd->qnthvw", by_head(second.own(support)) * scale, by_head(second.other(query)))
    active_q = torch.einsum("qnthvw,qtwhd->qntvhd", first.dropout(scores_q.softmax(-1)), by_head(first.value(query)))
    active_s = torch.einsum(
        "qnthvw,ntwhd->qntvhd", second.dropout(scores_s.softmax(-1)), by_head(second.value(support))
    )
    active_q = first.norm(first.dropout(first.dense(active_q.flatten(-2))) + query[:, None])
    active_s = second.norm(second.dropout(second.dense(active_s.flatten(-2))) + support)
    return cosine(active_q.flatten(3), active_s.flatten(3))


def self_matched(query: Tensor, support: Tensor, block: nn.Module, gamma: float) -> Tensor:
    """Enhanced NGM, (Q, N): each frame attends to itself, then the divergence of soft-DTW with cosine distances."""
    query, support = attend(query, query, block, residual=True), attend(support, support, block, residual=True)

    def of_two(one: Tensor, other: Tensor) -> Tensor:
        cost = one.new_empty(len(one), len(other))
        for t, first in enumerate(one):
            for s, second in enumerate(other):
                cost[t, s] = 1 - (first * second).sum() / (first.norm() * second.norm())
        return soft_dtw(cost, gamma)

    distance = query.new_empty(len(query), len(support))
    for q, one in enumerate(query):
        for n, other in enumerate(support):
            distance[q, n] = of_two(one, other) - (of_two(one, one) + of_two(other, other)) / 2
    return distance


def cosine(first: Tensor, second: Tensor) -> Tensor:
    """One minus the cosine of every frame of (..., T, D) with every frame of (..., L, D)."""
    return 1 - F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).mT


def soft_dtw(cost: Tensor, gamma: float, bandwidth: int = 0) -> Tensor:
    """The recursion of eq. 7 cell by cell, for one cost matrix; gamma 0 takes the minimum, bandwidth 0 every cell."""
    rows, columns = cost.shape
    table = {(i, j): cost.new_tensor(torch.inf) for i in range(rows + 1) for j in range(columns + 1)}
    table[0, 0] = cost.new_tensor(0.0)
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            if 0 < bandwidth < abs(i - j):
                continue
            before = torch.stack([table[i - 1, j - 1], table[i - 1, j], table[i, j - 1]])
            least = before.min() if gamma == 0 else -gamma * torch.logsumexp(-before / gamma, 0)
            table[i, j] = cost[i - 1, j - 1] + least
    return table[rows, columns]


def nuclear(maps: Tensor) -> Tensor:
    """Eq. 3 without its sign: the mean over clips and frames of the sum of singular values."""
    total = maps.new_zeros(())
    for clip in range(len(maps)):
        for frame in range(maps.shape[1]):
            total = total + torch.linalg.svd(maps[clip, frame], full_matrices=False).S.sum()
    return total / (len(maps) * maps.shape[1])


def surrogate(maps: Tensor) -> Tensor:
    """The repository's measure, frame by frame: softmax over channels, column norms sorted, the largest averaged."""
    total = maps.new_zeros(())
    for clip in range(len(maps)):
        for frame in range(maps.shape[1]):
            matrix = maps[clip, frame]
            share = F.softmax(matrix - matrix.max(), dim=1)
            columns = share.pow(2).sum(0).sqrt().sort(descending=True).values
            total = total + columns[: min(matrix.shape)].mean()
    return total / (len(maps) * maps.shape[1])


def frobenius(maps: Tensor) -> Tensor:
    """ESR-MM's: one norm over the singular values of all frames of all clips, by the number of frames."""
    return torch.linalg.svdvals(maps.flatten(0, 1)).norm() / (len(maps) * maps.shape[1])


def nuclear_batched(maps: Tensor) -> Tensor:
    """`nuclear` over the Frobenius norm, of all frames at once, by torch's own singular values."""
    return (torch.linalg.svdvals(maps).sum(-1) / torch.linalg.matrix_norm(maps)).mean()


def surrogate_batched(maps: Tensor) -> Tensor:
    """`surrogate` of all frames at once."""
    columns = F.softmax(maps, dim=-1).norm(dim=-2)
    return columns.topk(min(maps.shape[-2:]), dim=-1).values.mean()


def nuclear_normalised(maps: Tensor) -> Tensor:
    """`nuclear_batched` frame by frame."""
    total = maps.new_zeros(())
    for clip in range(len(maps)):
        for frame in range(maps.shape[1]):
            values = torch.linalg.svd(maps[clip, frame], full_matrices=False).S
            total = total + values.sum() / torch.linalg.matrix_norm(maps[clip, frame])
    return total / (len(maps) * maps.shape[1])
