"""The network of the demo teacher: a small video encoder and a linear text encoder with unit vectors in one space.

A frame is its difference from the clip's mean frame, which removes the wall, and its difference from the frame before.
Three convolutions and a linear layer encode it; two temporal convolutions and the means of four quarters of the clip
keep the order of frames. A sentence is the hashed frequencies of its words and of their character trigrams (as in
fastText, Bojanowski et al., TACL 2017), so that related class names have similar vectors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prep.encoders._encoder import EncoderError

if TYPE_CHECKING:
    import torch

FRAMES, SIZE, WIDTH, BINS = 16, 32, 128, 2048
_CHANNELS, _FRAME, _HIDDEN, _QUARTERS = 16, 96, 128, 4
# Differences between frames are small beside the range of normalised colours, -1 to 1.
_GAIN = 2.0


def teacher_net() -> torch.nn.ModuleDict:
    """The network, initialised from torch's global generator; nothing is drawn on the meta device."""
    from torch import nn

    c = _CHANNELS
    images = nn.Sequential(
        nn.Conv2d(6, c, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(c, 2 * c, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(2 * c, 3 * c, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
    )
    return nn.ModuleDict(
        {
            "images": images,
            "frames": nn.Sequential(nn.Linear(3 * c * (SIZE // 8) ** 2, _FRAME), nn.LayerNorm(_FRAME), nn.ReLU()),
            "early": nn.Conv1d(_FRAME, _HIDDEN, 3, padding=1),
            "late": nn.Conv1d(_HIDDEN, _HIDDEN, 3, padding=1),
            "video": nn.Linear(_QUARTERS * _HIDDEN, WIDTH),
            "text": nn.Linear(BINS, WIDTH, bias=False),
        }
    )


def initial_net(seed: int) -> torch.nn.ModuleDict:
    """The network with random weights, a function of the seed; the global generator's state does not change."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = teacher_net()
        # Rows of `bags` have length 1, so the vectors of sentences have about length 1 before they are normalised.
        torch.nn.init.normal_(net.get_parameter("text.weight"), std=WIDTH**-0.5)
    return net


def video_vectors(
    net: torch.nn.ModuleDict, pixels: torch.Tensor, rng: torch.Generator | None = None, drop: float = 0.2
) -> torch.Tensor:
    """Normalised clips (B, T, 3, S, S) to unit vectors (B, 128) in float32. With `rng`, hidden values are dropped."""
    import torch
    from torch.nn import functional

    def dropped(values: torch.Tensor) -> torch.Tensor:
        if rng is None:
            return values
        return values * (torch.rand(values.shape, generator=rng) >= drop) / (1 - drop)

    images = frame_channels(pixels).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    frames = net["frames"](dropped(net["images"](images)))
    sequence = frames.unflatten(0, pixels.shape[:2]).transpose(1, 2)
    early = functional.max_pool1d(dropped(net["early"](sequence).relu()), 2)
    quarters = functional.adaptive_avg_pool1d(net["late"](early).relu(), _QUARTERS)
    return functional.normalize(net["video"](quarters.flatten(1)).float(), dim=-1)


def frame_channels(pixels: torch.Tensor) -> torch.Tensor:
    """Clips (B, T, 3, S, S) to (B, T, 6, S, S): each frame minus the clip's mean, and minus the frame before it.

    >>> import torch
    >>> frame_channels(torch.tensor([0.0, 1.0, 5.0]).reshape(1, 3, 1, 1, 1))[0, :, :, 0, 0].tolist()
    [[-4.0, 0.0], [-2.0, 2.0], [6.0, 8.0]]
    """
    import torch

    changes = torch.cat([torch.zeros_like(pixels[:, :1]), pixels[:, 1:] - pixels[:, :-1]], dim=1)
    return _GAIN * torch.cat([pixels - pixels.mean(dim=1, keepdim=True), changes], dim=2)


def text_vectors(net: torch.nn.ModuleDict, features: torch.Tensor) -> torch.Tensor:
    """`bags` of sentences (n, 2048) to unit vectors (n, 128) in float32."""
    from torch.nn import functional

    return functional.normalize(net["text"](features).float(), dim=-1)


def bags(sentences: Sequence[str]) -> NDArray[np.float32]:
    """(n, 2048) rows of length 1: how often a sentence's words and their trigrams fall into each bin.

    The bin is a sha256 modulo 2048. `<` and `>` mark the ends of a word. Raises EncoderError for a sentence without
    words.

    >>> one, same, near = bags(["Kick right", "right, kick!", "kick left"])
    >>> bool((one == same).all()), round(float(one @ near), 2)
    (True, 0.48)
    """
    rows = np.zeros((len(sentences), BINS), np.float32)
    for row, sentence in zip(rows, sentences, strict=True):
        words = re.findall(r"\w+", sentence.lower())
        if not words:
            raise EncoderError(f"`{sentence}` holds no words; there is nothing to embed.")
        for word in words:
            marked = f"<{word}>"
            for piece in (marked, *(marked[n : n + 3] for n in range(len(marked) - 2))):
                row[int.from_bytes(hashlib.sha256(piece.encode()).digest()[:4], "big") % BINS] += 1
        row /= np.linalg.norm(row)
    return rows
