"""A small video and text encoder trained by `fsprep train-teacher` on base classes of the demo: no stand-in for X-CLIP.

It shows, without a download, how knowledge about videos transfers to a skeleton encoder. Published encoders saw far
more actions than the demo has; this one saw its base classes only, so numbers obtained with it compare with no paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prep.encoders._computing import computing, frozen
from prep.encoders._encoder import Request
from prep.encoders._normalise import check_clips, normalise
from prep.encoders._teacher_file import Provenance, read_teacher
from prep.encoders._teacher_net import FRAMES, SIZE, WIDTH, bags, teacher_net, text_vectors, video_vectors
from prep.tensors import check_fit, weights_digest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class DemoTeacher:
    """A trained teacher; see prep.encoders._encoder.Encoder."""

    net: torch.nn.ModuleDict
    provenance: Provenance
    weights: str
    request: Request
    frames: int = FRAMES
    size: int = SIZE
    width: int = WIDTH

    def videos(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Clips (B, 16, 32, 32, 3), RGB, to vectors (B, 128) of length 1. Raises EncoderError."""
        request = self.request
        check_clips(clips, self.frames, self.size, request.facts.name)
        pixels = normalise(clips, request.facts.mean, request.facts.std, request.device)
        with computing(request.device, request.precision):
            return video_vectors(self.net, pixels).cpu().numpy()

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Sentences to vectors (n, 128) of length 1. Raises EncoderError for a sentence without words."""
        import torch

        features = torch.from_numpy(bags(sentences)).to(self.request.device)
        with computing(self.request.device, self.request.precision):
            return text_vectors(self.net, features).cpu().numpy()


def load(request: Request) -> DemoTeacher:
    """The teacher in the file `request.weights`. Raises EncoderError for any other file; executes no code."""
    import torch

    path = Path(request.weights)
    tensors, provenance = read_teacher(path)
    with torch.device("meta"):
        net = teacher_net()
    check_fit(net, tensors, f"{path}: does not fit the demo teacher", "Train one with `fsprep train-teacher`.")
    net.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return DemoTeacher(frozen(net, request.device), provenance, weights_digest(tensors.items()), request)  # type: ignore[arg-type]
