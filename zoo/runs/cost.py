"""Cost: the time and memory that a run took, kept beside its result. Nothing here reads a clock; the edge hands a gauge
in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from manifests.strict import InvalidValue, build
from prep.files import atomic_write

FILE = "cost.json"


@dataclass(frozen=True)
class Cost:
    """`seconds` of wall time over all sittings of a run: training, validation and the measurement at the end.

    `memory` is the peak of the process and `device_memory` that of what was allocated on a GPU (0 on a CPU), in bytes.
    """

    seconds: float
    memory: int
    device_memory: int
    device: str

    def __post_init__(self) -> None:
        for name in ("seconds", "memory", "device_memory"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is {getattr(self, name)}; it must be finite and at least 0")

    def after(self, before: Cost) -> Cost:
        """The cost of another sitting and of this one: seconds add up, memory is the larger.

        >>> Cost(2.0, 30, 0, "cpu").after(Cost(1.0, 50, 0, "cpu"))
        Cost(seconds=3.0, memory=50, device_memory=0, device='cpu')
        """
        memory, on_device = max(self.memory, before.memory), max(self.device_memory, before.device_memory)
        return Cost(self.seconds + before.seconds, memory, on_device, self.device)


# What the process has taken so far; its seconds count from any moment.
Gauge = Callable[[], Cost]


class CostError(Exception):
    """A file of a run's cost is damaged; the text names the file."""


def read_cost(run: Path) -> Cost | None:
    """The cost of the run in a folder; None where none is kept, as for runs that Python code made.

    Raises CostError for a damaged file.
    """
    file = run / FILE
    if not file.is_file():
        return None
    try:
        return build(Cost, json.loads(file.read_bytes()), str(file))
    except (ValueError, RecursionError, InvalidValue) as error:
        raise CostError(f"{file}: damaged ({error}). Delete it; the run is then shown without its cost.") from error


@contextmanager
def metered(run: Path, gauge: Gauge | None) -> Iterator[None]:
    """Add what the block takes to the cost of the run in a folder, also where it is stopped or fails.

    A process that is killed adds nothing. Without a gauge, or for a run that has not begun, nothing is written.
    """
    if gauge is None:
        yield
        return
    begin = gauge().seconds
    try:
        yield
    finally:
        end = gauge()
        if (run / "recipe.toml").is_file():
            sitting = Cost(end.seconds - begin, end.memory, end.device_memory, end.device)
            before = read_cost(run)
            total = sitting if before is None else sitting.after(before)
            atomic_write(run / FILE, json.dumps(asdict(total), indent=1))
