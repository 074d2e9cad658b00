"""Residual perceptrons token by token and channel by channel."""

from __future__ import annotations

import pytest
import torch

from zoo.parts.mixer import FrameCountError
from zoo.parts.perceptron import ChannelPerceptron, TokenPerceptron


def test_every_token_by_itself_and_every_channel_by_itself() -> None:
    torch.manual_seed(0)
    tokens, channels, mixing = torch.randn(2, 4, 6), ChannelPerceptron(6), TokenPerceptron(4)
    first, _, second = channels.layers
    for token, found in zip(tokens[1], channels(tokens)[1], strict=True):
        torch.testing.assert_close(found, token + second(torch.relu(first(token))))
    first, _, second = mixing.channels.layers
    for column in range(6):
        expected = tokens[0, :, column] + second(torch.relu(first(tokens[0, :, column])))
        torch.testing.assert_close(mixing(tokens)[0, :, column], expected)


def test_another_number_of_tokens_is_refused() -> None:
    with pytest.raises(FrameCountError, match="maps have 5 frames or joints, but the perceptron was built for 4"):
        TokenPerceptron(4)(torch.zeros(1, 5, 6))
