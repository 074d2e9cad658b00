"""The temporal-channel mixer against eq. 6."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_painet as plain

from zoo.parts.mixer import FrameCountError, TemporalChannelMixer


def test_mixer_is_equation_6() -> None:
    torch.manual_seed(0)
    module = TemporalChannelMixer(4, 6).double()
    sequence = torch.randn(3, 4, 6, dtype=torch.float64)
    literal = torch.stack([plain.mixer(frames, module) for frames in sequence])
    torch.testing.assert_close(module(sequence), literal, rtol=1e-10, atol=1e-12)


def test_other_number_of_frames() -> None:
    with pytest.raises(FrameCountError, match=r"maps have 3 frames, but the .* built for 4\. Keep data\.frames"):
        TemporalChannelMixer(4, 6)(torch.zeros(2, 3, 6))
