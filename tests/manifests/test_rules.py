"""Each rule refuses a record that breaks it, and the message names the value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from manifests.facts import dataset, layout
from manifests.split import ClassDraw, Split
from manifests.split_file import split

NTU = layout("ntu25")

WRONG_LAYOUTS: list[tuple[dict[str, Any], str]] = [
    ({"joints": (*NTU.joints[:-1], "head")}, "joints: `head` is listed twice"),
    ({"root": 25}, "root: 25 is not a joint; they are numbered 0 to 24"),
    ({"centre": -1}, "centre: -1 is not a joint"),
    ({"spine": 99}, "spine: 99 is not a joint"),
    ({"coordinates": 0}, "coordinates is 0"),
    ({"bones": NTU.bones[:-1]}, "23 bones for 25 joints; a tree has one fewer than joints"),
    ({"bones": (*NTU.bones[:-1], (24, 25))}, "bones: 25 is not a joint"),
    ({"bones": (*NTU.bones[:-1], (23, 11))}, "children of bones: `23` is listed twice"),
    ({"bones": (*NTU.bones[:-2], (23, 24), (24, 23))}, r"bones do not join \[23, 24\] to the root 20"),
    ({"root": 0}, "bones do not join"),
    ({"parts": {**NTU.parts, "torso": (0, 1, 2, 3)}}, r"parts leave out \[20\]"),
    ({"parts": {**NTU.parts, "torso": (0, 1, 2, 3, 20, 4)}}, "joints of all parts: `4` is listed twice"),
    ({"parts": {**NTU.parts, "torso": (0, 1, 2, 3, 20, 30)}}, "parts: 30 is not a joint"),
    ({"mirror": (*NTU.mirror, (4, 9))}, "joints of all mirror pairs: `4` is listed twice"),
    ({"mirror": (*NTU.mirror, (3, 3))}, "joints of all mirror pairs: `3` is listed twice"),
    ({"mirror": (*NTU.mirror, (3, 25))}, "mirror: 25 is not a joint"),
    ({"mirror": NTU.mirror[1:]}, r"mirror turns bone \[5, 4\] into \[9, 4\], which is no bone"),
]

WRONG_DATASETS: list[tuple[dict[str, Any], str]] = [
    ({"classes": (), "actions": ()}, "a dataset needs at least one class"),
    ({"classes": ("carry",) * 10}, "classes: `carry` is listed twice"),
    ({"actions": (1, 2)}, "2 actions for 10 classes"),
    ({"actions": (1, 1, *range(2, 10))}, "actions: `1` is listed twice"),
    ({"preprocessings": ("raw", "raw", "agcn")}, "preprocessings: `raw` is listed twice"),
    ({"preprocessing": "agcm"}, "preprocessing `agcm` is not in preprocessings. Did you mean `agcn`?"),
    ({"bodies": 0}, "bodies is 0"),
    ({"fps": 0.0}, "fps is 0.0"),
    ({"pattern": "a(?P<aktion>..)"}, "has no group"),
    ({"pattern": "a("}, "is not a regular expression"),
]

WRONG_SPLITS: list[tuple[dict[str, Any], str]] = [
    ({"train": ()}, "train is empty"),
    ({"test": ()}, "test is empty"),
    ({"test": (0, 3)}, "classes of train and test and val: `0` is listed twice"),
    ({"val": (14, 14)}, "classes of train and test and val: `14` is listed twice"),
    ({"val": (-1,)}, "class -1 is below 0; classes count from 0"),
    ({"samples_per_class": -1}, "samples_per_class is -1"),
    ({"draws": (ClassDraw((0,), (1,)),)}, "draws belong to the protocol `exemplars`"),
    ({"draws": (ClassDraw((0,), (1,)),), "protocol": "exemplars"}, "draws and train/val/test exclude each other"),
]


@pytest.mark.parametrize(("change", "words"), WRONG_LAYOUTS)
def test_a_wrong_layout_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(NTU, **change)


@pytest.mark.parametrize(("change", "words"), WRONG_DATASETS)
def test_a_wrong_dataset_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(dataset("nw_ucla"), **change)


@pytest.mark.parametrize(("change", "words"), WRONG_SPLITS)
def test_a_wrong_split_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(split("ntu_t"), **change)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [((), (1,), "train is empty"), ((0,), (), "test is empty"), ((0, 1), (1,), "`1` is listed twice")],
)
def test_a_wrong_draw_of_classes_is_refused(train: tuple[int, ...], test: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ClassDraw(train, test)


def test_two_equal_draws_are_refused() -> None:
    ucla = split("nw_ucla")
    with pytest.raises(ValueError, match=r"draws: .* is listed twice"):
        replace(ucla, draws=(*ucla.draws, ucla.draws[0]))


def test_the_untouched_records_are_accepted() -> None:
    assert replace(NTU) == NTU
    assert replace(dataset("nw_ucla")) == dataset("nw_ucla")
    assert isinstance(replace(split("ntu_t")), Split)
