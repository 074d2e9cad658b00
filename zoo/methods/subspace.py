"""Subspace networks, DSN (Simon et al., Adaptive Subspaces for Few-Shot Learning, CVPR 2020), on skeletons.

A class is the affine subspace through its support clips, and a query is near where little of it lies outside. For
skeletons, CHOICES: a clip is the mean of its map over frames and joints; with one shot, where the paper's code adds the
image flipped left to right, the mirror image of the skeleton is the second shot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from episodes.episode import Episode
from manifests.layout import Layout
from zoo.backbones._backbone import Backbone
from zoo.checks import not_negative, positive
from zoo.learner import Known
from zoo.methods._method import Method
from zoo.parts.spectral import truncated_inverse

EPSILON = 1e-12
"""Added to a squared distance before its root is taken, as in the paper's code."""

ROUNDING = 1e-6
"""Clips that differ by less, relative to their length, count as equal."""


@dataclass(frozen=True)
class Options:
    """`form` of the subspace and of the score: `centred`, through the class mean, minus the distance (the paper's text
    and its code for four convolutions); or `uncentred`, through the origin, minus the mean square over channels times a
    learnable scale that starts at 1 (its code for ResNet-12).

    A subspace has at most `dimensions` (0: as many as there are shots, less one), never more than the shots less one.
    `discriminative_weight` times the squared overlap of the subspaces of every two classes is added to the loss.
    `mirror`: with one shot, the mirror image is a second one. Scores are divided by `temperature`.
    """

    form: Literal["centred", "uncentred"] = "centred"
    dimensions: int = 0
    discriminative_weight: float = 0.03
    mirror: bool = True
    temperature: float = 1.0

    def __post_init__(self) -> None:
        not_negative(self, "dimensions", "discriminative_weight")
        positive(self, "temperature")

    def remarks(self, shot: int, layout: Layout) -> tuple[str, ...]:
        """With one shot and no mirror image of it, a class has no subspace."""
        if shot > 1 or (self.mirror and layout.mirror):
            return ()
        reason = f"the layout {layout.name} has no mirror pairs" if self.mirror else "method.options.mirror is off"
        return (f"subspace has one shot, and {reason}: a class is its mean, as in ProtoNet, not a subspace",)


class Model(Method):
    """Minus the distance of every query from the subspace of every class.

    Computed in float64 from the K x K products of a class's clips, so that no basis is needed and equal singular values
    leave the gradient as it is. Pitfall: with one shot and no mirror image (a layout without mirror pairs, or `mirror`
    off) there is no subspace: this is ProtoNet with the distance that is not squared, as a remark on the recipe says.
    Pitfall: eigenvalues make the host wait for a GPU, so that a training step cannot be captured.
    """

    options: Options

    def __init__(self, backbone: Backbone, options: Options, known: Known = Known()) -> None:  # noqa: B008 - frozen
        super().__init__(backbone, options, known)
        self.scale = nn.Parameter(torch.ones(())) if options.form == "uncentred" else None

    def mirrors(self, shot: int) -> bool:
        """With one shot, where the layout has mirror pairs."""
        return self.options.mirror and shot == 1 and self.known.layout is not None and bool(self.known.layout.mirror)

    def score(self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]) -> Float[Tensor, "B Q N"]:
        """Means over frames and joints."""
        squared = self._subspaces(support).outside(pooled(query)).square().sum(-1)
        if self.scale is None:
            return -((squared + EPSILON).sqrt() / self.options.temperature).float()
        return -self.scale * (squared / (support.shape[-1] * self.options.temperature)).float()

    def auxiliary_losses(
        self, support: Float[Tensor, "B N K T V D"], query: Float[Tensor, "B Q T V D"]
    ) -> dict[str, Tensor]:
        """`discriminative`: the overlap of subspaces (the sum over ordered pairs of classes), times its weight."""
        if not self.options.discriminative_weight:
            return {}
        overlap = self._subspaces(support).overlap().sum((-1, -2)).mean()
        return {"discriminative": self.options.discriminative_weight * overlap.float()}

    @torch.no_grad()
    def evidence(self, episode: Episode) -> dict[str, Tensor]:
        """`inside` (B, Q, N): the share, 0..1, of a query's squared distance from a class's centre (`uncentred`: from
        the origin) that lies in the subspace of the class.

        `joint_score` (B, Q, N, T', V): what every frame and joint contributes to minus the squared distance from the
        subspace, which is their sum.
        """
        support, query = self.maps(episode)
        classes = self._subspaces(support)
        outside = classes.outside(pooled(query))
        whole = (pooled(query)[:, :, None] - classes.centre[:, None]).square().sum(-1)
        inside = 1 - outside.square().sum(-1) / whole.clamp(min=torch.finfo(whole.dtype).tiny)
        # What is outside is orthogonal to what is inside, so its product with the whole is its square.
        parts = torch.einsum("bqtvd,bqnd->bqntv", query.double(), outside)
        parts = parts - torch.einsum("bnd,bqnd->bqn", classes.centre, outside)[..., None, None]
        parts = -parts / (query.shape[2] * query.shape[3])
        return {"inside": inside.clamp(0, 1).float(), "joint_score": parts.float()}

    def _subspaces(self, support: Float[Tensor, "B N K T V D"]) -> Subspaces:
        most = support.shape[2] - 1
        centred = self.options.form == "centred" or not most
        return Subspaces.through(pooled(support), min(self.options.dimensions or most, most), centred)


