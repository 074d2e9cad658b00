"""Episodes across subjects or cameras, against a plain version with lists, and the errors where there are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fakes import FakeStore
from hypothesis import given, settings
from hypothesis import strategies as st

from episodes.counter import Stream, fold_in
from episodes.draw import Classes, draw
from episodes.groups import ATTEMPTS, TooFewGroups
from episodes.options import EpisodeError, Task
from episodes.pool import Pool
from episodes.sampler import EpisodicSampler


def pool_of(rows: list[tuple[int, int]], across: str = "subject") -> Pool:
    """A pool of clips with these (label, number of the subject)."""
    store = FakeStore([1] * len(rows), [label for label, _ in rows], shape=(1, 2, 3))
    getattr(store, across)[:] = [number for _, number in rows]
    return Pool.load(store)


def full(classes: int, subjects: int, repetitions: int) -> list[tuple[int, int]]:
    return [(label, 3 * s + 1) for label in range(classes) for s in range(subjects) for _ in range(repetitions)]


def plain(rows: list[tuple[int, int]], task: Task, seed: int, episode: int) -> tuple[list[list[int]], list[list[int]]]:
    """Support and query clips of each class of an episode, by the words of the docstrings and without tensors."""
    labels = sorted({label for label, _ in rows})
    members = [[clip for clip, (label, _) in enumerate(rows) if label == wanted] for wanted in labels]
    ranked = sorted(range(len(labels)), key=lambda row: -fold_in(seed, Stream.CLASSES, episode, row))[: task.way]
    numbers = sorted({number for _, number in rows})
    share = round(len(numbers) * task.shot / (task.shot + task.queries_per_class))
    sizes = sorted(range(1, len(numbers)), key=lambda size: (abs(size - share), size))
    for attempt in range(ATTEMPTS):
        by_rank = sorted(numbers, key=lambda number: -fold_in(seed, Stream.SIDES, attempt, episode, number))
        ours = set(by_rank[: sizes[attempt % len(sizes)]])
        support, query = [], []
        for place, row in enumerate(ranked):
            order = sorted(
                range(len(members[row])), key=lambda column: -fold_in(seed, Stream.CLIPS, episode, place, column)
            )
            clips = [members[row][column] for column in order]
            support.append([clip for clip in clips if rows[clip][1] in ours][: task.shot])
            query.append([clip for clip in clips if rows[clip][1] not in ours][: task.queries_per_class])
        enough = [len(clips) == task.shot for clips in support]
        if all(enough) and all(len(clips) == task.queries_per_class for clips in query):
            return support, query
    raise TooFewGroups("none")


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_an_episode_is_that_of_the_plain_version(data: st.DataObject) -> None:
    numbers = st.lists(st.integers(0, 4), min_size=3, max_size=12)
    rows = [(label, number) for label in range(4) for number in [0, 1, *data.draw(numbers)]]
    task = Task(data.draw(st.integers(2, 3)), data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3)), "subject")
    seed, step = data.draw(st.integers(0, 2**20)), data.draw(st.integers(0, 2**20))
    classes = Classes.of(pool_of(rows), range(4))
    try:
        expected = [plain(rows, task, seed, 3 * step + b) for b in range(3)]
    except TooFewGroups:
        with pytest.raises(TooFewGroups, match="no partition of"):
            draw(classes, task, seed, step, batch=3)
        return
    drawn = draw(classes, task, seed, step, batch=3)
    for b, (support, query) in enumerate(expected):
        assert drawn.support[b].tolist() == support
        assert drawn.query[b].tolist() == [clip for clips in query for clip in clips]


@pytest.mark.parametrize("across", ["subject", "camera"])
def test_no_subject_is_on_both_sides_and_every_one_is_on_each(across: str) -> None:
    pool = pool_of(full(6, 5, 3), across)
    task = Task(way=4, shot=2, queries_per_class=5, across=across)  # type: ignore[arg-type]
    drawn = draw(Classes.of(pool, range(6)), task, seed=3, step=0, batch=200)
    numbers = getattr(pool, across)
    seen: list[set[int]] = [set(), set()]
    for support, query in zip(numbers[drawn.support], numbers[drawn.query], strict=True):
        sides = set(support.flatten().tolist()), set(query.tolist())
        assert not sides[0] & sides[1]
        seen = [known | side for known, side in zip(seen, sides, strict=True)]
    assert seen[0] == seen[1] == set(numbers.tolist())
    assert torch.equal(pool.label[drawn.query], drawn.class_id.repeat_interleave(5, dim=1))


def test_the_classes_are_those_of_the_same_episode_without_it() -> None:
    classes, task = Classes.of(pool_of(full(6, 5, 3)), range(6)), Task(3, 1, 2)
    one, other = (draw(classes, replace(task, across=across), 5, 7, 9) for across in ("", "subject"))
    assert torch.equal(one.class_id, other.class_id)
    assert not torch.equal(one.query, other.query)


def test_batches_do_not_change_an_episode() -> None:
    classes, task = Classes.of(pool_of(full(6, 4, 2)), range(6)), Task(3, 1, 3, across="subject")
    together = EpisodicSampler(classes, task, seed=1, episodes=12, batch=12).at(0)
    for episode in range(12):
        alone = EpisodicSampler(classes, task, seed=1, episodes=12).at(episode)
        assert torch.equal(alone.query[0], together.query[episode])
        assert torch.equal(alone.support[0], together.support[episode])


def test_a_store_without_subjects_is_refused_with_the_remedy() -> None:
    rows = full(3, 3, 2)
    rows[4] = (rows[4][0], -1)
    with pytest.raises(EpisodeError) as caught:
        EpisodicSampler(Classes.of(pool_of(rows), range(3)), Task(2, 1, 1, "subject"), 0, 10)
    assert str(caught.value) == (
        "across is subject, and 1 clip has no subject: file names give it. In the dataset file give `pattern` a "
        "group (?P<subject>[0-9]+) and build the store again, or leave `across` empty."
    )


def test_too_few_subjects_are_an_error_before_the_first_episode() -> None:
    one = Classes.of(pool_of([*full(2, 3, 4), *[(2, 1)] * 12]), range(3))
    with pytest.raises(
        TooFewGroups, match=r"label 2 \(action 2\) has 1 subject, and across takes support and query from"
    ):
        EpisodicSampler(one, Task(2, 1, 1, "subject"), 0, 10)
    # 1 and 2 show the first class, 2 and 3 the second, 1 and 3 the third: no partition parts all three.
    ring = Classes.of(
        pool_of([(label, n) for label, pair in enumerate([(1, 2), (2, 3), (1, 3)]) for n in pair]), range(3)
    )
    with pytest.raises(
        TooFewGroups, match="Episode 0: no partition of 3 subjects leaves each of its 3 classes 1 support"
    ):
        EpisodicSampler(ring, Task(3, 1, 1, "subject"), 0, 10)
    EpisodicSampler(ring, Task(2, 1, 1, "subject"), 0, 10)


def test_a_pool_without_clips_has_no_groups() -> None:
    classes = Classes.of(Pool.load(FakeStore([1], [0]), keep=[]), [0])
    assert classes.groups["subject"].counts == (0,)
    assert np.prod(classes.groups["camera"].index.shape) == 0
