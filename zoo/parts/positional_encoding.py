"""Fixed sinusoidal positional encoding (Vaswani et al., 2017) of frames or joints, as TRX, STRM and FICAMA scale it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def sinusoids(length: int, width: int, step: int = 2, device: torch.device | None = None) -> Float[Tensor, "T D"]:
    """Sine in even and cosine in odd channels, of position * 10000^(-channel / width).

    `step` channels share a wavelength: 2 is the usual encoding; 4 is what FICAMA's code calls "rotation".

    >>> [[round(value, 2) for value in row] for row in sinusoids(2, 4).tolist()]
    [[0.0, 1.0, 0.0, 1.0], [0.84, 0.54, 0.01, 1.0]]
    """
    channel = torch.arange(width, device=device)
    # Of the float32 exponent, as in TRX's code, but in float64: float32 would depend on the processor.
    rate = (channel // step * step * (-math.log(10_000) / width)).double().exp().float()
    angle = torch.arange(length, device=device)[:, None] * rate
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())


class PositionalEncoding(nn.Module):
    """Adds `scale` times the encoding along the last axis but one, then drops out. It has no parameters."""

    def __init__(self, dropout: float, scale: float = 0.1, step: int = 2) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.scale, self.step = scale, step

    def forward(self, sequence: Float[Tensor, "*batch X D"]) -> Float[Tensor, "*batch X D"]:
        """The sequence with its positions, of the same shape and type."""
        encoding = sinusoids(sequence.shape[-2], sequence.shape[-1], self.step, sequence.device)
        return self.dropout(sequence + (self.scale * encoding).to(sequence.dtype))
