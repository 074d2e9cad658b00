"""Attribution by integrated gradients, from a plain baseline or from the nearest point of the decision boundary.

Integrated gradients are those of Sundararajan et al. (2017), computed by captum; boundary-based ones (BIG) are those of
Wang et al. (2022, "Robust Models Are More Interpretable Because Attributions Look Normal"): the baseline is the nearest
input that gets another answer, found by projected gradient descent in the Euclidean norm. A `scorer` is a function from
inputs (X, ...) to scores (X, N), row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zoo.explain._support import library

Scorer = Callable[[Tensor], Tensor]

# The published search's radii for inputs in 0..1; here in units of the input's root mean square. BEYOND follow where
# none of them reaches another answer.
RADII = (36 / 255, 64 / 255, 0.3, 0.5, 0.7, 0.9, 1.1)
BEYOND = (2.0, 4.0, 8.0, 16.0, 32.0)
ITERATIONS = 40
BISECTIONS = 20
TOLERANCE = 0.02
FEWEST, MOST = 16, 1024  # nodes of the integral


@dataclass(frozen=True)
class Attribution:
    """`values` sum to `total`; the logit at the input minus that at the baseline is `difference`, and `steps` nodes
    made the integral.
    """

    values: Float[Tensor, "..."]
    total: float
    difference: float
    steps: int

    @property
    def error(self) -> float:
        """How far the sum is from the difference, as a share of it."""
        return abs(self.total - self.difference) / max(abs(self.difference), 1e-12)


def integrated_gradients(scorer: Scorer, point: Tensor, baseline: Tensor, target: int) -> Attribution:
    """Integrated gradients of the logit `target` from a baseline to a point of the same shape.

    The number of nodes (Gauss-Legendre) is doubled until the completeness error is below TOLERANCE, at most to MOST.
    """
    with torch.no_grad():
        ends = scorer(torch.stack([point, baseline]))[:, target].double()
    difference, steps = float(ends[0] - ends[1]), FEWEST
    integral = library("captum.attr").IntegratedGradients(scorer)
    while True:
        values = integral.attribute(
            point[None],
            baseline[None],
            target=target,
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=64,
        )[0].detach()
        found = Attribution(values, float(values.double().sum()), difference, steps)
        if found.error <= TOLERANCE or steps >= MOST:
            return found
        steps *= 2


def boundary_point(scorer: Scorer, point: Tensor, low: float, high: float) -> Tensor | None:
    """The nearest input found that gets another answer than `point`; None where none is found.

    Projected gradient ascent of the cross-entropy in balls of growing radius, ITERATIONS steps of 2 * radius /
    ITERATIONS each, inside low..high; the first radius that succeeds is kept. CHOICE: radii are in units of the root
    mean square of the input, and the point is then moved back along the straight line to the last other answer.
    """
    with torch.no_grad():
        given = int(scorer(point[None])[0].argmax())
    scale = float(point.square().mean().sqrt())
    for radius in (*RADII, *BEYOND):
        found = _attack(scorer, point, given, radius * scale, (low, high))
        if found is not None:
            return _moved_back(scorer, point, found, given)
    return None


def _attack(scorer: Scorer, point: Tensor, given: int, radius: float, bounds: tuple[float, float]) -> Tensor | None:
    moved, label = point.clone(), torch.tensor([given], device=point.device)
    for _ in range(ITERATIONS):
        moved = moved.detach().requires_grad_(True)
        scores = scorer(moved[None])
        if int(scores[0].argmax()) != given:
            return moved.detach()
        (gradient,) = torch.autograd.grad(F.cross_entropy(scores, label), moved)
        length = gradient.norm()
        if not bool(length > 0):
            # A saturated softmax has no gradient; the gap of the two best scores always has.
            gradient, length = _gap_gradient(scorer, point, moved.detach(), given)
            if not bool(length > 0):
                return None
        step = moved.detach() + 2 * radius / ITERATIONS * gradient / length
        offset = step - point
        moved = (point + offset * min(1.0, radius / max(float(offset.norm()), 1e-12))).clamp(*bounds)
    with torch.no_grad():
        return moved if int(scorer(moved[None])[0].argmax()) != given else None


def _gap_gradient(scorer: Scorer, point: Tensor, moved: Tensor, given: int) -> tuple[Tensor, Tensor]:
    moved = moved.requires_grad_(True)
    scores = scorer(moved[None])[0]
    other = scores.index_fill(0, torch.tensor([given], device=point.device), -torch.inf).max()
    (gradient,) = torch.autograd.grad(other - scores[given], moved)
    return gradient, gradient.norm()


@torch.no_grad()
def _moved_back(scorer: Scorer, point: Tensor, found: Tensor, given: int) -> Tensor:
    """The other end of a bisection of the line from `point` to `found`, which still has another answer."""
    near, far = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        changed = int(scorer((point + middle * (found - point))[None])[0].argmax()) != given
        near, far = (near, middle) if changed else (middle, far)
    return point + far * (found - point)
