"""Scoring: how a prepared learner is measured, with what its recipe asks for at test time, and the untrained lines."""

from __future__ import annotations

from dataclasses import dataclass, replace

from episodes.loader import EpisodeLoader
from episodes.transform import ClipTransform
from manifests.layout import Layout
from prep.progress import Work, result
from zoo.engine.evaluate import Accuracy, evaluation_mode, measure
from zoo.engine.maps import MapTable, Views
from zoo.engine.ranks import ALONE, Ranks
from zoo.engine.scorer import EpisodeScorer, JoinedScorer, MapScorer, Scorer, can_use_maps, spread
from zoo.experiment import feed
from zoo.experiment.feed import SetupError
from zoo.experiment.prepare import Prepared, make_learner
from zoo.experiment.recipe import Evaluation, Recipe
from zoo.experiment.resolve import resolve
from zoo.learner import Known, Learner
from zoo.methods._method import Method

UNTRAINED = ("nearest", "nearest_dtw", "geometry")
BEST = "best"  # evaluation.join: the one of UNTRAINED that is best on base classes


@dataclass(frozen=True)
class Untrained:
    """The best of the untrained recipes on the test tasks of a run."""

    recipe: str
    measured: Accuracy


def test_scorer(prepared: Prepared) -> Scorer:
    """The scorer for the test tasks of a prepared method, with everything that its recipe's `evaluation` says.

    Raises SetupError where that needs maps of single clips and the method has none.
    """
    evaluation, learner, test = prepared.recipe.evaluation, prepared.learner, prepared.test[0]
    check_evaluation(prepared)
    if not can_use_maps(learner, test):
        return EpisodeScorer(learner)
    own = _base_tasks(prepared, prepared.recipe) if evaluation.centre or evaluation.join else None
    with evaluation_mode([learner]):
        scorer, based = _map_scorers(learner, evaluation, test.transform, own)
        if not evaluation.join:
            return scorer
        assert own is not None
        assert based is not None
        theirs, their_base, share = _joined(prepared, own)
        return JoinedScorer([(scorer, spread(based, own)), (theirs, spread(their_base, own) / share)])


def check_evaluation(prepared: Prepared) -> None:
    """Raise SetupError where the recipe's `evaluation` needs maps of single clips and the method has none."""
    if not prepared.test or prepared.recipe.evaluation == Evaluation():
        return
    if not can_use_maps(prepared.learner, prepared.test[0]):
        raise SetupError(
            f"{prepared.recipe.method.name}: its scores do not follow from one map per clip (it overrides forward, "
            "maps or embed, or data.test_rule is random), so `evaluation` cannot change them. Leave it out."
        )


def skill(accuracy: float, way: int) -> float:
    """How far an accuracy is from chance to certainty, 0..1; at least a thousandth.

    >>> skill(0.6, way=5), skill(0.1, way=5)
    (0.5, 0.001)
    """
    chance = 1 / max(2, way)
    return round(max(1e-3, (accuracy - chance) / (1 - chance)), 6)


def quick_scorer(learner: Learner, loader: EpisodeLoader) -> Scorer:
    """The scorer for validation: maps that are computed once, without what is done at test time only."""
    if isinstance(learner, Method) and can_use_maps(learner, loader):
        return MapScorer(MapTable(learner, loader.transform))
    return EpisodeScorer(learner)


def best_untrained(prepared: Prepared, ranks: Ranks = ALONE) -> Work[Untrained | None]:
    """The best of UNTRAINED on the test tasks of a prepared method; None for a recipe that is itself untrained."""
    if prepared.recipe.name in UNTRAINED or not prepared.test:
        return None
    lines = []
    for name in UNTRAINED:
        recipe, learner = _untrained(name, prepared)
        scorer = MapScorer(MapTable(learner, _test_transform(prepared, recipe)))
        measured = yield from measure(scorer, prepared.test, prepared.independent, f"untrained: {name}", ranks)
        lines.append(Untrained(name, measured))
    return max(lines, key=lambda line: line.measured.accuracy)


def _map_scorers(
    learner: Learner, evaluation: Evaluation, test: ClipTransform, base: EpisodeLoader | None
) -> tuple[MapScorer, MapScorer | None]:
    """The scorers of test clips and, where `base` is given, of base clips."""
    assert isinstance(learner, Method)
    views = Views(evaluation.mirror, evaluation.samples, evaluation.unit)
    if base is None:
        return MapScorer(MapTable(learner, test, views)), None
    plain = replace(views, unit=False)
    centre = MapTable(learner, base.transform, plain).mean() if evaluation.centre else None
    tables = (MapTable(learner, transform, views, centre) for transform in (test, base.transform))
    mine, based = (MapScorer(table) for table in tables)
    return mine, based


def _joined(prepared: Prepared, base: EpisodeLoader) -> tuple[MapScorer, MapScorer, float]:
    """The scorers of test and base clips of the untrained recipe that `evaluation.join` names, and its skill.

    It has not seen the base classes, so that its accuracy there says what it is worth; the network's would not.
    """
    evaluation, choices = prepared.recipe.evaluation, {}
    for name in UNTRAINED if evaluation.join == BEST else (evaluation.join,):
        recipe, learner = _untrained(name, prepared)
        # It sees the clip as it is: it has no use for views, and only those of the network may be centred.
        views = Evaluation(centre=evaluation.centre, unit=evaluation.unit)
        test, own = _test_transform(prepared, recipe), _base_tasks(prepared, recipe)
        mine, based = _map_scorers(learner.eval(), views, test, own)
        assert based is not None
        choices[name] = mine, based
    right = {name: result(measure(based, [base])).accuracy for name, (_, based) in choices.items()}
    best = max(right, key=lambda name: right[name])
    return *choices[best], skill(right[best], base.sampler.at(0).support.shape[1])


def _untrained(name: str, prepared: Prepared) -> tuple[Recipe, Method]:
    """An untrained recipe for the clips of a prepared one, and its method. Raises SetupError for a trained recipe."""
    wanted, known = prepared.recipe, prepared.learner.known
    recipe = resolve(name, data=wanted.data.split)
    if recipe.budget.episodes or recipe.budget.epochs:
        raise SetupError(f"evaluation.join: `{name}` is trained. Name an untrained recipe: {', '.join(UNTRAINED)}.")
    data = replace(wanted.data, frames=recipe.data.frames, streams=recipe.data.streams, test_rule=recipe.data.test_rule)
    recipe = replace(recipe, data=data, task=wanted.task)
    learner = make_learner(recipe, _layout(prepared), prepared.shape, Known(layout=known.layout, classes=known.classes))
    assert isinstance(learner, Method)
    return recipe, learner.to(prepared.test[0].transform.pool.device)


def _base_tasks(prepared: Prepared, recipe: Recipe) -> EpisodeLoader:
    assert prepared.pools is not None
    return feed.base_tasks(recipe, prepared.pools.base, _layout(prepared))


def _test_transform(prepared: Prepared, recipe: Recipe) -> ClipTransform:
    assert prepared.pools is not None
    return feed.transform(recipe, prepared.pools.test, _layout(prepared), training=False)


def _layout(prepared: Prepared) -> Layout:
    return prepared.test[0].transform.layout
