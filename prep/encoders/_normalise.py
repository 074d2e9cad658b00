"""Decoded frames as the normalised tensor that a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prep.encoders._encoder import EncoderError

if TYPE_CHECKING:
    import torch


def normalise(
    clips: NDArray[np.uint8],
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Clips (B, T, S, S, 3) of 0 to 255, RGB, to (B, T, 3, S, S): (value / 255 - mean) / std for each channel.

    They are moved to the device as bytes, a quarter of the size of floats, and converted there. The computation is in
    float32 or wider; the result has the type `dtype` (default: float32).
    """
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(clips)).to(device)
    wide = torch.promote_types(dtype or torch.float32, torch.float32)
    # One multiplication and one addition instead of three steps.
    scale = torch.tensor([1 / (255 * s) for s in std], dtype=wide, device=device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=wide, device=device)
    normalised = pixels.to(wide) * scale + shift
    return normalised.permute(0, 1, 4, 2, 3).contiguous().to(dtype or torch.float32)


def check_clips(clips: NDArray[np.uint8], frames: int, size: int, name: str) -> NDArray[np.uint8]:
    """The same clips, if they are uint8 (B, T, size, size, 3) with T = `frames` (0: any number from 1).

    Raises EncoderError that begins with the name of the encoder.
    """
    if clips.dtype != np.uint8:
        raise EncoderError(f"{name}: clips are {clips.dtype}; it takes uint8, 0 to 255, RGB.")
    if clips.ndim != 5 or clips.shape[2:] != (size, size, 3) or clips.shape[1] < 1:
        raise EncoderError(f"{name}: clips are {clips.shape}; it takes (clips, frames, {size}, {size}, 3).")
    if frames and clips.shape[1] != frames:
        raise EncoderError(
            f"{name}: clips of {clips.shape[1]} frames; these weights take exactly {frames}. "
            f"Use --frames {frames}, or weights for {clips.shape[1]} frames."
        )
    return clips
