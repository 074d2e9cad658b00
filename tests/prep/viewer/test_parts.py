"""Which clips belong to which part of a split."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.split_file import split
from prep.errors import PrepError
from prep.store.read import Store
from prep.viewer.parts import labels_of, parts_of, splits_for

MINE = """
title = "two against two"
source = "a test"
dataset = "demo"
protocol = "episodic"
seed = 0
samples_per_class = 2
train = [0, 1]
test = [2]
exclude = ["S001C001P001R001A001"]
"""


@pytest.mark.parametrize("samples", [2, 0])
def test_parts_follow_labels_the_sample_and_the_excluded_clips(store: Store, tmp_path: Path, samples: int) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace("samples_per_class = 2", f"samples_per_class = {samples}"), encoding="utf-8")
    parts = parts_of(store, split(str(path)))
    found = {part: own.nonzero()[0].tolist() for part, own in parts.items()}
    chosen = split(str(path)).chosen(
        {
            label: [name for name, own in zip(store.names, store.label, strict=True) if own == label]
            for label in (0, 1, 2)
        }
    )
    assert found["train"] == [i for i in range(12) if store.label[i] < 2 and store.names[i] in chosen]
    assert len(found["train"]) == (4 if samples else 5)
    assert 0 not in found["train"]
    assert len(found["test"]) == (2 if samples else 3)
    assert sorted(clip for clips in found.values() for clip in clips) == list(range(12))
    assert splits_for(store, str(path))[0] == str(path)


def test_class_splits_are_parts_of_their_own() -> None:
    parts = labels_of(split("nw_ucla"))
    assert len(parts) == 40
    assert parts["class split 3 test"] == {2, 3, 4, 6, 8}


def test_a_split_of_another_dataset_or_none_is_refused(store: Store) -> None:
    with pytest.raises(PrepError, match="--split nw_ucla: is a split of `nw_ucla`, and .* has clips of `demo`"):
        splits_for(store, "nw_ucla")
    with pytest.raises(PrepError, match="--split: `dmo` is not one of the splits. Did you mean `demo`?"):
        splits_for(store, "dmo")