@dataclass(frozen=True)
class Subspaces:
    """A subspace for every class: a point on it, vectors that span it, and the pseudo-inverse of their products."""

    centre: Float[Tensor, "B N D"]
    span: Float[Tensor, "B N K D"]
    inverse: Float[Tensor, "B N K K"]

    @classmethod
    def through(cls, support: Float[Tensor, "B N K D"], dimensions: int, centred: bool) -> Subspaces:
        """Spanned by the first right singular vectors of every class's clips, minus their mean where `centred`.

        Clips that differ by rounding alone span nothing.
        """
        centre = support.mean(2) if centred else torch.zeros_like(support[:, :, 0])
        span = support - centre[:, :, None]
        floor = ROUNDING**2 * support.detach().square().sum((-1, -2))
        return cls(centre, span, truncated_inverse(span @ span.mT, dimensions, floor))

    def outside(self, query: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q N D"]:
        """The part of every query, seen from the centre of every class, that is orthogonal to the subspace.

        >>> line = Subspaces.through(torch.tensor([[[[2.0, 1.0], [-2.0, 1.0]]]]), dimensions=1, centred=True)
        >>> [round(value, 4) for value in line.outside(torch.tensor([[[3.0, 5.0]]])).flatten().tolist()]
        [0.0, 4.0]
        """
        whole = query[:, :, None] - self.centre[:, None]
        weights = torch.einsum("bqnd,bnkd->bqnk", whole, self.span)
        return whole - torch.einsum("bqnk,bnkl,bnld->bqnd", weights, self.inverse, self.span)

    def overlap(self) -> Float[Tensor, "B N N"]:
        """||U_i^T U_j||^2 for the orthonormal bases of every two different classes; zero on the diagonal.

        >>> lines = torch.tensor([[[[2.0, 0.0], [-2.0, 0.0]], [[3.0, 3.0], [-3.0, -3.0]]]])
        >>> [[round(value, 4) for value in row] for row in Subspaces.through(lines, 1, True).overlap()[0].tolist()]
        [[0.0, 0.5], [0.5, 0.0]]
        """
        products = torch.einsum("bikd,bjld->bijkl", self.span, self.span)
        pairs = torch.einsum("bijkl,bjlm,bijnm,bink->bij", products, self.inverse, products, self.inverse)
        return pairs * (1 - torch.eye(pairs.shape[-1], dtype=pairs.dtype, device=pairs.device))


def pooled(maps: Float[Tensor, "*batch T V D"]) -> Float[Tensor, "*batch D"]:
    """The mean over frames and joints, in float64."""
    return maps.double().mean((-3, -2))
