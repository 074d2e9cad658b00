"""Rank measures of a joints x channels map: the nuclear norm (DASTM, eq. 2) and the surrogate in DASTM's code."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.parts.frame_distance import at_least_float32, safe_root


def nuclear_norm(maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch"]:
    """Sum of the singular values of every joints x channels matrix (DASTM, eq. 2).

    Computed as the roots of the eigenvalues of the V x V Gram matrix, in float64; the gradient is the polar factor.
    Singular values that the input's precision cannot tell from zero count as zero and have no gradient.
    Half precision is returned in float32. On a GPU the eigenvalue solver makes the host wait.

    >>> nuclear_norm(torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 4.0]])).item()
    7.0
    """
    return _NuclearNorm.apply(at_least_float32(maps))


def normalised_nuclear_norm(maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch"]:
    """The nuclear norm of a matrix over its Frobenius norm: 1 for rank one, at most the root of V, whatever the scale.

    >>> round(normalised_nuclear_norm(5 * torch.eye(4)).item(), 6)
    2.0
    """
    maps = at_least_float32(maps)
    size = torch.linalg.matrix_norm(maps).clamp(min=torch.finfo(maps.dtype).tiny)
    return nuclear_norm(maps) / size


def batch_nuclear_surrogate(maps: Float[Tensor, "*batch V D"]) -> Float[Tensor, "*batch"]:
    """DASTM's repository's measure, "fast batch nuclear norm": in (0, 1), bigger is better.

    Each joint's channels become a distribution (softmax); the mean of the min(V, D) largest column norms is taken.

    >>> round(batch_nuclear_surrogate(torch.tensor([[99.0, 0.0], [0.0, 99.0]])).item(), 4)
    1.0
    >>> round(batch_nuclear_surrogate(torch.zeros(2, 2)).item(), 4)
    0.7071
    """
    joints, channels = maps.shape[-2:]
    squared = at_least_float32(maps).softmax(-1).square().sum(-2)
    return safe_root(squared.topk(min(joints, channels), dim=-1, sorted=False).values).mean(-1)


class _NuclearNorm(torch.autograd.Function):
    """Value and polar factor from one eigendecomposition of H H^T = U S^2 U^T: the factor is U S^-1 U^T H."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        exact = maps.double()
        with torch.autocast(maps.device.type, enabled=False):
            values, vectors = torch.linalg.eigh(exact @ exact.mT)
            # A singular value below the rounding of `maps`, or below that of the float64 Gram matrix, is noise.
            floor = max(torch.finfo(maps.dtype).eps ** 2, maps.shape[-2] * torch.finfo(torch.float64).eps)
            kept = values > floor * values[..., -1:].clamp(min=torch.finfo(torch.float64).tiny)
            singular = torch.where(kept, values, 1).sqrt()
            inverse_root = (vectors * (kept / singular)[..., None, :]) @ vectors.mT
            # Rounding it moves the factor no more than the rounding of `maps` has done already.
            ctx.save_for_backward(maps, inverse_root.to(maps.dtype))
        return (singular * kept).sum(-1).to(maps.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        maps, inverse_root = ctx.saved_tensors
        with torch.autocast(maps.device.type, enabled=False):
            return (grad[..., None, None] * inverse_root) @ maps
