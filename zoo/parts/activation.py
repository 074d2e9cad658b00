"""DASTM's spatial activation: cross-attention between the joints of two skeletons (Ma et al., 2022, eq. 4-6).

`A = softmax(own @ other.T / sqrt(D))` is the attention of one skeleton's joints to the other's; as in the paper's
equations and code it multiplies the skeleton's OWN values. Where there are several chunks of queries, activated maps
are recomputed chunk by chunk in the backward pass (gradient checkpointing), so that none is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.parts.frame_distance import Distance, at_least_float32, from_products, products

# Frame pairs whose V x V tables are in memory at once. 2048 tables of 25 joints are 5 MB, well inside a cache;
# a GPU wants fewer, larger products.
PAIRS_AT_ONCE = {"cpu": 2048, "cuda": 65536}


class Side(nn.Module):
    """The projections that activate one side, the query or the support.

    Plain: the paper's three matrices. With `residual`, the repository's block: biases, dropout on the attention and on
    the output, a further linear map, and a layer norm over the sum with the input. `other` (the "key") has no bias,
    since the softmax would cancel it.
    """

    def __init__(self, width: int, residual: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.own = nn.Linear(width, width, bias=residual)
        self.other = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=residual)
        self.dense = nn.Linear(width, width) if residual else None
        self.norm = nn.LayerNorm(width, eps=1e-12) if residual else None
        self.dropout = nn.Dropout(dropout)

    def values(self, maps: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q T V D"]:
        """The values of the attention. `dense` is linear, so it is applied here, per frame rather than per pair."""
        if self.dense is None:
            return self.value(maps)
        return F.linear(maps, self.dense.weight @ self.value.weight, self.dense.weight @ self.value.bias)

    def finish(
        self, summed: Float[Tensor, "B Q T N V D"], maps: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q T N V D"]:
        """The output of the block: the attention's sum, or bias, dropout, residual and layer norm on top of it."""
        if self.dense is None or self.norm is None:
            return summed
        if self.training and self.dropout.p > 0:
            return self.norm(self.dropout(summed + self.dense.bias) + maps.unsqueeze(3))
        # The same without dropout: the small sum first.
        return self.norm(summed + (maps + self.dense.bias).unsqueeze(3))


class PairwiseActivation(nn.Module):
    """The paper's Algorithm 2: every frame of the query attends to every frame of the class.

    With values U and W and attentions A and B, the squared norm of the difference of A U and B W is
    <A U U^T, A> + <B W W^T, B> - 2 <A U W^T, B>: after the projections, all is V x V.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.support = Side(width), Side(width)

    def forward(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"], kind: Distance
    ) -> Float[Tensor, "B Q N T T"]:
        """The distance of every query frame to every frame of every class, in float32 or better."""
        of_query = self.query.own(query), self.support.other(query), self.query.values(query)
        of_support = self.support.own(support), self.query.other(support), self.support.values(support)
        pairs_of_query = support.shape[1] * support.shape[2] * query.shape[2]
        return in_chunks(
            lambda *part: pairwise_distance(part[:3], part[3:], kind), of_query, of_support, pairs_of_query
        )


class AlignedActivation(nn.Module):
    """The repository's variant: frame t of a query attends to frame t of the class only; all pairs are compared."""

    def __init__(self, width: int, residual: bool, dropout: float) -> None:
        super().__init__()
        self.query, self.support = Side(width, residual, dropout), Side(width, residual, dropout)

    def forward(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"], kind: Distance
    ) -> Float[Tensor, "B Q N T T"]:
        """The distance of every query frame to every frame of every class, in float32 or better."""
        of_query = self.query.own(query), self.support.other(query), self.query.values(query), query
        of_support = self.support.own(support), self.query.other(support), self.support.values(support), support
        # A pair of frames holds V x V numbers there, and V x D here: some eight times as many.
        pairs_of_query = 8 * support.shape[1] * support.shape[2]
        random = self.training and self.query.dropout.p > 0
        return in_chunks(
            lambda *part: self.aligned_distance(part[:4], part[4:], kind), of_query, of_support, pairs_of_query, random
        )

    def aligned_distance(
        self, of_query: tuple[Tensor, ...], of_support: tuple[Tensor, ...], kind: Distance
    ) -> Float[Tensor, "B Q N T T"]:
        """Distances between activated frames; each argument is own, other, values and map, all (B, Q or N, T, V, D)."""
        own_q, other_q, value_q, map_q = of_query
        own_s, other_s, value_s, map_s = of_support
        query = self.query.finish(_activate(own_q, other_s, value_q, self.query.dropout), map_q)
        support = self.support.finish(_activate(own_s, other_q, value_s, self.support.dropout), map_s)
        query, support = query.permute(0, 1, 3, 2, 4, 5).flatten(4), support.permute(0, 3, 1, 2, 4, 5).flatten(4)
        return from_products(*products(query.contiguous(), support.contiguous()), kind)


