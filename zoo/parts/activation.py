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
    the output, a further linear map, and a layer norm over the sum with the input; only this one has several `heads`,
    each with an attention of its own for width / heads channels. `other` (the "key") has no bias, since the softmax
    would cancel it. Maps of one joint (`joints` 1) have nothing to choose from: every attention is 1, and the matrices
    `own` and `other`, which would get no gradient, do not exist. Raises ValueError where `heads` does not fit.
    """

    def __init__(
        self, width: int, residual: bool = False, dropout: float = 0.0, heads: int = 1, joints: int | None = None
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads or (heads > 1 and not residual):
            raise ValueError(
                f"heads is {heads}; it must divide the width of the backbone's map, {width}, and be 1 in a plain block"
            )
        self.heads = heads
        self.own = nn.Linear(width, width, bias=residual) if joints != 1 else None
        self.other = nn.Linear(width, width, bias=False) if joints != 1 else None
        self.value = nn.Linear(width, width, bias=residual)
        self.dense = nn.Linear(width, width) if residual else None
        self.norm = nn.LayerNorm(width, eps=1e-12) if residual else None
        self.dropout = nn.Dropout(dropout)

    def queries(self, maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch V _"]:
        """The rows of the attention ("queries" of a transformer), head by head along the channels."""
        return maps.new_zeros(*maps.shape[:-1], self.heads) if self.own is None else self.own(maps)

    def keys(self, maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch V _"]:
        """The columns of the attention, from the other skeleton's map."""
        return maps.new_zeros(*maps.shape[:-1], self.heads) if self.other is None else self.other(maps)

    def values(self, maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch _ D"]:
        """The values of the attention, (..., heads * V, D). `dense` is linear, so it is applied here, once per frame
        and head rather than once per pair of frames: the heads' sums then add up.
        """
        if self.dense is None:
            return self.value(maps)
        dense = self.dense.weight.unflatten(1, (self.heads, -1)).transpose(0, 1)
        weight = dense @ self.value.weight.unflatten(0, (self.heads, -1))
        bias = dense @ self.value.bias.view(self.heads, -1, 1)
        values = F.linear(maps, weight.flatten(0, 1), bias.flatten())
        return values.unflatten(-1, (self.heads, -1)).transpose(-3, -2).flatten(-3, -2)

    def attention(
        self, own: Float[Tensor, "B Q T V _"], other: Float[Tensor, "B N T V _"]
    ) -> Float[Tensor, "B Q T N V _ V"]:
        """The attention of each frame of Q to the same frame of N, from `queries` and `keys`: (..., V, heads, V)."""
        scaled = own * (own.shape[-1] // self.heads) ** -0.5
        first, second = (maps.unflatten(-1, (self.heads, -1)).permute(0, 2, 4, 1, 3, 5) for maps in (scaled, other))
        scores = _between(first.flatten(0, 2), second.flatten(0, 2))
        return scores.unflatten(0, first.shape[:3]).permute(0, 3, 1, 5, 4, 2, 6).softmax(-1)

    def summed(
        self, own: Float[Tensor, "B Q T V _"], other: Float[Tensor, "B N T V _"], value: Float[Tensor, "B Q T _ D"]
    ) -> Float[Tensor, "B Q T N V D"]:
        """The values of each of the Q, summed by its attention to each of the N, frame by frame."""
        attention = self.dropout(self.attention(own, other)).flatten(5)
        return (attention.flatten(3, 4) @ value).unflatten(3, attention.shape[3:5])

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

    def __init__(self, width: int, joints: int | None = None) -> None:
        super().__init__()
        self.query, self.support = Side(width, joints=joints), Side(width, joints=joints)

    def forward(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"], kind: Distance
    ) -> Float[Tensor, "B Q N T T"]:
        """The distance of every query frame to every frame of every class, in float32 or better."""
        of_query = self.query.queries(query), self.support.keys(query), self.query.values(query)
        of_support = self.support.queries(support), self.query.keys(support), self.support.values(support)
        pairs_of_query = support.shape[1] * support.shape[2] * query.shape[2]
        return in_chunks(
            lambda *part: pairwise_distance(part[:3], part[3:], kind), of_query, of_support, pairs_of_query
        )

    def attention(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"], share: Float[Tensor, "B Q N T T"]
    ) -> Float[Tensor, "B Q N T V V"]:
        """The attention of a query's joints to a class's (eq. 4): the mean over the frames of the class, each weighted
        by its `share` in the alignment with that frame of the query.
        """
        weights = share / share.sum(-1, keepdim=True)

        def mean(own: Tensor, weights: Tensor, other: Tensor) -> Tensor:
            scores = _between(own.flatten(1, 2) * own.shape[-1] ** -0.5, other.flatten(1, 2)).softmax(-1)
            whole = scores.unflatten(3, other.shape[1:3]).unflatten(1, own.shape[1:3])
            return torch.einsum("bqtvnlw,bqntl->bqntvw", whole, weights)

        pairs_of_query = support.shape[1] * support.shape[2] * query.shape[2]
        return in_chunks(mean, (self.query.queries(query), weights), (self.query.keys(support),), pairs_of_query)


class AlignedActivation(nn.Module):
    """The repository's variant: frame t of a query attends to frame t of the class only; all pairs are compared."""

    def __init__(self, width: int, residual: bool, dropout: float, heads: int = 1, joints: int | None = None) -> None:
        super().__init__()
        self.query = Side(width, residual, dropout, heads, joints)
        self.support = Side(width, residual, dropout, heads, joints)

    def forward(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"], kind: Distance
    ) -> Float[Tensor, "B Q N T T"]:
        """The distance of every query frame to every frame of every class, in float32 or better."""
        of_query = self.query.queries(query), self.support.keys(query), self.query.values(query), query
        of_support = self.support.queries(support), self.query.keys(support), self.support.values(support), support
        # A pair of frames holds V x V numbers there, and V x D here, some eight times as many, and a table per head.
        pairs_of_query = (7 + self.query.heads) * support.shape[1] * support.shape[2]
        random = self.training and self.query.dropout.p > 0
        return in_chunks(
            lambda *part: self.aligned_distance(part[:4], part[4:], kind), of_query, of_support, pairs_of_query, random
        )

    def attention(
        self, query: Float[Tensor, "B Q T V D"], support: Float[Tensor, "B N T V D"], share: Float[Tensor, "B Q N T T"]
    ) -> Float[Tensor, "B Q N T V V"]:
        """The attention of a query's joints to a class's in the frame of the same index, the mean over heads; `share`
        in the alignment changes nothing here.
        """

        def mean(own: Tensor, other: Tensor) -> Tensor:
            return self.query.attention(own, other).mean(5).transpose(2, 3)

        pairs_of_query = self.query.heads * support.shape[1] * support.shape[2]
        return in_chunks(mean, (self.query.queries(query),), (self.query.keys(support),), pairs_of_query)

    def aligned_distance(
        self, of_query: tuple[Tensor, ...], of_support: tuple[Tensor, ...], kind: Distance
    ) -> Float[Tensor, "B Q N T T"]:
        """Distances between activated frames; each argument is queries, keys, values and map, (B, Q or N, T, ...)."""
        own_q, other_q, value_q, map_q = of_query
        own_s, other_s, value_s, map_s = of_support
        query = self.query.finish(self.query.summed(own_q, other_s, value_q), map_q)
        support = self.support.finish(self.support.summed(own_s, other_q, value_s), map_s)
        query, support = query.permute(0, 1, 3, 2, 4, 5).flatten(4), support.permute(0, 3, 1, 2, 4, 5).flatten(4)
        return from_products(*products(query.contiguous(), support.contiguous()), kind)


def pairwise_distance(
    of_query: tuple[Tensor, ...], of_support: tuple[Tensor, ...], kind: Distance
) -> Float[Tensor, "B Q N T T"]:
    """Distances of frames activated by each other; each argument is queries, keys and values, (B, Q or N, T, V, D)."""
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
