"""Evaluation in which each clip is embedded once, against one that embeds every episode anew: processor time.

The recipes' own ST-GCN on 600 clips of 20 classes, as many as the test classes of `ntu_t` have, 30 frames, two
present bodies. The table of maps is filled once, in full. Every fifteenth episode (or every tenth draw of exemplars) is
then scored from the table and, in turn, embedded anew; both times count fifteen (or ten) times.
Limits are two thirds of what was measured. Run it with `pytest -m benchmark -s tests/benchmark/test_evaluation.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import pytest
import torch
from helpers.fakes import even_store
from helpers.interleaved import one_thread

from episodes.draw import Classes
from episodes.loader import EpisodeLoader
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.sampler import EpisodicSampler, ExemplarSampler
from episodes.transform import ClipTransform
from manifests.facts import layout
from zoo.engine.evaluate import evaluation_mode
from zoo.engine.maps import MapTable
from zoo.engine.scorer import EpisodeScorer, MapScorer, can_use_maps
from zoo.experiment.prepare import make_learner
from zoo.experiment.resolve import resolve
from zoo.learner import Known
from zoo.methods._method import Method

T = TypeVar("T")
CLASSES, CLIPS, EPISODES, DRAWS = 20, 30, 300, 10


@pytest.fixture(scope="module")
def transform() -> ClipTransform:
    pool = Pool.load(even_store(CLASSES, CLIPS, shortest=30, longest=120))
    return ClipTransform(pool, layout("ntu25"), Sampling(30))


def method(name: str) -> Method:
    made = make_learner(resolve(name), layout("ntu25"), (2, 25, 3), Known(layout("ntu25")))
    assert isinstance(made, Method)
    return made


@torch.no_grad()
def seconds(made: Method, loader: EpisodeLoader, chosen: Sequence[int], share: int) -> tuple[float, float]:
    """(embedded anew, from the table) of all steps of a loader, `share` times as many as are `chosen`."""
    table, taken = MapTable(made, loader.transform), [0.0, 0.0]
    with one_thread(), evaluation_mode([made]):
        assert can_use_maps(made, loader)
        _, filling = timed(lambda: table.at(torch.arange(CLASSES * CLIPS)))
        for step in chosen:
            anew, once = (timed(partial(s.scores, loader, step)) for s in (EpisodeScorer(made), MapScorer(table)))
            torch.testing.assert_close(anew[0][0], once[0][0], rtol=1e-3, atol=1e-3)
            taken = [taken[0] + anew[1], taken[1] + once[1]]
    return share * taken[0], filling + share * taken[1]


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` returns, and its processor time."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def report(title: str, anew: float, table: float, at_least: float) -> None:
    print(
        "\n| evaluation | every episode anew | each clip once | |\n|---|---|---|---|\n"
        f"| {title} | {anew:.1f} s | {table:.1f} s | {anew / table:.1f} x |"
    )
    assert anew / table >= at_least


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "queries", "at_least"), [("protonet", 10, 14.0), ("dastm", 1, 2.3), ("dastm", 10, 3.7)]
)
def test_episodes(transform: ClipTransform, name: str, queries: int, at_least: float) -> None:
    sampler = EpisodicSampler(Classes.of(transform.pool, range(CLASSES)), Task(5, 1, queries), 0, EPISODES)
    taken = seconds(method(name), EpisodeLoader(transform, sampler), range(0, EPISODES, 15), 15)
    report(f"{name}, {EPISODES} episodes, {queries} of each class as queries", *taken, at_least)


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_exemplars(transform: ClipTransform) -> None:
    classes = Classes.of(transform.pool, range(CLASSES))
    loader = EpisodeLoader(transform, ExemplarSampler(transform.pool, classes, 1))
    taken = seconds(method("protonet"), loader, range(len(loader)), DRAWS)
    report(f"protonet, {DRAWS} draws of one exemplar of {CLASSES} classes", *taken, 8.8)
