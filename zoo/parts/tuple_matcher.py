"""Cross-attention between tuples of frames: TRX (Perrett et al., CVPR 2021, eq. 2-7), PAINet (eq. 7-8).

No tuple is built. A linear map of a concatenation is the sum of one map per place, so each frame is projected once per
place (i.e. `size` times). Everything between tuples then follows from products of frames:

- A tuple's key is a layer norm of such a sum, LN(u) = w (u - mean) / sigma + b. Means are additive, sigma follows from
  the products of a clip's frames, and products of two tuples are sums of size^2 products of frames. Terms that depend
  on the query alone cancel in the softmax.
- A prototype is an attention-weighted sum of tuples, hence of frames, each weighted by the sum over its tuples.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from zoo.parts.activation import in_chunks

NUMBERS_PER_PAIR = 8192
"""`in_chunks` counts in tables of joints; it holds 2048 of them on a CPU. Here 2048 * 8192 attention weights (64 MB)
are in memory at once."""


class TupleMatcher(nn.Module):
    """The distance of a query's tuples from prototypes that attention makes of all tuples of a class.

    A tuple is `size` frames in their order. With keys k = LN(W1 z) and values v = W2 z of `key_width` numbers, shared
    by query and support, each tuple of a query attends to ALL tuples of all K clips of a class, by the softmax of
    k_q . k_s / root(key_width); the prototype is the sum of their values by that attention. The distance is the mean
    over the query's tuples of ||v_q - prototype||, or of its square (TRX) with `squared`.

    W2 has no bias, since it would cancel. (PAINet does not write the division by the root; TRX does.)
    Raises ValueError where `size` is below 1.
    """

    def __init__(self, width: int, key_width: int, size: int = 2, squared: bool = False) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size is {size}; a tuple has at least 1 frame")
        self.size, self.squared = size, squared
        self.key = nn.Linear(size * width, key_width)
        self.norm = nn.LayerNorm(key_width)
        self.value = nn.Linear(size * width, key_width, bias=False)

    def forward(self, support: Float[Tensor, "B N K T D"], query: Float[Tensor, "B Q T D"]) -> Float[Tensor, "B Q N"]:
        """Distances, in float32 or better. Raises ValueError where a clip has fewer than `size` frames."""
        return in_chunks(self._distance, self._projected(query), self._projected(support), self._cost(support))

    def weights(
        self, support: Float[Tensor, "B N K T D"], query: Float[Tensor, "B Q T D"]
    ) -> Float[Tensor, "B Q N P K P"]:
        """The attention of every query tuple to the tuples of a class; the sum over the last two axes is 1.

        Tuples are in the order of `itertools.combinations`: (0, 1), (0, 2), ..., (1, 2), ...
        """
        chunk = in_chunks(
            self._attention, self._projected(query)[:1], self._projected(support)[:1], self._cost(support)
        )
        return chunk.transpose(2, 3).unflatten(-1, (support.shape[2], -1))

    def _cost(self, support: Float[Tensor, "B N K T D"]) -> int:
        """The size of one query's attention, in the unit of `in_chunks`."""
        _, way, shot, frames, _ = support.shape
        return -(-way * shot * comb(frames, self.size) ** 2 // NUMBERS_PER_PAIR)

    def _projected(self, maps: Float[Tensor, "*batch T D"]) -> tuple[Tensor, Tensor]:
        """Keys, centred over channels, and values of every frame in every place, frame-major: (..., T * size, D)."""
        _check_frames(maps, self.size)
        weight = torch.cat([layer.weight.unflatten(1, (self.size, -1)) for layer in (self.key, self.value)])
        both = F.linear(maps, weight.transpose(0, 1).flatten(0, 1)).unflatten(-1, (self.size, 2, -1))
        keys, values = both.unbind(-2)
        # The bias belongs to a tuple; its places share it.
        keys = keys + self.key.bias / self.size
        return (keys - keys.mean(-1, keepdim=True)).flatten(-3, -2), values.flatten(-3, -2)

    def _inverse_deviation(self, keys: Tensor, members: Tensor) -> Float[Tensor, "*batch P"]:
        """1 / sigma of the layer norm of every tuple, from the products of its frames."""
        variance = ((members @ (keys @ keys.mT)) * members).sum(-1) / keys.shape[-1]
        return (variance.clamp(min=0) + self.norm.eps).rsqrt()

    def _attention(self, own: Float[Tensor, "B Q P D"], other: Float[Tensor, "B N K P D"]) -> Tensor:
        """Softmax of the scores (B, Q, P, N, K * P) of keys."""
        members = membership(own.shape[-2] // self.size, self.size, own.device, own.dtype)
        theirs = membership(other.shape[-2] // self.size, self.size, own.device, own.dtype)
        weight, bias = self.norm.weight.to(own.dtype), self.norm.bias.to(own.dtype)
        places = other.flatten(2, 3).flatten(1, 2)
        product = (own * (weight.square() * own.shape[-1] ** -0.5)).flatten(1, 2) @ places.mT
        product = product.unflatten(1, own.shape[1:3])
        rows = (members * self._inverse_deviation(own, members).unsqueeze(-1)) @ product
        # B Q P N K (places)
        scores = rows.unflatten(-1, other.shape[1:4]) @ theirs.mT
        scale = self._inverse_deviation(other, theirs)
        offset = (other @ (weight * bias * own.shape[-1] ** -0.5)) @ theirs.mT * scale
        scores = torch.addcmul(offset[:, None, None], scores, scale[:, None, None])
        return scores.flatten(-2).softmax(-1)

    def _distance(self, own: Tensor, own_value: Tensor, other: Tensor, other_value: Tensor) -> Float[Tensor, "B Q N"]:
        """The mean norm, or squared norm, of value minus prototype."""
        members = membership(own.shape[-2] // self.size, self.size, own.device, own.dtype)
        theirs = membership(other.shape[-2] // self.size, self.size, own.device, own.dtype)
        attention = self._attention(own, other).unflatten(-1, (other.shape[2], -1))
        # B N (Q P) (K places)
        shares = (attention @ theirs).flatten(-2).permute(0, 3, 1, 2, 4).flatten(2, 3)
        mine = (members @ own_value).flatten(1, 2)[:, None].expand(-1, shares.shape[1], -1, -1)
        gap = torch.baddbmm(mine.flatten(0, 1), shares.flatten(0, 1), other_value.flatten(2, 3).flatten(0, 1), alpha=-1)
        length = torch.linalg.vector_norm(gap, dim=-1)
        length = (length.square() if self.squared else length).unflatten(1, (own.shape[1], -1)).mean(-1)
        return length.unflatten(0, shares.shape[:2]).transpose(1, 2)


def linear_of_tuples(layer: nn.Linear, maps: Float[Tensor, "*batch T D"], size: int) -> Float[Tensor, "*batch P _"]:
    """A linear layer on all tuples of `size` frames (D inputs for each place), without building them.

    Raises ValueError where there are fewer than `size` frames.

    >>> layer = nn.Linear(2, 1, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[10.0, 1.0]]))
    >>> linear_of_tuples(layer, torch.tensor([[1.0], [2.0], [3.0]]), 2).flatten().tolist()
    [12.0, 13.0, 23.0]
    """
    _check_frames(maps, size)
    weight = layer.weight.unflatten(1, (size, -1)).transpose(0, 1).flatten(0, 1)
    places = F.linear(maps, weight).unflatten(-1, (size, -1)).flatten(-3, -2)
    sums = membership(maps.shape[-2], size, places.device, places.dtype) @ places
    return sums if layer.bias is None else sums + layer.bias


def _check_frames(maps: Float[Tensor, "*batch T D"], size: int) -> None:
    if maps.shape[-2] < size:
        raise ValueError(
            f"a map has {maps.shape[-2]} frame(s); tuples have {size}. Use more frames (data.frames), smaller tuples, "
            "or a backbone that keeps the frames."
        )


@lru_cache(maxsize=64)
def membership(frames: int, size: int, device: torch.device, dtype: torch.dtype) -> Float[Tensor, "P _"]:
    """Which frame is in which place of which tuple: a row per tuple, a column per frame and place (frame-major).

    >>> membership(3, 2, torch.device("cpu"), torch.float32).int().tolist()
    [[1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 1]]
    """
    # Kept for the next call, so it must be usable in a backward pass wherever it was made.
    with torch.inference_mode(False):
        chosen = torch.tensor(list(combinations(range(frames), size)), device=device)
        columns = chosen * size + torch.arange(size, device=device)
        return torch.zeros(len(chosen), frames * size, device=device, dtype=dtype).scatter_(1, columns, 1)
