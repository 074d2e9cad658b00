"""The nearest input found that gets another answer: the baseline of boundary-based integrated gradients (BIG).

BIG (Wang et al., 2022, "Robust Models Are More Interpretable Because Attributions Look Normal") searches with projected
gradient descent (PGD) and with the L2 attack of Carlini & Wagner (2017, "Towards Evaluating the Robustness of Neural
Networks", section VI-A), and keeps the closest point of both. A `scorer` is as in zoo.explain._integral.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from zoo.explain._integral import Scorer

Search = Literal["closest", "pgd", "carlini_wagner"]
SEARCHES: tuple[Search, ...] = get_args(Search)
# The published search's radii for inputs in 0..1; here in units of the input's root mean square. BEYOND follow where
# none of them reaches another answer.
RADII = (36 / 255, 64 / 255, 0.3, 0.5, 0.7, 0.9, 1.1)
BEYOND = (2.0, 4.0, 8.0, 16.0, 32.0)
ITERATIONS = 40
BISECTIONS = 20
# The published settings of the attack of Carlini & Wagner: steps of Adam for each weight, and the search of the weight.
STEP, STEPS = 1e-2, 100
WEIGHT, WEIGHTS = 1e-3, 9
PATIENCE = 10  # steps after which the loss must have fallen by a factor of LESS
LESS = 0.9999
INSIDE = 0.999999  # of the bounds: tanh does not reach them


@dataclass(frozen=True)
class Boundary:
    """A point just across the decision boundary, its Euclidean distance from the input, and the search that found it.

    `distance` is in units of the input's root mean square.
    """

    point: Float[Tensor, "..."]
    distance: float
    search: Search


def boundary_point(
    scorer: Scorer, point: Tensor, low: float, high: float, search: Search = "closest"
) -> Boundary | None:
    """The nearest input found inside low..high that gets another answer than `point`; None where none is found.

    "closest" takes the nearer point of both searches. CHOICE: lengths are in units of the root mean square of the
    input, and a point that is found is moved back along the straight line to the last other answer.
    """
    with torch.no_grad():
        given = int(scorer(point[None])[0].argmax())
    scale = max(float(point.square().mean().sqrt()), 1e-12)
    wanted: tuple[Search, ...] = ("pgd", "carlini_wagner") if search == "closest" else (search,)
    found = []
    for name in wanted:
        attack = _projected_gradient if name == "pgd" else _carlini_wagner
        across = attack(scorer, point, given, (low, high))
        if across is not None:
            moved = _moved_back(scorer, point, across, given)
            found.append(Boundary(moved, float((moved - point).norm()) / scale, name))
    return min(found, key=lambda one: one.distance, default=None)


def _projected_gradient(scorer: Scorer, point: Tensor, given: int, bounds: tuple[float, float]) -> Tensor | None:
    """Projected gradient ascent of the cross-entropy in balls of growing radius; the first that succeeds is kept."""
    scale = float(point.square().mean().sqrt())
    for radius in (*RADII, *BEYOND):
        found = _in_ball(scorer, point, given, radius * scale, bounds)
        if found is not None:
            return found
    return None


def _in_ball(scorer: Scorer, point: Tensor, given: int, radius: float, bounds: tuple[float, float]) -> Tensor | None:
    """ITERATIONS steps of 2 * radius / ITERATIONS each; the first other answer, or None."""
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
            moved = moved.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(-_gap(scorer, moved, given), moved)
            length = gradient.norm()
            if not bool(length > 0):
                return None
        step = moved.detach() + 2 * radius / ITERATIONS * gradient / length
        offset = step - point
        moved = (point + offset * min(1.0, radius / max(float(offset.norm()), 1e-12))).clamp(*bounds)
    with torch.no_grad():
        return moved if int(scorer(moved[None])[0].argmax()) != given else None


def _carlini_wagner(scorer: Scorer, point: Tensor, given: int, bounds: tuple[float, float]) -> Tensor | None:
    """The nearest point over WEIGHTS weights of the gap, each ten times the last until one is enough, then bisected."""
    best, weight, least, enough = None, WEIGHT, 0.0, math.inf
    for _ in range(WEIGHTS):
        found = _weighted(scorer, point, given, bounds, weight)
        if found is None:
            least = weight
        else:
            enough = weight
            if best is None or (found - point).norm() < (best - point).norm():
                best = found
        weight = 10 * weight if enough == math.inf else (least + enough) / 2
    return best


def _weighted(scorer: Scorer, point: Tensor, given: int, bounds: tuple[float, float], weight: float) -> Tensor | None:
    """Minimise the squared distance, for bounds of 0..1, plus weight * max(gap, 0) over w, the input being tanh(w).

    The nearest other answer on the way, or None.
    """
    middle, half = (bounds[0] + bounds[1]) / 2, max((bounds[1] - bounds[0]) / 2, 1e-12)
    moved = torch.atanh(((point - middle) / half).clamp(-INSIDE, INSIDE))
    best, nearest, before, adam = None, math.inf, math.inf, Adam(torch.zeros_like(moved), torch.zeros_like(moved))
    for number in range(STEPS):
        moved = moved.detach().requires_grad_(True)
        inputs = middle + half * moved.tanh()
        gap, distance = _gap(scorer, inputs, given), ((inputs - point) / (2 * half)).square().sum()
        if gap.item() < 0 and distance.item() < nearest:
            best, nearest = inputs.detach(), distance.item()
        loss = distance + weight * gap.clamp(min=0)
        (gradient,) = torch.autograd.grad(loss, moved)
        if not bool(gradient.isfinite().all()):
            break
        if number % PATIENCE == 0:
            if loss.item() > LESS * before:
                break
            before = loss.item()
        moved = moved.detach() - adam.step(gradient)
    return best


@dataclass
class Adam:
    """Adam (Kingma & Ba, 2015) for one tensor: running means of the gradient and of its square.

    Written out because the first optimiser of torch.optim imports a compiler, which takes longer than the search.
    """

    mean: Tensor
    square: Tensor
    steps: int = 0

    def step(self, gradient: Tensor) -> Tensor:
        """What the next step subtracts."""
        self.steps += 1
        self.mean, self.square = self.mean.lerp(gradient, 0.1), self.square.lerp(gradient.square(), 0.001)
        mean, square = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.999**self.steps)
        return STEP * mean / (square.sqrt() + 1e-8)


def _gap(scorer: Scorer, inputs: Tensor, given: int) -> Tensor:
    """The score of the given answer minus the best other one."""
    scores = scorer(inputs[None])[0]
    return scores[given] - scores.index_fill(0, torch.tensor([given], device=scores.device), -torch.inf).max()


@torch.no_grad()
def _moved_back(scorer: Scorer, point: Tensor, found: Tensor, given: int) -> Tensor:
    """The other end of a bisection of the line from `point` to `found`, which still has another answer."""
    near, far = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        changed = int(scorer((point + middle * (found - point))[None])[0].argmax()) != given
        near, far = (near, middle) if changed else (middle, far)
    return point + far * (found - point)
