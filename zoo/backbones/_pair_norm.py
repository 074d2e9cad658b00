"""PairNorm: maps of joints are kept apart, however many graph convolutions smooth them."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Mode = Literal["none", "pn", "pn_si", "pn_scs"]
SMALL = 1e-6


class PairNorm(nn.Module):
    """`pair_norm` as a layer without parameters; with mode "none" it returns its input."""

    def __init__(self, mode: Mode, scale: float) -> None:
        super().__init__()
        self.mode, self.scale = mode, scale

    def forward(self, maps: Float[Tensor, "*batch V C"]) -> Float[Tensor, "*batch V C"]:
        """Normalised over the joints of every clip and frame."""
        return pair_norm(maps, self.mode, self.scale)

    def extra_repr(self) -> str:
        """The settings, for `print`."""
        return f"{self.mode}, scale={self.scale}"


def pair_norm(maps: Float[Tensor, "*batch V C"], mode: Mode, scale: float) -> Float[Tensor, "*batch V C"]:
    """PairNorm of V joints with C channels (Zhao and Akoglu, "PairNorm: Tackling Oversmoothing in GNNs", ICLR 2020).

    "pn" centres the joints and divides by the root of their mean squared norm (eq. 10-11); "pn_si" scales each joint
    by its own norm instead; "pn_scs" divides each joint by its norm and subtracts the mean of the joints. "none"
    returns the maps. The small number under the root is the authors' code's. Computed in float32 at least.

    >>> import torch
    >>> pair_norm(torch.tensor([[0.0], [2.0]]), "pn", scale=10.0).round().tolist()
    [[-10.0], [10.0]]
    """
    if mode == "none":
        return maps
    exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
    mean = exact.mean(-2, keepdim=True)
    if mode == "pn_scs":
        out = scale * exact * _squared_norm(exact).add(SMALL).rsqrt() - mean
    else:
        centred = exact - mean
        squared = _squared_norm(centred)
        spread = squared.mean(-2, keepdim=True) if mode == "pn" else squared
        out = scale * centred * spread.add(SMALL).rsqrt()
    return out.to(maps.dtype)


def _squared_norm(maps: Float[Tensor, "*batch V C"]) -> Float[Tensor, "*batch V 1"]:
    return maps.square().sum(-1, keepdim=True)
