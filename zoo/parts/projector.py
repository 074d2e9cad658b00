"""The projector and predictor of BYOL (Grill et al., NeurIPS 2020), and its loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def projector(channels: int, hidden: int, width: int) -> nn.Sequential:
    """Linear(channels, hidden), batch normalisation, ReLU, Linear(hidden, width)."""
    return nn.Sequential(nn.Linear(channels, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, width))


def cosine_loss(online: Float[Tensor, "X D"], target: Float[Tensor, "X D"]) -> Float[Tensor, "X"]:
    """2 - 2 cos of each pair, which is the squared distance of the unit vectors; no gradient reaches `target`.

    >>> cosine_loss(torch.tensor([[3.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]])).tolist()
    [0.0, 2.0]
    """
    precision = torch.promote_types(online.dtype, torch.float32)
    return 2 - 2 * F.cosine_similarity(online.to(precision), target.detach().to(precision), dim=-1)
