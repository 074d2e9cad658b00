"""Finished runs on a toy store, trained in about a second, for what is made of runs: reports and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from helpers.small_run import SMALL
from helpers.stores import make_store

from prep.progress import result
from prep.store.read import Store, open_store
from zoo.experiment.resolve import resolve
from zoo.explain._subject import Subject
from zoo.runs.chain import train_chain
from zoo.runs.run import Run

CPU = torch.device("cpu")
Finished = tuple[Run, Store]


def toy_store(folder: Path, dataset: str = "demo", separable: float = 0.02) -> Store:
    """Clips of classes that can hardly be told apart, so that there are mistakes."""
    return open_store(make_store(folder / f"{dataset}.zarr", clips_per_class=8, name=dataset, separable=separable))


def finished(folder: Path, store: Store, recipe: str = "protonet", settings: Sequence[str] = ()) -> Run:
    """The run of a recipe on a toy store."""
    chosen = [*SMALL, "data.preprocessing=agcn", *settings]
    resolved = resolve(recipe, store.info.dataset, chosen)
    run, _, _ = result(train_chain(resolved, store, CPU, folder))
    return run


def subject(run: Run, store: Store) -> Subject:
    """A finished run, ready to be explained."""
    return Subject(run, lambda _: store, CPU)
