"""Decoded pictures as the tensor that a network wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prep.encoders._encoder import EncoderError

if TYPE_CHECKING:
    import torch


def normalised(
    pictures: NDArray[np.uint8],
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Pictures (B, T, S, S, 3) of 0 to 255, red first, as (B, T, 3, S, S): (value / 255 - mean) / std, by colour.

    They travel to the device as bytes, a quarter of what their floats weigh, and are converted there, in float32
    whatever `dtype` (float32 where it is None) the result then has.
    """
    import torch

    there = torch.from_numpy(np.ascontiguousarray(pictures)).to(device)
    wide = torch.promote_types(dtype or torch.float32, torch.float32)
    # One multiplication and one addition: value / 255 and the two steps after it, folded together.
    scale = torch.tensor([1 / (255 * each) for each in std], dtype=wide, device=device)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=wide, device=device)
    colours = there.to(wide) * scale + shift
    return colours.permute(0, 1, 4, 2, 3).contiguous().to(dtype or torch.float32)


def checked(pictures: NDArray[np.uint8], frames: int, size: int, name: str) -> NDArray[np.uint8]:
    """The same pictures, if they are (B, T, size, size, 3) bytes with T = `frames` (0: any number from 1).

    Raises EncoderError, saying what encoder `name` wants.
    """
    if pictures.dtype != np.uint8:
        raise EncoderError(f"{name}: pictures are {pictures.dtype}; it takes uint8, 0 to 255, red first.")
    if pictures.ndim != 5 or pictures.shape[2:] != (size, size, 3) or pictures.shape[1] < 1:
        raise EncoderError(f"{name}: pictures are {pictures.shape}; it takes (clips, frames, {size}, {size}, 3).")
    if frames and pictures.shape[1] != frames:
        raise EncoderError(
            f"{name}: clips of {pictures.shape[1]} frames; these weights take exactly {frames}. "
            f"Show {frames} frames (--frames {frames}) or take weights for {pictures.shape[1]}."
        )
    return pictures
