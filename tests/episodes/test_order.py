"""Batches with several clips of each class."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from helpers.fakes import FakeStore

from episodes.loader import BatchLoader
from episodes.options import EpisodeError
from episodes.order import of_classes
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.transform import ClipTransform
from manifests.facts import layout

# Six classes of 4 to 14 clips, not in the order of their classes.
LABEL = torch.tensor([label for round_ in range(14) for label in range(6) if round_ < 4 + 2 * label])
CLIPS = 100 + torch.arange(len(LABEL))


def epoch(number: int, size: int = 12, per_class: int = 3, seed: int = 5) -> torch.Tensor:
    drawn = of_classes(CLIPS, LABEL, seed, number, size, per_class)
    assert len(drawn) == len(CLIPS) // size * size
    return drawn.view(-1, size)


@pytest.mark.parametrize(("size", "per_class"), [(12, 3), (12, 4), (8, 2), (6, 1), (24, 4), (32, 4), (20, 2)])
def test_a_batch_has_so_many_clips_of_each_class_and_none_twice(size: int, per_class: int) -> None:
    groups = size // per_class
    for batch in epoch(0, size, per_class):
        assert len(set(batch.tolist())) == size or size > 24
        counts = Counter(LABEL[batch - 100].tolist())
        assert len(counts) == min(groups, 6)
        # Where there is room for more classes than there are, no class comes twice more often than another.
        assert max(counts.values()) - min(counts.values()) in (0, per_class)
        assert all(count % per_class == 0 for count in counts.values())


def test_a_clip_comes_again_only_after_the_others_of_its_class() -> None:
    seen: dict[int, list[int]] = {}
    for clip in epoch(2).flatten().tolist():
        seen.setdefault(int(LABEL[clip - 100]), []).append(clip)
    for label, clips in seen.items():
        whole = (4 + 2 * label) // 3 * 3
        for start in range(0, len(clips), whole):
            part = clips[start : start + whole]
            assert len(set(part)) == len(part)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    assert torch.equal(epoch(1), epoch(1))
    assert not torch.equal(epoch(1), epoch(2))
    assert not torch.equal(epoch(1), epoch(1, seed=6))
    # All clips of a class are used over some epochs, whatever does not fill a group.
    assert set(torch.cat([epoch(number) for number in range(12)]).flatten().tolist()) == set(CLIPS.tolist())


def loader(per_class: int, size: int = 8, lengths: int = 48) -> BatchLoader:
    store = FakeStore([12] * lengths, [clip % 6 for clip in range(lengths)])
    transform = ClipTransform(Pool.load(store), layout("ntu25"), Sampling(10))
    return BatchLoader([transform], range(6), size, epochs=2, seed=3, per_class=per_class)


def test_the_loader_serves_them() -> None:
    serving = loader(2)
    assert len(serving) == 12
    for batch in serving:
        assert sorted(Counter(batch.label.tolist()).values()) == [2, 2, 2, 2]
    again = serving.at(3)
    assert torch.equal(again.clips, loader(2).at(3).clips)


@pytest.mark.parametrize(
    ("per_class", "size", "clips", "words"),
    [
        (3, 8, 48, "3 clips of each class do not fill a batch of 8. Give a number that divides it: change budget.per"),
        (
            16,
            16,
            48,
            "action 0 has 8 clips, and batches of 16 with 16 clips of each of 6 classes need 16. Set",
        ),
        (4, 32, 24, "24 clips do not fill a batch of 32. Set a smaller budget.batch"),
        (4, 48, 48, ""),
    ],
)
def test_classes_that_are_too_small_are_refused(per_class: int, size: int, clips: int, words: str) -> None:
    if not words:
        assert len(loader(per_class, size, clips)) == 2
        return
    with pytest.raises(EpisodeError, match=words):
        loader(per_class, size, clips)
