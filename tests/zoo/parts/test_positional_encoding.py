"""The encoding by its formula, channel by channel, and FICAMA's variant by theirs."""

from __future__ import annotations

import math

import torch

from zoo.parts.positional_encoding import PositionalEncoding, sinusoids


def test_sines_and_cosines_of_the_formula() -> None:
    found = sinusoids(5, 8)
    for position in range(5):
        for pair in range(4):
            angle = position / 10_000 ** (2 * pair / 8)
            expected = torch.tensor([math.sin(angle), math.cos(angle)])
            torch.testing.assert_close(found[position, 2 * pair : 2 * pair + 2], expected)


def test_four_channels_of_one_wavelength() -> None:
    """FICAMA: channels 4 c to 4 c + 3 are the sine, cosine, sine and cosine of one angle."""
    found = sinusoids(5, 8, step=4).unflatten(1, (2, 4))
    rate = torch.exp(torch.arange(2) * -(math.log(10_000) / 2))
    angle = torch.arange(5)[:, None] * rate
    torch.testing.assert_close(found, torch.stack([angle.sin(), angle.cos()] * 2, dim=-1))


def test_odd_widths_and_half_precision() -> None:
    encoded = PositionalEncoding(0.0, 0.1)(torch.zeros(2, 3, 5, 7, dtype=torch.bfloat16))
    assert encoded.shape == (2, 3, 5, 7)
    assert encoded.dtype == torch.bfloat16
    torch.testing.assert_close(encoded[1, 2].float(), 0.1 * sinusoids(5, 7), rtol=0.01, atol=0.001)
