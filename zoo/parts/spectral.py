"""Functions of the eigenvalues of small symmetric matrices, with gradients that equal eigenvalues do not spoil."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

RANK_TOLERANCE = 1e-10
"""An eigenvalue below this share of the largest counts as zero."""


def truncated_inverse(
    gram: Float[Tensor, "*batch K K"], dimensions: int, floor: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch K K"]:
    """The pseudo-inverse of the part of a positive semi-definite matrix with its `dimensions` largest eigenvalues.

    Eigenvalues up to `floor`, and those that are negligible beside the largest, count as zero and are left out. For the
    rows A of a matrix (K, D) and `gram` = A A^T, the projection onto the span of its first right singular vectors is
    A^T truncated_inverse(gram, dimensions, floor) A.

    The gradient (Daleckii and Krein) divides by the difference of an eigenvalue that is kept and one that is left out,
    never by that of two that are kept, as the gradient of a decomposition does. Where these two are equal the subspace
    is not defined; the gradient between them is then zero.

    >>> truncated_inverse(torch.diag(torch.tensor([4.0, 0.5, 2.0])), 2, torch.zeros(())).diagonal().tolist()
    [0.25, 0.0, 0.5]
    """
    return _TruncatedInverse.apply(gram, dimensions, floor)


class _TruncatedInverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gram: Tensor, dimensions: int, floor: Tensor) -> Tensor:
        # eigh raises for what is not finite; the training loop says better where a loss has diverged.
        values, vectors = torch.linalg.eigh(gram.nan_to_num(posinf=0, neginf=0))
        smallest = torch.maximum(RANK_TOLERANCE * values[..., -1:], floor[..., None])
        smallest = smallest.clamp(min=torch.finfo(values.dtype).tiny)
        largest = torch.arange(values.shape[-1], device=values.device) >= values.shape[-1] - dimensions
        kept = largest & (values > smallest)
        inverse = torch.where(kept, 1 / torch.where(kept, values, 1), 0)
        ctx.save_for_backward(values, vectors, inverse, kept)
        return (vectors * inverse[..., None, :]) @ vectors.mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        values, vectors, inverse, kept = ctx.saved_tensors
        gap = values[..., :, None] - values[..., None, :]
        mixed = kept[..., :, None] ^ kept[..., None, :]
        defined = mixed & (gap.abs() > RANK_TOLERANCE * values[..., -1:, None].abs())
        slope = (inverse[..., :, None] - inverse[..., None, :]) / torch.where(defined, gap, 1)
        slope = torch.where(mixed, torch.where(defined, slope, 0), -inverse[..., :, None] * inverse[..., None, :])
        symmetric = (gradient + gradient.mT) / 2
        return vectors @ (slope * (vectors.mT @ symmetric @ vectors)) @ vectors.mT, None, None
