"""Result: the number of a run with everything that is needed to obtain it again. Loads no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

NOVEL_NAMES = "uses the names of the novel classes"
"""The warning of a method that is given these names when it is tested."""

OTHER_QUERIES = "uses other queries of the same test task (transductive)"
"""The warning of a method whose scores of a query depend on the queries beside it."""


@dataclass(frozen=True)
class Result:
    """One measurement. `accuracy`, `interval` and `validation` (the best) in percent; None where nothing was measured.

    `untrained` with its interval is the accuracy of `untrained_recipe`, the best of the untrained recipes on the same
    test tasks; None for one of these recipes. `gain_interval` is the interval of the difference, task by task.
    `trained` episodes (clips, for a pre-training stage) came before the measurement. `warnings` say what makes the
    number another one than it seems, such as test classes that the run was trained on.
    """

    recipe: str
    split: str
    class_split: int
    method: str
    backbone: str
    way: int
    shot: int
    seed: int
    accuracy: float | None
    interval: float | None
    validation: float | None
    episodes: int
    queries: int
    test_seed: int
    trained: int
    recipe_digest: str
    store_digest: str
    init_digest: str
    weights_digest: str
    layout: str
    bodies: int
    preprocessing: str
    untrained: float | None = None
    untrained_interval: float | None = None
    untrained_recipe: str = ""
    gain_interval: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def beats_untrained(self) -> bool:
        """Whether the accuracy is above the best untrained one by more than the interval of the difference."""
        if self.accuracy is None or self.untrained is None or self.gain_interval is None:
            return False
        return self.accuracy - self.untrained > self.gain_interval

    @property
    def uses_novel_names(self) -> bool:
        """Whether the method is given the names of the novel classes: other methods are not comparable with it."""
        return NOVEL_NAMES in self.warnings

    @property
    def uses_other_queries(self) -> bool:
        """Whether a query's scores depend on other queries: inductive methods are not comparable with it."""
        return OTHER_QUERIES in self.warnings

    def __post_init__(self) -> None:
        for name in ("interval", "untrained_interval", "gain_interval"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name} is {value}; it must be at least 0")
        for name in ("way", "shot", "episodes", "queries", "trained"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        if self.accuracy is not None and not (self.episodes and self.queries and self.interval is not None):
            raise ValueError("an accuracy needs its interval, episodes and queries")
        for name in ("accuracy", "validation", "untrained"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 <= value <= 100):
                raise ValueError(f"{name} is {value}; it must be a percentage, 0..100")
