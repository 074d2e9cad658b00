"""Checkpoints: whatever is changed in one is noticed, with the file and the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.learners import LinearBackbone
from safetensors import safe_open
from safetensors.torch import save_file

from zoo.engine.checkpoint import CheckpointError, load, resume, save
from zoo.engine.header import Header, Identity, Progress
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.options import Optimiser
from zoo.learner import Learner

IDENTITY = Identity("recipe", "store", "", "ntu25", 1, "agcn")
Tensors, Metadata = dict[str, torch.Tensor], dict[str, Any]


def trainer(**options: Any) -> tuple[Learner, torch.optim.Optimizer, Any]:
    learner, chosen = Learner(LinearBackbone(), None), Optimiser(**options)
    optimiser = make_optimiser(chosen, learner)
    return learner, optimiser, make_schedule(chosen, optimiser, 0.1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    learner, optimiser, schedule = trainer()
    for parameter in learner.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    schedule.step()
    path = tmp_path / "checkpoint.safetensors"
    save(path, learner, Header(IDENTITY, Progress(1)), optimiser, schedule)
    return path


def change(path: Path, tensors: Callable[[Tensors], None], header: Callable[[Metadata], None], redo: bool) -> None:
    """Write the file again with changes; `redo` leaves out the digest, as whoever changes it by hand could."""
    with safe_open(path, framework="pt") as opened:
        found = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
        metadata = json.loads(opened.metadata()["header"])
    tensors(found)
    header(metadata)
    if redo:
        metadata["tensors_digest"] = ""
    save_file(found, path, {"header": json.dumps(metadata)})


def resumed(path: Path) -> Header:
    return resume(path, *trainer())


def test_what_was_saved_is_resumed(file: Path) -> None:
    assert replace(resumed(file).progress) == Progress(1)


def flip(tensors: Tensors) -> None:
    weights = next(value for name, value in tensors.items() if name.startswith("model."))
    weights.view(-1).view(torch.int32)[0] ^= 1


def not_finite(part: str) -> Callable[[Tensors], None]:
    def put(tensors: Tensors) -> None:
        next(value for name, value in tensors.items() if part in name).view(-1)[0] = torch.nan

    return put


def no_optimiser(tensors: Tensors) -> None:
    for name in [name for name in tensors if name.startswith("optimiser.")]:
        del tensors[name]


def other_shape(tensors: Tensors) -> None:
    name = next(name for name in tensors if name.endswith("exp_avg"))
    tensors[name] = torch.zeros(3, 5)


@pytest.mark.parametrize(
    ("edit", "redo", "text"),
    [
        (flip, False, "its tensors are not those of its digest"),
        (not_finite("model."), True, "holds numbers that are not finite"),
        (not_finite("exp_avg"), True, "exp_avg` holds numbers that are not finite"),
        (no_optimiser, True, "holds the optimiser state of 0 parameters"),
        (other_shape, True, "exp_avg` does not fit its parameter"),
    ],
)
def test_changed_tensors(file: Path, edit: Callable[[Tensors], None], redo: bool, text: str) -> None:
    change(file, edit, lambda header: None, redo)
    with pytest.raises(CheckpointError, match=text) as error:
        resumed(file)
    assert str(file) in str(error.value)
    assert "Delete" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"progress": {"step": -5}}, "step is -5"),
        ({"progress": {"step": 2, "best_step": 3}}, "best_step 3; 0 <= best_step <= step"),
        ({"progress": {"step": 1, "epoch_loss": float("nan")}}, "epoch_loss"),
        ({"progress": {"step": 1, "best": 7.0}}, "best is 7.0; it must be an accuracy"),
        ({"identity": None}, "identity"),
        ({"identity": {"recipe_digest": 3}}, "identity"),
        ({"identity": "garbled"}, "identity"),
        ({"rates": [float("nan")]}, "rates"),
        ({"rates": [-1.0]}, "rates"),
        ({"rates": []}, "holds the optimiser state"),
        ({"schedule": {}}, "does not hold the state of this schedule"),
        ({"schedule": {"last_epoch": "soon"}}, "does not hold the state of this schedule"),
    ],
)
def test_changed_metadata(file: Path, changes: Metadata, text: str) -> None:
    change(file, lambda tensors: None, lambda header: header.update(changes), redo=True)
    with pytest.raises(CheckpointError, match=text):
        resumed(file)


def test_metadata_that_is_absent(file: Path) -> None:
    save_file({"model.x": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=r"its metadata is damaged .*Delete it and train again"):
        load(file, trainer()[0])
