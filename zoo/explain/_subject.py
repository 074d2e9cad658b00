"""Subject: a finished run that a figure is made of. Store, weights and answers are read when they are first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import torch

from episodes.draw import Classes
from episodes.episode import Episode
from episodes.loader import EpisodeLoader
from episodes.options import Task
from episodes.sampler import EpisodicSampler
from manifests.layout import Layout
from prep.progress import Work
from prep.store.read import Store
from zoo.experiment.prepare import Prepared, prepare
from zoo.experiment.recipe import Init, Recipe, classes
from zoo.methods._method import Method
from zoo.report.answers import Answers, answers_of
from zoo.runs.chain import trained_method
from zoo.runs.result import Result
from zoo.runs.run import Run, RunError
from zoo.runs.status import status
from zoo.sweep.compare import AVERAGED
from zoo.sweep.grid import as_toml, choices

SEED = 0  # of the tasks that figures draw


class Subject:
    """A run; `open_store` opens the store of its recipe. Raises RunError for a run that is not finished."""

    def __init__(self, run: Run, open_store: Callable[[Recipe], Store], device: torch.device) -> None:
        self.run, self.device, self._open_store = run, device, open_store
        self.recipe = run.recipe()
        result = run.result()
        if result is None:
            raise RunError(f"{run.path}: {status(run.path)}. Run the same `fszoo train` again; it continues.")
        self.result: Result = result
        self._answers: Answers | None = None

    @cached_property
    def store(self) -> Store:
        """The store of the recipe."""
        return self._open_store(self.recipe)

    @cached_property
    def prepared(self) -> Prepared:
        """The recipe prepared for measuring, with the run's weights. Raises as zoo.runs.chain.trained_method."""
        return trained_method(self.run, self.recipe, self.store, self.device)[0]

    @property
    def method(self) -> Method:
        """The trained method in evaluation mode."""
        return _method(self.prepared)

    @cached_property
    def untrained(self) -> Method:
        """The same method with the random weights that its seed gives."""
        fresh = replace(self.recipe, init=Init())
        return _method(prepare(fresh, self.store, self.device, training=False))

    @property
    def layout(self) -> Layout:
        """The layout of the store."""
        return self.store.info.layout

    def answers(self) -> Work[Answers]:
        """The answers to the run's own test tasks, computed once."""
        if self._answers is None:
            self._answers = yield from answers_of(self.prepared)
        return self._answers

    def episode(self, queries: int, step: int = 0, shot: int = 0) -> Episode:
        """A task of the run's test classes with `queries` per class, or as many as the smallest class has.

        `shot` 0 is the recipe's. The same `step` gives the same task for all runs on these classes.
        """
        return self.loader(queries, shot).at(step)

    def loader(self, queries: int, shot: int = 0) -> EpisodeLoader:
        """The tasks that `episode` takes one of."""
        transform, ids = self.prepared.test[0].transform, classes(self.recipe)[2]
        members, shots = Classes.of(transform.pool, ids), shot or self.recipe.task.shot
        task = Task(min(self.prepared.way, len(ids)), shots, max(1, min(queries, min(members.counts) - shots)))
        return EpisodeLoader(transform, EpisodicSampler(members, task, SEED, 1_000_000))


def labels(subjects: Sequence[Subject]) -> list[str]:
    """A short name for each run: its recipe, and the settings by which it differs from others of that recipe."""
    flat = [{key: as_toml(value) for key, value in choices(subject.recipe).items()} for subject in subjects]
    found = []
    for subject, mine in zip(subjects, flat, strict=True):
        alike = [other for other, run in zip(flat, subjects, strict=True) if run.recipe.name == subject.recipe.name]
        keys = [key for key, value in mine.items() if any(other.get(key) != value for other in alike)]
        told = [key for key in keys if key not in AVERAGED] or keys
        found.append(" ".join([subject.recipe.name, *(f"{key.rpartition('.')[2]}={mine[key]}" for key in told)]))
    return found


def _method(prepared: Prepared) -> Method:
    method = prepared.learner.eval()
    assert isinstance(method, Method)
    return method
