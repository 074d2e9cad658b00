"""Every protocol with exemplars, with 1 and 5 shots over all class splits: the tasks that a run is tested on."""

from __future__ import annotations

import pytest
import torch
from helpers import stores, tiny_backbone
from helpers.stores import make_store

from episodes.sampler import ExemplarSampler
from manifests.facts import dataset, names
from manifests.split_file import split
from prep.store.read import Store, open_store
from zoo.experiment.prepare import Prepared, prepare
from zoo.experiment.recipe import classes
from zoo.experiment.resolve import resolve

CPU = torch.device("cpu")
CLIPS = 7
SMALL = (f"backbone.name={tiny_backbone.__file__}", "data.frames=8", "budget.exemplar_draws=1")
ONE_SHOT = tuple(name for name in names("splits") if split(name).protocol == "exemplars")
NOVEL = {"ntu120": 20, "ntu60": 10, "pku_mmd": 11, "pku_mmd_2": 10, "nw_ucla": 5, "msr_pairs": 6}


def clip_name(data: str, label: int, position: int) -> str:
    """Names of the dataset's form, seven of a class; one of them is the official exemplar where a split has one."""
    index = position % CLIPS
    official = {split(name).exemplar(label) for name in ONE_SHOT if split(name).dataset == data} - {""}
    if index == 3 and official:
        return official.pop()
    if data.startswith("ntu"):
        return f"S001C{1 + index % 3:03d}P{20 + index:03d}R001A{label + 1:03d}"
    if data.startswith("pku"):
        recording = f"A{20 + index:02d}N{1 + index:02d}-L" if data == "pku_mmd_2" else f"{2 + index:04d}-L"
        return f"{recording}_{100 + label:03d}"
    return f"a{dataset(data).actions[label]:02d}_s{1 + index:02d}_e01" + ("_v01" if data == "nw_ucla" else "")


@pytest.fixture(scope="module")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """A synthetic store of each dataset's classes."""
    folder, made = tmp_path_factory.mktemp("stores"), dict[str, Store]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "clip_name", clip_name)
        for name in NOVEL:
            path = make_store(folder / f"{name}.zarr", CLIPS, (4, 6), name, preprocessing=dataset(name).preprocessing)
            made[name] = open_store(path)
    return made


def ready(store: Store, name: str, *settings: str) -> Prepared:
    return prepare(resolve("protonet", name, [*SMALL, *settings]), store, CPU, training=False)


def served(prepared: Prepared) -> tuple[tuple[tuple[str, ...], ...], list[str]]:
    """The shots of each novel class, and every query."""
    (loader,) = prepared.test
    sampler, pool = loader.sampler, loader.transform.pool
    assert isinstance(sampler, ExemplarSampler)
    asked = [pool.names[clip] for step in range(len(sampler)) for clip in sampler.at(step).query[0].tolist()]
    return sampler.names, asked


@pytest.mark.parametrize("shot", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ONE_SHOT)
def test_k_shots_of_every_novel_class_and_all_else_is_asked_once(
    name: str, shot: int, store_of: dict[str, Store]
) -> None:
    chosen = split(name)
    store = store_of[chosen.dataset]
    # Which classes are novel does not depend on the shots: every class split once is enough.
    for number in range(0, len(chosen.draws) or 1, shot):
        prepared = ready(store, name, f"task.shot={shot}", f"data.class_split={number}")
        shots, asked = served(prepared)
        base, _, novel = classes(prepared.recipe)
        assert prepared.way == len(shots) == len(novel) == NOVEL[chosen.dataset]
        assert {len(of_class) for of_class in shots} == {shot}
        every = {clip for clip, label in zip(store.names, store.label.tolist(), strict=True) if label in novel}
        given = {clip for of_class in shots for clip in of_class}
        assert (len(given), len(asked), set(asked)) == (shot * len(novel), len(set(asked)), every - given)
        assert not set(base) & set(novel)
        if chosen.exemplars:
            assert all(chosen.exemplar(label) in of_class for label, of_class in zip(novel, shots, strict=True))


@pytest.mark.slow
def test_five_shots_hold_the_one_shot(store_of: dict[str, Store]) -> None:
    for name in ONE_SHOT:
        one, five = (served(ready(store_of[split(name).dataset], name, f"task.shot={k}"))[0] for k in (1, 5))
        assert all(set(few) < set(many) for few, many in zip(one, five, strict=True))


def test_a_smaller_auxiliary_set_asks_the_same_tasks(store_of: dict[str, Store]) -> None:
    whole = served(ready(store_of["ntu120"], "ntu120_one_shot"))
    for size in (20, 40, 60, 80):
        prepared = ready(store_of["ntu120"], f"ntu120_one_shot_{size}")
        assert served(prepared) == whole
        assert len(classes(prepared.recipe)[0]) == size
