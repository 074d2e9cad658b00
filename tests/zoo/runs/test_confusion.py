"""Confused pairs: counted as a plain loop counts them, on random tasks and on tasks with exemplars."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from helpers.small_run import SMALL
from helpers.stores import make_store

from episodes.draw import Draw
from prep.progress import result
from prep.store.read import Store, open_store
from zoo.engine.evaluate import evaluation_mode
from zoo.engine.scorer import EpisodeScorer
from zoo.experiment.prepare import Prepared, prepare
from zoo.experiment.resolve import resolve
from zoo.runs.confusion import ConfusionCounter, confusions, most_confused
from zoo.runs.scoring import test_scorer as scorer_of


@pytest.fixture(scope="module", params=["demo", "nw_ucla"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Classes that cannot be told apart: every answer is a guess."""
    path = tmp_path_factory.mktemp("stores") / "toy.zarr"
    return open_store(make_store(path, clips_per_class=6, name=request.param, separable=0.0))


def prepared(store: Store) -> Prepared:
    settings = [*SMALL, "data.preprocessing=agcn"]
    return prepare(resolve("protonet", store.info.dataset, settings), store, torch.device("cpu"), training=False)


def test_pairs_are_counted_as_a_plain_loop_counts_them(store: Store) -> None:
    ready = prepared(store)
    found = result(confusions(ready, store.info.classes, 1000))
    times, queries = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    scorer = scorer_of(ready)
    with evaluation_mode(scorer.modules), torch.no_grad():
        for loader in ready.test:
            for step in range(len(loader)):
                scores, answer = scorer.scores(loader, step)
                for b, ids in enumerate(loader.sampler.at(step).class_id.tolist()):
                    for row, given in zip(answer[b].tolist(), scores[b].argmax(-1).tolist(), strict=True):
                        times[ids[row], ids[given]] += 1
                        queries.update((ids[row], label) for label in ids)
    wrong = {pair: count for pair, count in times.items() if pair[0] != pair[1]}
    assert {(pair.label, pair.taken_for): (pair.times, pair.queries) for pair in found} == {
        pair: (count, queries[pair]) for pair, count in wrong.items()
    }
    assert len(wrong) > 5
    shares = [pair.share for pair in found]
    assert shares == sorted(shares, reverse=True)
    assert all(pair.name == store.info.classes[pair.label] for pair in found)
    assert result(confusions(ready, store.info.classes, 5)) == found[:5]


def test_a_class_that_is_never_in_the_same_task_has_no_queries_for_the_pair() -> None:
    counter = ConfusionCounter(EpisodeScorer(torch.nn.Identity()), classes=5)
    draw = Draw(
        episode=torch.arange(2),
        class_id=torch.tensor([[4, 0], [2, 3]]),
        support=torch.tensor([[[0], [1]], [[2], [3]]]),
        query=torch.tensor([[8, 9], [6, 7]]),
        answer=torch.tensor([[0, 1], [0, 1]]),
    )
    counter.add(torch.tensor([[1, 0], [0, 1]]), draw)
    assert counter.counts.answers.tolist() == [[4, 0, 8], [0, 4, 9], [2, 2, 6], [3, 3, 7]]
    assert counter.queries.nonzero().tolist() == [[0, 0], [0, 4], [2, 2], [2, 3], [3, 2], [3, 3], [4, 0], [4, 4]]
    pairs = most_confused(counter.times, counter.queries, list("abcde"))
    assert [(pair.name, pair.taken_for_name, pair.times, pair.queries) for pair in pairs] == [
        ("a", "e", 1, 1),
        ("e", "a", 1, 1),
    ]
    assert pairs[0].record()["share"] == 1.0
