"""PAINet's temporal-channel mixer (Liu et al., ICCV 2023, eq. 6), after MLP-Mixer (Tolstikhin et al., NeurIPS 2021)."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class FrameCountError(ValueError):
    """Maps of another number of frames than the weights were made for."""


class TemporalChannelMixer(nn.Module):
    """U = G^T + gelu(MLP(LN(G^T))) over frames, then Z = U^T + gelu(MLP(LN(U^T))) over channels.

    "W_T and W_C are two-layer MLPs". CHOICE: T' -> T' -> T' and D -> D -> D, with GELU between the layers; each layer
    norm acts on the last axis of what it is given, so on the frames first.
    """

    def __init__(self, frames: int, width: int) -> None:
        super().__init__()
        self.frames = _Mixing(frames)
        self.channels = _Mixing(width)
        self.count = frames

    def forward(self, sequence: Float[Tensor, "*batch T D"]) -> Float[Tensor, "*batch T D"]:
        """The mixed sequence. Raises FrameCountError for another number of frames than at construction."""
        if sequence.shape[-2] != self.count:
            raise FrameCountError(
                f"maps have {sequence.shape[-2]} frames, but the temporal-channel mixer was built for {self.count}. "
                "Keep data.frames as in training."
            )
        return self.channels(self.frames(sequence.mT).mT)


class _Mixing(nn.Module):
    """x + gelu(MLP(LN(x))) along the last axis."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.layers = nn.Sequential(nn.Linear(size, size), nn.GELU(), nn.Linear(size, size))

    def forward(self, tokens: Float[Tensor, "*batch _ _"]) -> Float[Tensor, "*batch _ _"]:
        return tokens + F.gelu(self.layers(self.norm(tokens)))
