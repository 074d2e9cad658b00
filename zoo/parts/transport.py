"""Optimal transport between two small sets: entropic for training, exact for evaluation, and the exact assignment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from zoo.parts.frame_distance import at_least_float32

if TYPE_CHECKING:
    import numpy as np

PROBLEMS_AT_ONCE = 50
"""Transports that are solved as one linear program: six times as fast as one by one, and no faster with more."""


def sinkhorn(
    cost: Float[Tensor, "*batch T L"],
    rows: Float[Tensor, "*batch T"],
    columns: Float[Tensor, "*batch L"],
    epsilon: float = 0.05,
    iterations: int = 50,
) -> Float[Tensor, "*batch T L"]:
    """The entropic transport plan (Cuturi, 2013), by Sinkhorn's iterations on logarithms.

    `rows` and `columns` are the masses, not negative and of the same sum. `epsilon` is relative to the mean cost (the
    mean is detached). The last step fits the rows, so row sums are exact and column sums nearly so. Gradients flow
    through all iterations, to the cost and to the masses. Raises ValueError where `epsilon` or `iterations` is not
    positive.

    >>> cost, mass = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([0.5, 0.5])
    >>> sinkhorn(cost, mass, mass).round(decimals=3).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    if not epsilon > 0 or iterations < 1:
        raise ValueError(f"epsilon is {epsilon} and iterations is {iterations}; both must be positive")
    cost = at_least_float32(cost)
    tiny = torch.finfo(cost.dtype).tiny
    scale = epsilon * cost.detach().mean((-2, -1), keepdim=True)
    affinity = -cost / scale.clamp(min=tiny)
    log_rows, log_columns = (at_least_float32(mass).clamp(min=tiny).log() for mass in (rows, columns))
    row = torch.zeros_like(log_rows)
    for _ in range(iterations):
        column = log_columns - (affinity + row.unsqueeze(-1)).logsumexp(-2)
        row = log_rows - (affinity + column.unsqueeze(-2)).logsumexp(-1)
    return (affinity + row.unsqueeze(-1) + column.unsqueeze(-2)).exp()


def exact_transport(
    cost: Float[Tensor, "*batch T L"], rows: Float[Tensor, "*batch T"], columns: Float[Tensor, "*batch L"]
) -> Float[Tensor, "*batch T L"]:
    """The transport plan of least cost, by linear programming (scipy's HiGHS) on the processor, in float64.

    Masses are scaled to the sum 1; each set needs a positive one. The plan has no gradient. It waits for the device,
    and takes 0.3 ms for 8 x 8 and 0.7 ms for 13 x 13. Raises ValueError where a linear program has no solution.

    >>> cost = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    >>> exact_transport(cost, torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])).tolist()
    [[0.5, 0.25], [0.0, 0.25]]
    """
    import numpy as np

    frames, others = cost.shape[-2:]
    costs, sources, sinks = (_on_host(value) for value in (cost.flatten(-2), rows, columns))
    masses = [mass / mass.sum(1, keepdims=True) for mass in (sources, sinks)]
    plans = [
        _solved(costs[start : start + PROBLEMS_AT_ONCE], *(mass[start : start + PROBLEMS_AT_ONCE] for mass in masses))
        for start in range(0, len(costs), PROBLEMS_AT_ONCE)
    ]
    plan = torch.from_numpy(np.concatenate(plans)).to(cost.device, at_least_float32(cost[..., :0, :0]).dtype)
    return plan.view(*cost.shape[:-2], frames, others)


def assignment(cost: Float[Tensor, "*batch T L"]) -> tuple[Int[Tensor, "*batch P"], Int[Tensor, "*batch P"]]:
    """The one-to-one assignment of least total cost (Hungarian algorithm; scipy), on the processor, in float64.

    Rows and columns of the P = min(T, L) matched pairs, by ascending row. It waits for the device.

    >>> rows, columns = assignment(torch.tensor([[1.0, 2.0, 0.0], [3.0, 9.0, 1.0]]))
    >>> rows.tolist(), columns.tolist()
    ([0, 1], [0, 2])
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    tables = _on_host(cost.flatten(-2)).reshape(-1, *cost.shape[-2:])
    found = torch.from_numpy(np.array([linear_sum_assignment(table) for table in tables])).to(cost.device)
    rows, columns = found.view(*cost.shape[:-2], 2, min(cost.shape[-2:])).unbind(-2)
    return rows, columns


def _on_host(value: Float[Tensor, "*batch D"]) -> np.ndarray:
    """Rows in float64 on the processor."""
    return value.detach().double().cpu().numpy().reshape(-1, value.shape[-1])


def _solved(costs: np.ndarray, sources: np.ndarray, sinks: np.ndarray) -> np.ndarray:
    """Plans of several problems, (problems, T * L), solved as one linear program with a block for each."""
    import numpy as np
    from scipy import optimize, sparse

    frames, others = sources.shape[1], sinks.shape[1]
    of_rows = sparse.kron(sparse.eye(frames), np.ones((1, others)))
    of_columns = sparse.kron(np.ones((1, frames)), sparse.eye(others))
    # The last column follows from the others; with it, rounding could leave no solution at all.
    block = sparse.vstack([of_rows, of_columns]).tocsr()[:-1]
    masses = np.concatenate([sources, sinks[:, :-1]], axis=1)
    blocks = sparse.block_diag([block] * len(costs), format="csr")
    result = optimize.linprog(costs.ravel(), A_eq=blocks, b_eq=masses.ravel(), method="highs")
    if not result.success:
        raise ValueError(f"no optimal transport was found ({result.message}); costs must be finite and masses positive")
    return result.x.reshape(costs.shape)
