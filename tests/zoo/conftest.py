"""Finished runs that several tests read."""

from __future__ import annotations

import pytest
from helpers.finished_run import Finished, finished, toy_store


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of protonet on episodes of the demo's classes, with its store."""
    folder = tmp_path_factory.mktemp("demo_run")
    store = toy_store(folder)
    return finished(folder / "runs", store), store


@pytest.fixture(scope="session")
def exemplar_run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run of protonet on tasks with exemplars, with its store."""
    folder = tmp_path_factory.mktemp("exemplar_run")
    store = toy_store(folder, "nw_ucla")
    return finished(folder / "runs", store), store
