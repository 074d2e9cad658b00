"""Answers: recorded as a plain loop finds them, on random tasks and on tasks with exemplars; tallies by plain loops."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.finished_run import CPU

from prep.progress import result
from prep.store.read import Store
from zoo.engine.evaluate import evaluation_mode
from zoo.experiment.prepare import Prepared
from zoo.report import tally
from zoo.report.answers import Answers, answers_of, certainty_of
from zoo.runs.chain import trained_method
from zoo.runs.run import Run
from zoo.runs.scoring import test_scorer as scorer_of

Opened = tuple[Run, Store, Prepared, Answers]


@pytest.fixture(scope="module", params=["demo_run", pytest.param("exemplar_run", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest) -> Opened:
    run, store = request.getfixturevalue(request.param)
    prepared, _ = trained_method(run, run.recipe(), store, CPU)
    return run, store, prepared, result(answers_of(prepared))


def test_answers_are_those_of_a_plain_loop(opened: Opened) -> None:
    run, _, prepared, answers = opened
    rows, scorer, task = [], scorer_of(prepared), -1
    with evaluation_mode(scorer.modules), torch.no_grad():
        for loader in prepared.test:
            clip_id = loader.transform.pool.clip_id.tolist()
            task += not prepared.independent
            for step in range(len(loader)):
                scores, answer = scorer.scores(loader, step)
                draw = loader.sampler.at(step)
                for b in range(len(scores)):
                    task += prepared.independent
                    ids, first = draw.class_id[b].tolist(), draw.support[b, :, 0].tolist()
                    for q, row in enumerate(answer[b].tolist()):
                        share = scores[b, q].double().softmax(-1)
                        given = int(share.argmax())
                        odds = math.log(share[given] / (1 - share[given]))
                        clips = clip_id[int(draw.query[b, q])], clip_id[first[row]], clip_id[first[given]]
                        rows.append((task, ids[row], ids[given], odds, *clips))
    names = ("task", "true", "given", "certainty", "query", "support_true", "support_given")
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        np.testing.assert_allclose(getattr(answers, name), column, rtol=1e-9, err_msg=name)
    finished_result = run.result()
    assert finished_result is not None
    assert round(100 * float(answers.right.mean()), 4) == finished_result.accuracy


def test_confusion_and_classes_are_those_of_plain_loops(opened: Opened) -> None:
    answers = opened[3]
    labels = tally.labels_of(answers).tolist()
    times, queries = tally.confusion(answers)
    each = tally.class_accuracy(answers)
    for i, label in enumerate(labels):
        mine = [place for place, true in enumerate(answers.true) if true == label]
        for j, other in enumerate(labels):
            asked = [place for place in mine if other in answers.task_classes[answers.task[place]]]
            assert queries[i, j] == len(asked)
            assert times[i, j] == sum(answers.given[place] == other for place in asked)
        right = [float(answers.given[place] == label) for place in mine]
        assert each.accuracy[i] == pytest.approx(sum(right) / len(right))
        assert each.low[i] <= each.accuracy[i] <= each.high[i]
    assert times.sum() == len(answers.true)


def test_mistakes_are_the_most_certain_wrong_answers_each_clip_once(opened: Opened) -> None:
    answers = opened[3]
    found = tally.certain_mistakes(answers, 20)
    wrong = sorted(
        (place for place in range(len(answers.true)) if answers.true[place] != answers.given[place]),
        key=lambda place: -answers.certainty[place],
    )
    seen, expected = set(), []
    for place in wrong:
        if answers.query[place] not in seen:
            seen.add(answers.query[place])
            expected.append(place)
    assert found.tolist() == expected[:20]
    assert len(found) > 2


def made(given: list[int], tasks: int = 4) -> Answers:
    """Two queries of each of two classes in each task; `given` are the answers."""
    true = np.tile([3, 3, 8, 8], tasks)
    zeros = np.zeros_like(true)
    task = np.repeat(np.arange(tasks), 4)
    classes = np.tile([[3, 8]], (tasks, 1))
    return Answers(task, true, np.array(given), zeros.astype(float), np.arange(4 * tasks), zeros, zeros, classes)


def test_paired_differences_are_those_of_tasks() -> None:
    first = made([3, 3, 8, 8, 3, 3, 8, 3, 3, 8, 8, 8, 8, 8, 8, 8])
    second = made([3, 8, 8, 8, 3, 8, 8, 3, 3, 8, 3, 8, 8, 8, 3, 3])
    found = tally.paired_difference(first, second)
    gains = np.array([0.25, 0.25, 0.25, 0.5])
    assert found.mean == pytest.approx(gains.mean())
    assert found.interval == pytest.approx(1.959964 * gains.std(ddof=1) / 2, rel=1e-6)
    assert found.over == "tasks"
    classes = tally.class_gains(first, second)
    assert classes.accuracy.tolist() == [0.25, 0.375]
    assert classes.over == "queries"


def test_an_interval_over_many_tasks_is_that_of_their_means() -> None:
    generator = np.random.default_rng(0)
    answers = made(generator.choice([3, 8], 80).tolist(), tasks=20)
    found = tally.class_accuracy(answers)
    of_tasks = (answers.given == answers.true)[answers.true == 3].reshape(20, 2).mean(1)
    assert found.over == "tasks"
    half = 1.959964 * of_tasks.std(ddof=1) / math.sqrt(20)
    assert found.high[0] - found.accuracy[0] == pytest.approx(half, rel=1e-6)


def test_a_class_that_is_never_right_still_has_an_interval() -> None:
    found = tally.class_accuracy(made([8] * 80, tasks=20))
    assert found.over == "tasks"
    assert found.accuracy.tolist() == [0.0, 1.0]
    assert (found.low[0], found.high[0]) == tally.wilson(0, 40)
    assert found.low[1] < 1


def test_runs_on_other_tasks_are_not_compared() -> None:
    first = made([3] * 16)
    with pytest.raises(
        tally.PairError, match=r"not measured on the same tasks: their `query` differ\. Compare runs of"
    ):
        tally.paired_difference(first, replace(first, query=first.query + 1))


def test_certainty_does_not_saturate() -> None:
    scores = torch.tensor([[0.0, 200.0, 100.0], [0.0, 300.0, 100.0]]).double()
    assert certainty_of(scores).tolist() == [100.0, 200.0]
