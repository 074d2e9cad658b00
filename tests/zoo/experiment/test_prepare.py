"""Test tasks whose exemplars are named: which clips are shots, which are queries, and what a store must hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import stores, tiny_backbone
from helpers.shell import Shell
from helpers.stores import make_store

from episodes.cameras import Cameras
from episodes.loader import BatchLoader
from episodes.sampler import ExemplarSampler
from manifests.facts import dataset
from manifests.split_file import split
from manifests.strict import InvalidValue
from prep.store.read import open_store
from zoo.experiment.feed import SetupError
from zoo.experiment.prepare import Prepared, prepare
from zoo.experiment.resolve import resolve

CPU = torch.device("cpu")
SMALL = [
    f"backbone.name={tiny_backbone.__file__}",
    "data.frames=8",
    "budget.episodes=4",
    "budget.episodes_per_epoch=2",
    "budget.checkpoint_every=2",
    "task.queries_per_class=1",
]
CLIPS = 7


def ntu_name(_: str, label: int, index: int) -> str:
    """Seven clips of a class in two setups and three cameras; number 3 is the official exemplar of a novel class."""
    places = [(1, 1, 1), (1, 3, 2), (1, 3, 7), (1, 3, 8), (2, 3, 9), (1, 1, 8), (1, 2, 8)]
    return "S{:03d}C{:03d}P{:03d}R001A{:03d}".format(*places[index % CLIPS], label + 1)


def pku_name(_: str, label: int, index: int) -> str:
    return f"{2 + index % 3:04d}-L_{label * CLIPS + index % CLIPS + 1:03d}"


def synthetic(path: Path, name: str, names: Callable[[str, int, int], str], **choices: object) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "clip_name", names)
        return make_store(path, clips_per_class=CLIPS, frames=(8, 12), name=name, **choices)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def ntu60(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic(tmp_path_factory.mktemp("stores") / "ntu60.zarr", "ntu60", ntu_name, separable=0.2)


def setup(store: Path, name: str, settings: Sequence[str] = ()) -> Prepared:
    return prepare(resolve("protonet", name, [*SMALL, *settings]), open_store(store), CPU)


def exemplars(ready: Prepared) -> ExemplarSampler:
    (loader,) = ready.test
    assert isinstance(loader.sampler, ExemplarSampler)
    return loader.sampler


def test_the_official_exemplars_are_the_shots_and_all_else_is_asked(ntu60: Path) -> None:
    ready, chosen = setup(ntu60, "ntu60_one_shot"), split("ntu60_one_shot")
    draws, pool = exemplars(ready), ready.test[0].transform.pool
    assert draws.names == tuple((name,) for name in chosen.exemplars)
    assert (ready.way, ready.independent, len(ready.test)) == (10, False, 1)
    asked = [pool.names[clip] for step in range(len(draws)) for clip in draws.at(step).query[0].tolist()]
    every = {ntu_name("", label, index) for label in chosen.test for index in range(CLIPS)}
    assert len(asked) == len(set(asked)) == 10 * (CLIPS - 1)
    assert set(asked) == every - set(chosen.exemplars)
    trained = ready.train.transform.pool
    assert {int(label) for label in trained.label.unique()} == set(chosen.train)


def test_more_shots_come_from_the_same_setup_and_camera_first(ntu60: Path) -> None:
    draws = exemplars(setup(ntu60, "ntu60_one_shot", ["task.shot=5", "task.way=5"]))
    # Not index 4, which is of another setup; then the first of the others by name.
    assert set(draws.names[1]) == {ntu_name("", 6, index) for index in (3, 1, 2, 0, 5)}
    two = exemplars(setup(ntu60, "ntu60_one_shot", ["task.shot=2"]))
    assert set(two.names[1]) == {ntu_name("", 6, index) for index in (3, 1)}


def test_the_way_of_training_may_be_another_than_that_of_the_test(ntu60: Path) -> None:
    ready = setup(ntu60, "ntu60_one_shot", ["task.way=5"])
    assert (ready.train.at(0).support.shape[1], ready.test[0].at(0).support.shape[1], ready.way) == (5, 10, 10)


def test_without_official_exemplars_the_first_names_are_taken(tmp_path: Path) -> None:
    ready = setup(synthetic(tmp_path / "pku.zarr", "pku_mmd", pku_name), "pku_mmd_one_shot", ["task.shot=2"])
    for label, names in zip(split("pku_mmd_one_shot").test, exemplars(ready).names, strict=True):
        # make_store numbers clips through the classes.
        every = sorted(pku_name("", label, label * CLIPS + index) for index in range(CLIPS))
        assert set(names) == set(every[:2])


@pytest.mark.parametrize("name", ["msr_pairs", "nw_ucla"])
def test_seeded_choices_stay(name: str, tmp_path: Path) -> None:
    def clip(data: str, label: int, index: int) -> str:
        return f"a{dataset(data).actions[label]:02d}_s{index % CLIPS:02d}_e01" + ("_v01" if data == "nw_ucla" else "")

    store = synthetic(tmp_path / "store.zarr", name, clip)
    ready = setup(store, name, ["budget.exemplar_draws=3", "data.class_split=19"])
    assert len(ready.test) == 3
    assert len({loader.sampler.names for loader in ready.test if isinstance(loader.sampler, ExemplarSampler)}) == 3
    assert ready.way == len(split(name).draws[19].test)


def test_an_exemplar_that_the_store_lacks_is_named(tmp_path: Path) -> None:
    def other(data: str, label: int, index: int) -> str:
        return ntu_name(data, label, index).replace("P008", "P010" if label == 12 else "P008")

    store = synthetic(tmp_path / "lacking.zarr", "ntu60", other)
    with pytest.raises(SetupError) as caught:
        setup(store, "ntu60_one_shot")
    assert str(caught.value) == (
        "S001C003P008R001A013, the exemplar of class 12 (tear up paper) in ntu60_one_shot, is not among the store's "
        "clips, or has no frames. Build the store from all of ntu60 (`fsprep build ntu60`), with that file fixed if it "
        "was bad."
    )


def test_several_choices_of_named_exemplars_do_not_exist(ntu60: Path) -> None:
    with pytest.raises(SetupError, match=r"one draw of them and not 3\. Leave budget\.exemplar_draws at 1"):
        setup(ntu60, "ntu60_one_shot", ["budget.exemplar_draws=3"])


def test_one_shot_is_trained_and_measured_from_the_command_line(ntu60: Path, tmp_path: Path) -> None:
    settings = [word for setting in SMALL for word in ("--set", setting)]
    line = ["fszoo", "train", "protonet", "--data", "ntu60_one_shot", "--store", str(ntu60), "--device", "cpu"]
    done = Shell()([*line, "--out", str(tmp_path / "run"), "--json", *settings])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["way"], result["shot"], result["episodes"], result["queries"]) == (10, 1, 1, 10 * (CLIPS - 1))
    assert 0 < result["accuracy"] <= 100
    assert np.isfinite(result["interval"])


def test_recordings_of_one_performance_are_found_by_their_names(ntu60: Path) -> None:
    """Three clips of a class share setup, subject and repetition; the other four are alone."""

    def cameras(name: str, settings: Sequence[str]) -> Cameras | None:
        ready = prepare(resolve(name, "ntu60_one_shot", [SMALL[0], *settings]), open_store(ntu60), CPU)
        assert isinstance(ready.train, BatchLoader)
        remark = [line for line in ready.remarks if "other_camera" in line]
        assert bool(remark) == (ready.train.cameras is not None)
        assert not remark or remark[0].endswith("another camera recorded 150 of 350 clips too")
        return ready.train.cameras

    found = cameras("byol", ["data.other_camera=0.3"])
    assert found is not None
    assert found.size.view(-1, CLIPS).tolist() == [[1, 1, 1, 3, 1, 3, 3]] * 50
    assert cameras("byol_asymmetric", ()) is not None
    assert cameras("byol", ()) is None


def test_another_camera_is_asked_of_stages_with_two_views(ntu60: Path) -> None:
    with pytest.raises(SetupError, match=r"data\.other_camera is 0\.5, and supervised learns from one view of a clip"):
        prepare(resolve("supervised", "ntu60_one_shot", ["data.other_camera=0.5"]), open_store(ntu60), CPU)
    with pytest.raises(InvalidValue, match="protonet is a method; another camera's recording is a second view"):
        resolve("protonet", "ntu60_one_shot", ["data.other_camera=0.5"])
    with pytest.raises(InvalidValue, match="other_camera is 2.0; a probability is 0..1"):
        resolve("byol", "ntu60_one_shot", ["data.other_camera=2.0"])
