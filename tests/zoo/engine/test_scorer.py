"""Scores from maps that are computed once, against every episode served and embedded anew."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from helpers.learners import LinearBackbone
from helpers.stores import make_store

from episodes.draw import Classes
from episodes.loader import EpisodeLoader
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.sampler import EpisodicSampler, ExemplarSampler
from episodes.transform import ClipTransform
from manifests.facts import layout
from prep.progress import result
from prep.store.read import open_store
from zoo.engine.evaluate import evaluation_mode, measure
from zoo.engine.maps import MapTable, Views
from zoo.engine.ranks import Ranks
from zoo.engine.scorer import EpisodeScorer, JoinedScorer, MapScorer, can_use_maps, spread
from zoo.learner import Known
from zoo.methods import apsr_lite, dastm, dtw, protonet, subspace
from zoo.methods._method import Method, ScoreError

METHODS = {
    "protonet": lambda: protonet.Model(LinearBackbone(), protonet.Options()),
    "dtw": lambda: dtw.Model(LinearBackbone(), dtw.Options()),
    "dastm": lambda: dastm.Model(LinearBackbone(), dastm.Options()),
}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    store = make_store(tmp_path_factory.mktemp("stores") / "toy.zarr", clips_per_class=6, separable=0.2)
    return Pool.load(open_store(store))


def transform(pool: Pool, rule: str = "segments") -> ClipTransform:
    return ClipTransform(pool, layout("ntu25"), Sampling(8, rule))


def episodes(pool: Pool, rule: str = "segments", count: int = 6) -> EpisodeLoader:
    sampler = EpisodicSampler(Classes.of(pool, range(5)), Task(3, 2, 2), seed=1, episodes=count, batch=2)
    return EpisodeLoader(transform(pool, rule), sampler)


def exemplars(pool: Pool, seed: int, over: ClipTransform) -> EpisodeLoader:
    return EpisodeLoader(over, ExemplarSampler(pool, Classes.of(pool, range(5)), shot=1, seed=seed, chunk=7))


def made(name: str) -> Method:
    torch.manual_seed(0)
    return METHODS[name]()


@pytest.mark.parametrize("limit", [1 << 30, 0])
@pytest.mark.parametrize("name", METHODS)
def test_maps_give_the_scores_of_episodes(pool: Pool, name: str, limit: int) -> None:
    method, loader = made(name).eval(), episodes(pool)
    assert can_use_maps(method, loader)
    quick = MapScorer(MapTable(method, loader.transform, limit=limit))
    for step in range(len(loader)):
        with torch.no_grad():
            scores, answer = quick.scores(loader, step)
            expected, expected_answer = EpisodeScorer(method).scores(loader, step)
        torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(answer, expected_answer)


def test_each_clip_is_embedded_once_for_all_draws_of_exemplars(pool: Pool) -> None:
    method, over, seen = made("protonet"), transform(pool), []
    embed = method.backbone.forward
    method.backbone.forward = lambda clips: seen.append(len(clips)) or embed(clips)  # type: ignore[method-assign]
    loaders = [exemplars(pool, seed, over) for seed in range(3)]
    result(measure(MapScorer(MapTable(method, over)), loaders, independent=False))
    assert sum(seen) == 5 * 6


@pytest.mark.parametrize("averaged", [False, True])
def test_a_mirror_image_that_is_a_shot_is_embedded_once_too(pool: Pool, averaged: bool) -> None:
    """The mean with the mirror image is for queries then: it would make both shots of a class equal."""
    torch.manual_seed(0)
    method, over = subspace.Model(LinearBackbone(), subspace.Options(), Known(layout("ntu25"))).eval(), transform(pool)
    loader = exemplars(pool, 0, over)
    scorer = MapScorer(MapTable(method, over, Views(mirror=averaged)))
    draw = loader.sampler.at(0)
    with torch.no_grad():
        scores, _ = scorer.scores(loader, 0)
        support, query = method.maps(loader.at(0))
        if averaged:
            mirrored = method.embed(over.view(draw.query.flatten(), mirrored=True))
            query = (query + mirrored.unflatten(0, draw.query.shape)) / 2
    assert support.shape[2] == 2
    torch.testing.assert_close(scores, method.score(support, query), rtol=1e-4, atol=1e-4)


def test_maps_are_scored_with_the_names_of_the_classes_of_the_draw(pool: Pool) -> None:
    torch.manual_seed(0)
    known = Known(layout("ntu25"), class_text=torch.randn(24, 6))
    method = apsr_lite.Model(WideBackbone(), apsr_lite.Options(), known).eval()
    torch.nn.init.normal_(method.relevance.weight)
    for loader in (episodes(pool), exemplars(pool, 0, transform(pool))):
        quick = MapScorer(MapTable(method, loader.transform))
        with torch.no_grad():
            scores, _ = quick.scores(loader, 1)
            torch.testing.assert_close(scores, method(loader.at(1)), rtol=1e-4, atol=1e-4)
            support, query = method.maps(loader.at(1))
            others = method.checked_scores(support, query, loader.at(1).class_id + 7)
        assert not torch.allclose(others, scores, atol=1e-3)
    with pytest.raises(ScoreError, match="was not given `class_id`: give the `class_id` of the episode"):
        method.checked_scores(support, query)


class WideBackbone(LinearBackbone):
    """Says that its maps have the joints of `ntu25`, which they have for clips of that layout."""

    def __init__(self) -> None:
        super().__init__()
        self.map_joints = 25


class Noisy(protonet.Model):
    """Overrides `maps`, so its scores need not follow from the maps of single clips."""

    def maps(self, episode):
        return super().maps(episode)


def test_what_depends_on_more_than_a_clip_is_served_whole(pool: Pool) -> None:
    assert not can_use_maps(Noisy(LinearBackbone(), protonet.Options()), episodes(pool))
    assert not can_use_maps(made("protonet"), episodes(pool, "sorted_random"))
    assert not can_use_maps(torch.nn.Linear(1, 1), episodes(pool))


def test_views_are_averaged_and_the_base_mean_is_subtracted(pool: Pool) -> None:
    method, over = made("protonet").eval(), transform(pool)
    clip = torch.tensor([0, 3])
    with torch.no_grad():
        views = [method.embed(over.view(clip, mirrored, sample, 2)) for mirrored in (False, True) for sample in (0, 1)]
        mean = MapTable(method, over, Views(mirror=True, samples=2)).mean()
        centred = MapTable(method, over, Views(mirror=True, samples=2), centre=mean).at(clip)
        everything = MapTable(method, over, Views(mirror=True, samples=2)).at(torch.arange(len(pool.names)))
    torch.testing.assert_close(centred, torch.stack(views).mean(0) - mean)
    torch.testing.assert_close(mean, everything.mean(0), rtol=1e-5, atol=1e-6)


def test_joined_distances_are_those_of_the_vectors_side_by_side(pool: Pool) -> None:
    one, other, loader = made("protonet").eval(), made("protonet").eval(), episodes(pool)
    torch.nn.init.normal_(other.backbone.map.weight)
    parts = [MapScorer(MapTable(method, loader.transform)) for method in (one, other)]
    joined = JoinedScorer([(parts[0], 2.0**2), (parts[1], 3.0**2)])
    draw = loader.sampler.at(0)
    with torch.no_grad():
        side = [torch.cat([p.table.at(x).flatten(-3) / s for p, s in zip(parts, (2.0, 3.0), strict=True)], -1)
                for x in (draw.support, draw.query)]  # fmt: skip
        expected = protonet.nearest_mean(side[0].mean(2), side[1])
        scores, _ = joined.scores(loader, 0)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-3)


def test_spread_is_the_deviation_over_classes(pool: Pool) -> None:
    method, loader = made("protonet"), episodes(pool)
    scorer = MapScorer(MapTable(method, loader.transform))
    with evaluation_mode([method]), torch.no_grad():
        every = torch.cat([scorer.scores(loader, step)[0].flatten(0, 1) for step in range(len(loader))])
        assert spread(scorer, loader) == pytest.approx(float(every.std(1, correction=0).mean()))


@dataclass(frozen=True)
class Alone(Ranks):
    """One of several ranks whose rows are collected by the test."""

    def gather(self, value):
        ROWS.append(value)
        return [value] if self.size == 1 else list(ROWS)


ROWS: list[object] = []


def test_ranks_measure_what_one_measures(pool: Pool) -> None:
    method = made("protonet")
    loader = episodes(pool, count=7)
    whole = result(measure(method, [loader]))
    ROWS.clear()
    result(measure(method, [loader], ranks=Alone(0, 2)))
    assert result(measure(method, [loader], ranks=Alone(1, 2))) == whole
