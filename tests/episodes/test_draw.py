from __future__ import annotations

from functools import cache

import pytest
import torch
from helpers.fakes import FakeStore, even_store
from hypothesis import given
from hypothesis import strategies as st

from episodes.draw import Classes, Draw, TooFewClasses, TooFewClips, draw
from episodes.options import EpisodeError, Task
from episodes.pool import Pool


@cache
def pool() -> Pool:
    """12 classes of 9 to 20 clips."""
    labels = [label for label in range(12) for _ in range(9 + label)]
    return Pool.load(FakeStore([1] * len(labels), labels, shape=(1, 2, 3)))


@cache
def classes() -> Classes:
    return Classes.of(pool(), range(12))


tasks = st.builds(Task, way=st.integers(2, 12), shot=st.integers(1, 5), queries_per_class=st.integers(1, 4))
numbers = st.integers(0, 2**20)


def equal(a: Draw, b: Draw) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)


def joined(parts: list[Draw]) -> Draw:
    return Draw(*(torch.cat([getattr(part, name) for part in parts]) for name in parts[0].__dataclass_fields__))


@given(tasks, numbers, numbers)
def test_clips_are_distinct_and_answers_true(task: Task, seed: int, step: int) -> None:
    drawn = draw(classes(), task, seed, step, batch=3)
    for b in range(3):
        clips = torch.cat([drawn.support[b].flatten(), drawn.query[b]])
        assert len(clips.unique()) == len(clips)
        assert len(drawn.class_id[b].unique()) == task.way
        assert torch.equal(pool().label[drawn.support[b]], drawn.class_id[b][:, None].expand(-1, task.shot))
        assert torch.equal(pool().label[drawn.query[b]], drawn.class_id[b][drawn.answer[b]])
        assert drawn.answer[b].tolist() == [n for n in range(task.way) for _ in range(task.queries_per_class)]


@given(tasks, numbers, numbers, st.integers(1, 5))
def test_an_episode_is_a_function_of_seed_and_number(task: Task, seed: int, step: int, batch: int) -> None:
    together = draw(classes(), task, seed, step, batch)
    assert together.episode.tolist() == list(range(step * batch, step * batch + batch))
    assert equal(together, joined([draw(classes(), task, seed, step * batch + b) for b in range(batch)]))


@given(numbers, numbers)
def test_seeds_give_other_episodes(seed: int, step: int) -> None:
    here, there = (draw(classes(), Task(5, 1, 5), s, step, batch=4) for s in (seed, seed + 1))
    assert not torch.equal(here.query, there.query)


def even(counts: torch.Tensor) -> bool:
    """Within five standard deviations of equal shares."""
    share = counts.sum() / len(counts)
    return bool(((counts - share).abs() < 5 * share.sqrt()).all())


def test_every_class_and_every_clip_of_it_is_equally_likely() -> None:
    drawn = draw(classes(), Task(3, 1, 2), seed=7, step=0, batch=20_000)
    assert even(torch.bincount(drawn.class_id.flatten(), minlength=12).float())
    assert even(torch.bincount(drawn.class_id[:, 0], minlength=12).float())
    counts = torch.bincount(torch.cat([drawn.support.flatten(), drawn.query.flatten()]), minlength=len(pool().names))
    for label in range(12):
        assert even(counts[pool().label == label].float())
        assert even(torch.bincount(drawn.support.flatten(), minlength=len(counts))[pool().label == label].float())


def test_classes_are_those_asked_for() -> None:
    some = Classes.of(pool(), [9, 3, 3, 5])
    assert some.class_id.tolist() == [3, 5, 9]
    assert some.counts == (12, 14, 18)
    assert set(draw(some, Task(3, 1, 1), 0, 0, batch=20).class_id.flatten().tolist()) == {3, 5, 9}


def test_too_few_clips_is_said_before_anything_is_drawn() -> None:
    rule = (
        r"label 0 \(action 0\) has 9 clips and an episode takes 10 of each class \(5 support, 5 query\): lower `shot`"
    )
    with pytest.raises(TooFewClips, match=rule):
        draw(classes(), Task(5, 5, 5), 0, 0)


def test_a_class_without_clips_is_named_too() -> None:
    store = even_store(classes=4, clips=3)
    with pytest.raises(TooFewClips, match=r"label 2 \(action 2\) has 0 clips"):
        draw(Classes.of(Pool.load(store, keep=[0, 1, 3, 4, 5]), [0, 1, 2]), Task(2, 1, 1), 0, 0)


def test_too_few_classes() -> None:
    with pytest.raises(TooFewClasses, match=r"A 13-way episode needs 13 classes and there are 12: lower `way`"):
        draw(classes(), Task(way=13), 0, 0)


def test_an_unknown_label_is_refused() -> None:
    with pytest.raises(EpisodeError, match=r"Label 12 is not in the store, which has labels 0\.\.11"):
        Classes.of(pool(), [0, 12])


@pytest.mark.parametrize(("name", "least"), [("way", 2), ("shot", 1), ("queries_per_class", 1)])
def test_a_task_has_at_least_two_classes_and_one_clip_of_each(name: str, least: int) -> None:
    with pytest.raises(EpisodeError, match=f"{name} is {least - 1}: an episode needs at least {least}"):
        Task(**{name: least - 1})
