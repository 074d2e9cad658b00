"""Result: the number of a run with everything that is needed to obtain it again, and how it is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from manifests.facts import split
from prep.encoders._encoder import weights_digest
from prep.progress import Work
from zoo.engine.checkpoint import Identity, Progress
from zoo.engine.evaluate import measure
from zoo.engine.ranks import ALONE, Ranks
from zoo.experiment.prepare import Prepared
from zoo.experiment.recipe import Recipe, classes
from zoo.experiment.scoring import best_untrained, test_scorer


@dataclass(frozen=True)
class Result:
    """One measurement. `accuracy`, `interval` and `validation` (the best) in percent; None where nothing was measured.

    `untrained` with its interval is the accuracy of `untrained_recipe`, the best of the untrained recipes on the same
    test tasks; None for one of these recipes. `trained` episodes (clips, for a pre-training stage) came before the
    measurement. `warnings` say what makes the number another one than it seems, such as test classes that the run was
    trained on.
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
    warnings: tuple[str, ...] = ()

    @property
    def beats_untrained(self) -> bool:
        """Whether the accuracy is above the best untrained line by more than both intervals together."""
        if self.accuracy is None or self.untrained is None:
            return False
        return self.accuracy - self.untrained > math.hypot(self.interval or 0.0, self.untrained_interval or 0.0)

    def __post_init__(self) -> None:
        for name in ("accuracy", "validation", "untrained"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 <= value <= 100):
                raise ValueError(f"{name} is {value}; it must be a percentage, 0..100")


def evaluate(prepared: Prepared, progress: Progress, ranks: Ranks = ALONE) -> Work[Result]:
    """Measure the prepared learner as it is on the test classes, and the best untrained recipe beside it.

    A pre-training stage has nothing to measure.
    """
    blank = result_of(prepared, progress)
    if not prepared.test:
        return blank
    scorer = test_scorer(prepared)
    measured = yield from measure(scorer, prepared.test, prepared.independent, ranks=ranks)
    line = yield from best_untrained(prepared, ranks)
    return replace(
        blank,
        accuracy=_percent(measured.accuracy),
        interval=_percent(measured.interval),
        episodes=measured.tasks,
        queries=measured.queries,
        untrained=None if line is None else _percent(line.measured.accuracy),
        untrained_interval=None if line is None else _percent(line.measured.interval),
        untrained_recipe="" if line is None else line.recipe,
        warnings=("the weights were selected on the test classes",) if prepared.recipe.budget.select_on_test else (),
    )


def _percent(share: float) -> float:
    return round(100 * share, 4)


def result_of(prepared: Prepared, progress: Progress) -> Result:
    """A result without a measurement."""
    recipe, identity = prepared.recipe, prepared.identity
    return Result(
        recipe=recipe.name,
        split=split(recipe.data.split).name,
        class_split=recipe.data.class_split,
        method=Path(recipe.method.name).stem,
        backbone=Path(recipe.backbone.name).stem,
        way=prepared.way,
        shot=recipe.task.shot if prepared.test else 0,
        seed=recipe.seed,
        accuracy=None,
        interval=None,
        validation=_percent(progress.best) if progress.best >= 0 else None,
        episodes=0,
        queries=0,
        test_seed=recipe.budget.test_seed,
        trained=prepared.plan.done(progress.step),
        weights_digest=weights_digest(prepared.learner.state_dict().items()),
        **vars(identity),
    )


def warnings(trained: Recipe, identity: Identity, prepared: Prepared) -> tuple[str, ...]:
    """What makes a measurement of trained weights on `prepared` another one than that of novel classes as trained.

    `trained` and `identity` are those of the run that the weights come from.
    """
    remarks, now = [], prepared.identity
    mine, theirs = split(prepared.recipe.data.split), split(trained.data.split)
    seen = set(classes(trained)[0]) & set(classes(prepared.recipe)[2]) if mine.dataset == theirs.dataset else set()
    if seen:
        remarks.append(f"the run was trained on {len(seen)} of these test classes: {sorted(seen)}")
    if identity.preprocessing != now.preprocessing:
        remarks.append(f"trained on clips preprocessed by `{identity.preprocessing}`, not `{now.preprocessing}`")
    if identity.store_digest != now.store_digest:
        remarks.append("the run was trained on another store")
    return tuple(remarks)
