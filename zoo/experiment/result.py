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
from zoo.experiment.prepare import Prepared
from zoo.experiment.recipe import Recipe, classes


@dataclass(frozen=True)
class Result:
    """One measurement. `accuracy`, `interval` and `validation` (the best) in percent; None where nothing was measured.

    `trained` episodes (clips, for a pre-training stage) came before it. `warnings` say what makes the number another
    one than it seems, such as test classes that the run was trained on.
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
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("accuracy", "validation"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and 0 <= value <= 100):
                raise ValueError(f"{name} is {value}; it must be a percentage, 0..100")


def evaluate(prepared: Prepared, progress: Progress) -> Work[Result]:
    """Measure the prepared learner as it is on the test classes; a pre-training stage has nothing to measure."""
    blank = result_of(prepared, progress)
    if not prepared.test:
        return blank
    measured = yield from measure(prepared.learner, prepared.test, prepared.independent)
    return replace(
        blank,
        accuracy=round(100 * measured.accuracy, 4),
        interval=round(100 * measured.interval, 4),
        episodes=measured.tasks,
        queries=measured.queries,
    )


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
        validation=round(100 * progress.best, 4) if progress.best >= 0 else None,
        episodes=0,
        queries=0,
        test_seed=recipe.budget.test_seed,
        trained=min(progress.step * prepared.plan.size, prepared.plan.total),
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
