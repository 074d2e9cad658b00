"""Integrated gradients (Sundararajan et al., 2017), computed by captum until they are complete.

A `scorer` is a function from inputs (X, ...) to scores (X, N), row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from zoo.explain._support import library

Scorer = Callable[[Tensor], Tensor]

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
