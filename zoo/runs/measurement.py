"""Measurement of a prepared learner on its test classes, and what a measurement of another run's weights means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from episodes.loader import BatchLoader
from manifests.split_file import split
from prep.progress import Work
from prep.tensors import weights_digest
from zoo.engine.evaluate import measure
from zoo.engine.header import Identity, Progress
from zoo.engine.ranks import ALONE, Ranks
from zoo.engine.scorer import Scorer
from zoo.experiment.identity import import_warnings
from zoo.experiment.prepare import Prepared
from zoo.experiment.recipe import Recipe, classes
from zoo.fit import declared
from zoo.runs.collapse import collapse
from zoo.runs.result import NOVEL_NAMES, OTHER_QUERIES, Result
from zoo.runs.scoring import best_untrained, test_scorer


def evaluate(
    prepared: Prepared, progress: Progress, ranks: Ranks = ALONE, watch: Callable[[Scorer], Scorer] = lambda own: own
) -> Work[Result]:
    """Measure the prepared learner as it is on the test classes, and the best untrained recipe beside it.

    `watch` may put another scorer around the learner's, such as one that counts its answers. A pre-training stage has
    nothing to measure; its result says what it could not learn from, and whether it collapsed.
    """
    blank = result_of(prepared, progress)
    if not prepared.test:
        return replace(blank, warnings=(*prepared.remarks, *missing_targets(prepared), *collapse(prepared)))
    scorer = watch(test_scorer(prepared))
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
        gain_interval=None if line is None else _percent(measured.gain_interval(line.measured)),
        warnings=(
            *prepared.remarks,
            *_selection(prepared.recipe),
            *import_warnings(prepared.recipe),
            *_knows_more(prepared),
        ),
    )


def missing_targets(prepared: Prepared) -> tuple[str, ...]:
    """How many clips a pre-training stage has no target for, such as clips without a video; empty where none."""
    targets = prepared.train.targets if isinstance(prepared.train, BatchLoader) else None
    if targets is None or bool(targets[1].all()):
        return ()
    clips, missing = len(targets[1]), int((~targets[1]).sum())
    name = prepared.recipe.data.embedding
    return (f"{missing} of {clips} clips of the base classes have no vector in `{name}` and were left out",)


def _selection(recipe: Recipe) -> tuple[str, ...]:
    return ("the weights were selected on the test classes",) if recipe.budget.select_on_test else ()


def _knows_more(prepared: Prepared) -> tuple[str, ...]:
    """What the method is given that other methods are not."""
    learner = prepared.learner
    names = getattr(learner, "uses_novel_names", False)
    queries = declared(learner.options, "uses_other_queries", False)
    return (*([NOVEL_NAMES] if names else []), *([OTHER_QUERIES] if queries else []))


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
    return (*remarks, *prepared.remarks, *import_warnings(trained), *_knows_more(prepared))
