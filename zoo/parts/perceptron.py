"""Residual perceptrons over tokens and over channels, the halves of MLP-Mixer as STRM and FICAMA use them."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from zoo.parts.mixer import FrameCountError


class ChannelPerceptron(nn.Module):
    """x + MLP(x) along channels: two linear layers of the same width with ReLU between them; no norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, tokens: Float[Tensor, "*batch X D"]) -> Float[Tensor, "*batch X D"]:
        """Tokens of the same shape."""
        return tokens + self.layers(tokens)


class TokenPerceptron(nn.Module):
    """The same along tokens (frames or joints), for every channel by the same weights."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.channels = ChannelPerceptron(tokens)

    def forward(self, tokens: Float[Tensor, "*batch X D"]) -> Float[Tensor, "*batch X D"]:
        """Tokens of the same shape. Raises FrameCountError for another number of tokens than at construction."""
        if tokens.shape[-2] != self.tokens:
            raise FrameCountError(
                f"maps have {tokens.shape[-2]} frames or joints, but the perceptron was built for {self.tokens}. "
                "Keep data.frames as in training."
            )
        return self.channels(tokens.mT).mT
