"""Rank measures of a joints x channels map: the nuclear norm (DASTM, eq. 2), the surrogate in DASTM's code, and the
Frobenius norm, which the code of its follow-up ESR-MM puts in their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from zoo.parts.frame_distance import at_least_float32, safe_root

InverseRoot = Callable[[Tensor, float], Tensor]

# Chen and Chow's bound: beyond it a step takes 1 close to 0 and loses digits. At it, 1 becomes 0.1.
LARGEST_SCALING = 1.69770248526


def nuclear_norm(maps: Float[Tensor, "*batch V D"], newton_schulz: bool | None = None) -> Float[Tensor, "*batch"]:
    """Sum of the singular values of every joints x channels matrix (DASTM, eq. 2).

    From the inverse root R of the V x V Gram matrix G, in float64: the value is <R, G> and the gradient the polar
    factor R @ maps. Half precision is returned in float32. Let f be 1.2e-7 (the rounding of float32) or, for float64,
    root(V * 2.2e-16). By eigenvalues, singular values below f times the largest count as zero and have no gradient.
    By Newton-Schulz steps, a fixed number of matrix products, the factor of a singular value s in the gradient is
    s / root(s^2 + (f * F)^2), with F the Frobenius norm: 1 up to 1e-5 for s > 1000 * f * F. `newton_schulz` None takes
    them on a GPU, where a solver for eigenvalues makes the host wait and cannot be captured in a graph.

    >>> nuclear_norm(torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 4.0]])).item()
    7.0
    """
    maps = at_least_float32(maps)
    by_products = maps.is_cuda if newton_schulz is None else newton_schulz
    return _NuclearNorm.apply(maps, inverse_root if by_products else inverse_root_by_eigenvalues)


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


def frobenius_per_frame(maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch"]:
    """ESR-MM's measure: the root of the sum of the squared singular values of all T matrices, over T.

    That is the Frobenius norm of all frames over their number. It rewards larger maps and has no bound.

    >>> frobenius_per_frame(torch.tensor([[[3.0, 0.0]], [[0.0, 4.0]]])).item()
    2.5
    """
    return torch.linalg.vector_norm(at_least_float32(maps), dim=(-3, -2, -1)) / maps.shape[-3]


def inverse_root_by_eigenvalues(gram: Float[Tensor, "*batch V V"], floor: float) -> Float[Tensor, "*batch V V"]:
    """The inverse square root of positive semidefinite matrices; eigenvalues up to `floor` * the largest are left out.

    >>> inverse_root_by_eigenvalues(torch.diag(torch.tensor([4.0, 0.25, 0.0])), floor=1e-6).diagonal().tolist()
    [0.5, 2.0, 0.0]
    """
    values, vectors = torch.linalg.eigh(gram)
    kept = values > floor * values[..., -1:].clamp(min=torch.finfo(gram.dtype).tiny)
    return (vectors * (kept / torch.where(kept, values, 1).sqrt())[..., None, :]) @ vectors.mT


def inverse_root(gram: Float[Tensor, "*batch V V"], floor: float) -> Float[Tensor, "*batch V V"]:
    """(G + floor * trace(G) * I)^(-1/2) of positive semidefinite matrices, by matrix products alone.

    The coupled Newton-Schulz iteration (Higham, "Functions of Matrices", 2008, eq. 6.35), each step scaled for the
    interval in which the eigenvalues then lie (Chen and Chow, "A stable scaling of Newton-Schulz", 2014). The number of
    steps depends on `floor` alone: 23 for 1.4e-14. Nothing waits for the device. Zeros give the finite root of a tiny
    multiple of I.

    >>> inverse_root(torch.diag(torch.tensor([4.0, 0.25])).double(), floor=1e-14).diagonal().round(decimals=9).tolist()
    [0.5, 2.0]
    """
    size = gram.shape[-1]
    eye = torch.eye(size, dtype=gram.dtype, device=gram.device)
    # The trace bounds the largest eigenvalue, so all of them now lie between floor / (1 + floor) and 1.
    scale = gram.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None].clamp(min=torch.finfo(gram.dtype).tiny)
    root = ((gram / scale + floor * eye) / (1 + floor)).reshape(-1, size, size)
    inverse = eye.expand_as(root)
    for factor in _scalings(floor):
        correction = torch.baddbmm(eye.expand_as(root), inverse, root, beta=1.5 * factor, alpha=-0.5 * factor**3)
        root, inverse = root @ correction, correction @ inverse
    return inverse.view_as(gram) / (scale * (1 + floor)).sqrt()


@cache
def _scalings(floor: float) -> tuple[float, ...]:
    """The factor of every step: x -> factor * x * (3 - (factor * x)^2) / 2 takes roots in [low, 1] closest to 1."""
    low, factors = math.sqrt(floor / (1 + floor)), list[float]()
    while low < 1 - 1e-7:
        factors.append(min(LARGEST_SCALING, math.sqrt(3 / (1 + low + low * low))))
        low = factors[-1] * low * (3 - (factors[-1] * low) ** 2) / 2
    # The interval is only as exact as the sums in the matrices: two steps that need no interval make it good.
    return (*factors, 1.0, 1.0)


class _NuclearNorm(torch.autograd.Function):
    """Value and polar factor from the inverse root of H H^T."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, root: InverseRoot) -> Tensor:
        exact = maps.double()
        # A singular value below the rounding of `maps`, or below that of the float64 Gram matrix, is noise.
        floor = max(torch.finfo(maps.dtype).eps ** 2, maps.shape[-2] * torch.finfo(torch.float64).eps)
        with torch.autocast(maps.device.type, enabled=False):
            gram = exact @ exact.mT
            inverse = root(gram, floor)
        # Without noise in it, rounding moves the factor no more than the rounding of `maps` has done already; but not
        # so for products on a GPU, which may use TF32.
        rounded = root is inverse_root_by_eigenvalues and not maps.is_cuda
        ctx.save_for_backward(maps, inverse.to(maps.dtype) if rounded else inverse)
        return (inverse * gram).sum((-2, -1)).to(maps.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        maps, inverse = ctx.saved_tensors
        with torch.autocast(maps.device.type, enabled=False):
            return ((grad[..., None, None] * inverse) @ maps.to(inverse.dtype)).to(maps.dtype), None