def _activate(
    own: Float[Tensor, "B Q T V D"],
    other: Float[Tensor, "B N T V D"],
    value: Float[Tensor, "B Q T V D"],
    dropout: nn.Module,
) -> Float[Tensor, "B Q T N V D"]:
    """Attention between frames of the same index, of each of the Q to each of the N, summing the values of the Q."""
    by_frame = (own * own.shape[-1] ** -0.5).transpose(1, 2), other.transpose(1, 2)
    scores = _between(by_frame[0].flatten(0, 1), by_frame[1].flatten(0, 1)).unflatten(0, by_frame[0].shape[:2])
    attention = dropout(scores.permute(0, 2, 1, 4, 3, 5).softmax(-1))
    return (attention.flatten(3, 4) @ value).unflatten(3, attention.shape[3:5])


def pairwise_distance(
    of_query: tuple[Tensor, ...], of_support: tuple[Tensor, ...], kind: Distance
) -> Float[Tensor, "B Q N T T"]:
    """Distances of frames activated by each other; each argument is own, other, values, (B, Q or N, T, V, D)."""
    own_q, other_q, value_q = (value.flatten(1, 2) for value in of_query)
    own_s, other_s, value_s = (value.flatten(1, 2) for value in of_support)
    scale = own_q.shape[-1] ** -0.5
    attention_q = _between(own_q * scale, other_s).softmax(-1)
    attention_s = _between(own_s * scale, other_q).softmax(-1)
    squared_q = _quadratic(attention_q, value_q)
    squared_s = _quadratic(attention_s, value_s).mT
    crossed = attention_q.transpose(2, 3) @ _between(value_q, value_s).transpose(2, 3)
    dot = (crossed * attention_s.permute(0, 3, 1, 2, 4)).sum((-2, -1))
    distance = from_products(dot, squared_q, squared_s, kind)
    shape = (of_query[0].shape[1], of_query[0].shape[2]), (of_support[0].shape[1], of_support[0].shape[2])
    return distance.unflatten(2, shape[1]).unflatten(1, shape[0]).transpose(2, 3)


def _between(first: Float[Tensor, "B X V D"], second: Float[Tensor, "B L V D"]) -> Float[Tensor, "B X V L V"]:
    """Products of all joints of all frames: one matrix product per episode."""
    product = first.flatten(1, 2) @ second.flatten(1, 2).mT
    return product.unflatten(1, first.shape[1:3]).unflatten(3, second.shape[1:3])


def _quadratic(attention: Float[Tensor, "B X V L V"], value: Float[Tensor, "B X V D"]) -> Float[Tensor, "B X L"]:
    """The squared norm of attention times values, <A G, A> with G the products of the values' joints."""
    gram = value @ value.mT
    return ((attention.flatten(2, 3) @ gram).view_as(attention) * attention).sum((2, 4))


def in_chunks(
    distance: Callable[..., Tensor],
    of_query: tuple[Tensor, ...],
    of_support: tuple[Tensor, ...],
    pairs_of_query: int,
    random: bool = False,
) -> Float[Tensor, "B Q *_"]:
    """`distance` for a few queries at a time, in float32 or better; several chunks are recomputed in the backward pass.

    `random`: it draws from the global generator (dropout), whose state is saved and restored where it is recomputed.
    """
    of_query = tuple(at_least_float32(value) for value in of_query)
    of_support = tuple(at_least_float32(value) for value in of_support)
    device = of_query[0].device.type
    queries = max(1, PAIRS_AT_ONCE.get(device, 2048) // (pairs_of_query * of_query[0].shape[0]))
    chunks = list(zip(*(value.split(queries, dim=1) for value in of_query), strict=True))
    with torch.autocast(device, enabled=False):
        # One chunk alone would be in memory as a whole in the backward pass too.
        if torch.is_grad_enabled() and len(chunks) > 1:
            distance = partial(checkpoint, distance, use_reentrant=False, preserve_rng_state=random)
        return torch.cat([distance(*chunk, *of_support) for chunk in chunks], dim=1)
