from __future__ import annotations

from hashlib import sha256

import pytest
import torch
from helpers.fakes import FakeStore, even_store

from episodes.draw import Classes, TooFewClasses, TooFewClips, draw
from episodes.options import EpisodeError, Task
from episodes.pool import Pool
from episodes.sampler import EpisodicSampler, ExemplarSampler

POOL = Pool.load(even_store(classes=6, clips=8, shortest=1, longest=3))
CLASSES = Classes.of(POOL, range(6))


def test_every_episode_comes_once_in_any_batch_size() -> None:
    task = Task(3, 1, 2)
    single = torch.cat([draw(CLASSES, task, 5, step).query for step in range(7)])
    for batch in (1, 2, 3, 7, 10):
        steps = EpisodicSampler(CLASSES, task, seed=5, episodes=7, batch=batch)
        assert len(steps) == -(-7 // batch)
        assert torch.equal(torch.cat([steps.at(step).query for step in range(len(steps))]), single)
        assert torch.equal(steps.at(0, len(steps)).query, single)


@pytest.mark.parametrize("step", [-1, 4])
def test_steps_outside_the_list_do_not_exist(step: int) -> None:
    for steps in (
        EpisodicSampler(CLASSES, Task(2, 1, 1), 0, episodes=4),
        ExemplarSampler(POOL, CLASSES, shot=1, chunk=12),
    ):
        with pytest.raises(IndexError, match=f"Step {step} does not exist: there are 4, counted from 0"):
            steps.at(step)


def test_an_impossible_task_is_refused_before_anything_runs() -> None:
    with pytest.raises(TooFewClips, match=r"label 0 \(action 0\) has 8 clips"):
        EpisodicSampler(CLASSES, Task(2, 5, 5), 0, episodes=1)
    with pytest.raises(EpisodeError, match="5 episodes, 0 in a step"):
        EpisodicSampler(CLASSES, Task(2, 1, 1), 0, episodes=5, batch=0)


@pytest.mark.parametrize("shot", [1, 3])
def test_every_other_clip_is_asked_exactly_once(shot: int) -> None:
    steps = ExemplarSampler(POOL, CLASSES, shot=shot, chunk=7)
    parts = [steps.at(step) for step in range(len(steps))]
    support = parts[0].support
    assert all(torch.equal(part.support, support) and part.query.shape[1] <= 7 for part in parts)
    query, answer = torch.cat([part.query[0] for part in parts]), torch.cat([part.answer[0] for part in parts])
    assert sorted([*query.tolist(), *support.flatten().tolist()]) == list(range(48))
    assert torch.equal(POOL.label[query], CLASSES.class_id[answer])
    assert torch.equal(POOL.label[support[0]], CLASSES.class_id[:, None].expand(-1, shot))
    assert query.tolist() == sorted(query.tolist())


def test_exemplars_follow_the_written_rule() -> None:
    steps = ExemplarSampler(POOL, CLASSES, shot=2, seed=3)
    for label, names in enumerate(steps.names):
        members = [name for name, own in zip(POOL.names, POOL.label.tolist(), strict=True) if own == label]
        assert list(names) == sorted(members, key=lambda name: sha256(f"3/{name}".encode()).hexdigest())[:2]


def test_exemplars_differ_between_class_splits_by_the_written_rule() -> None:
    splits = [ExemplarSampler(POOL, CLASSES, shot=2, seed=3, class_split=number).names for number in range(4)]
    assert len({*splits, ExemplarSampler(POOL, CLASSES, shot=2, seed=3).names}) == 5
    for names in zip(*splits, strict=True):
        members = [name for name in POOL.names if int(name[-4:]) % 6 == int(names[0][0][-4:]) % 6]
        for number, chosen in enumerate(names):
            order = sorted(members, key=lambda name, n=number: sha256(f"3/{n}/{name}".encode()).hexdigest())
            assert list(chosen) == order[:2]


def test_exemplars_do_not_depend_on_the_order_or_the_rest_of_the_pool() -> None:
    chosen = ExemplarSampler(POOL, CLASSES, shot=1).names
    part = Pool.load(even_store(classes=6, clips=8, shortest=1, longest=3), keep=[i for i in range(48) if i % 6 < 3])
    assert ExemplarSampler(part, Classes.of(part, range(3)), shot=1).names == chosen[:3]
    assert ExemplarSampler(POOL, CLASSES, shot=1, seed=1).names != chosen


def test_named_exemplars_come_first_and_are_filled_up() -> None:
    steps = ExemplarSampler(POOL, CLASSES, shot=2, named=["clip0012", "clip0007"])
    assert steps.names[0][0] == "clip0012"
    assert steps.names[1][0] == "clip0007"
    plain = ExemplarSampler(POOL, CLASSES, shot=2).names
    assert steps.names[2:] == plain[2:]
    assert steps.names[0][1] in plain[0]


def test_exemplar_errors() -> None:
    with pytest.raises(
        EpisodeError, match=r"Exemplar `clip9999` is not among the clips of the novel classes \(1 such\)"
    ):
        ExemplarSampler(POOL, CLASSES, shot=1, named=["clip9999", "clip0001"])
    with pytest.raises(
        EpisodeError, match=r"label 0 \(action 0\): shot is 1 and 2 exemplars are named: give `shot` at"
    ):
        ExemplarSampler(POOL, CLASSES, shot=1, named=["clip0000", "clip0006"])
    with pytest.raises(TooFewClips, match=r"has 8 clips and the protocol takes 9 of each class"):
        ExemplarSampler(POOL, CLASSES, shot=8)
    with pytest.raises(TooFewClasses, match="at least 1 class and there are 0"):
        ExemplarSampler(POOL, Classes.of(POOL, []), shot=1)


def test_unbalanced_classes_are_all_asked() -> None:
    pool = Pool.load(FakeStore([1] * 9, [0] * 2 + [1] * 7, shape=(1, 2, 3)))
    steps = ExemplarSampler(pool, Classes.of(pool, [0, 1]), shot=1)
    assert torch.bincount(steps.at(0).answer[0]).tolist() == [1, 6]
