"""Koopman pooling (Wang, Xu and Mu, "Neural Koopman Pooling", CVPR 2023), one-shot: dynamics are compared, not frames.

A linear operator is fitted to each exemplar, which takes the features of a frame to those of the next one; a query
belongs to the exemplar whose operator predicts its frames best. The facts are those of the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from episodes.episode import Episode
from zoo.checks import positive, share
from zoo.methods._method import Method


@dataclass(frozen=True)
class Options:
    """Singular values below `rtol` times the largest one are left out of the fit. Scores are divided by `temperature`.

    The authors' 0.9, for maps of 64 frames, leaves little more than the largest; 0.5 is a CHOICE for shorter maps.
    """

    needs_frames: ClassVar[int] = 2

    rtol: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        share(self, "rtol")
        positive(self, "temperature")


class Model(Method):
    """Minus the error with which the best of a class's operators predicts the frames of a query.

    A frame is the mean over joints. Pitfall: a backbone that pools over time leaves nothing to predict; the authors'
    CTR-GCN keeps all 64 frames, this project's a quarter of them.
    """

    options: Options

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """The nearest shot of every class counts. Raises ValueError for maps of one frame."""
        return -self._errors(support, query).mean(-1).amin(-1) / self.options.temperature

    def _errors(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> Float[Tensor, "B Q N K _"]:
        with torch.autocast(query.device.type, enabled=False):
            return prediction_errors(support.mean(4).float(), query.mean(3).float(), self.options.rtol)

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`prediction_error` (B, Q, N, K, T' - 1): the distance of every frame of a query but the first from what the
        operator of each shot predicts.
        """
        return {"prediction_error": self._errors(*self.maps(episode))}


def prediction_errors(
    support: Float[Tensor, "B N K T D"], query: Float[Tensor, "B Q T D"], rtol: float
) -> Float[Tensor, "B Q N K _"]:
    """|A x(t) - x(t + 1)| for t = 1 .. T - 1 of every query, where A = S2 pinv(S1) is the operator of a shot.

    S1 are all frames of the shot but the last and S2 all but the first, as columns. A itself, D * D numbers for every
    shot, is not made. Raises ValueError for sequences of one frame.

    >>> import torch
    >>> doubling, halving = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[4.0], [2.0], [1.0]])
    >>> support = torch.stack([doubling, halving])[None, :, None]
    >>> errors = prediction_errors(support, halving[None, None], rtol=0.9)
    >>> [[round(value, 3) for value in row] for row in errors[0, 0, :, 0].tolist()]
    [[6.0, 3.0], [0.0, 0.0]]
    """
    frames = min(support.shape[-2], query.shape[-2])
    if frames < 2:
        raise ValueError(
            f"koopman predicts each frame from the one before, but maps have {frames} frame. Choose a backbone that "
            "keeps frames, or a larger data.frames."
        )
    before, after = support[..., :-1, :].mT, support[..., 1:, :].mT
    fitted = torch.linalg.pinv(before, rtol=rtol)
    parts = torch.einsum("bnksd,bqtd->bqnkst", fitted, query[:, :, :-1])
    predicted = torch.einsum("bnkds,bqnkst->bqnktd", after, parts)
    return torch.linalg.vector_norm(predicted - query[:, :, None, None, 1:], dim=-1)
