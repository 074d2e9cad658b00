"""Energy-based attention drop (AimCLR, Guo et al., AAAI 2022, section 3.3): drop what attention finds important."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

LEAST = 1 / (1 + math.exp(-0.5))
"""The least attention there is, sigmoid(1/2) = 0.6225: that of a feature at its channel's mean."""


def energy_attention(maps: Float[Tensor, "X T V D"], epsilon: float = 1e-4) -> Float[Tensor, "X T V D"]:
    """SimAM's attention without parameters (Yang et al., ICML 2021): far from the channel's mean over frames and joints
    is important. Values lie in 0.6225 .. 1.

    >>> energy_attention(torch.tensor([0.0, 0.0, 0.0, 4.0]).view(1, 4, 1, 1)).mul(100).round().flatten().tolist()
    [64.0, 64.0, 64.0, 74.0]
    """
    square = (maps - maps.mean((1, 2), keepdim=True)).square()
    others = max(1, maps.shape[1] * maps.shape[2] - 1)
    variance = square.sum((1, 2), keepdim=True) / others
    return torch.sigmoid(square / (4 * (variance + epsilon)) + 0.5)


def attention_drop(maps: Float[Tensor, "X T V D"], keep: float = 0.7) -> Float[Tensor, "X T V D"]:
    """Set to zero the joints whose mean attention reaches `keep`, then all single features whose attention reaches it.

    What is kept is scaled up by the share of features that were kept in the whole batch, as in dropout. Where nothing
    is kept, which in the authors' code divides by zero, the maps are zeros. A map of one frame and one joint has no
    attention to speak of and is returned as it is. No gradient passes through the attention.
    """
    attention = energy_attention(maps.detach())
    joints = (attention.mean((1, 3), keepdim=True) < keep).to(maps.dtype)
    features = (attention < keep).to(maps.dtype)
    return maps * _rescaled(joints) * _rescaled(features)


def _rescaled(mask: Tensor) -> Tensor:
    return mask * (mask.numel() / mask.sum().clamp(min=1))
