"""A store to view, its session and its server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import embed, info, make_store, write_clips
from helpers.viewing import WITHOUT_VECTOR, matrix_file, opened, served, view_store

from prep.store.read import Store, open_store
from prep.viewer.server import ViewerServer
from prep.viewer.session import Session


@pytest.fixture(scope="session")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return view_store(tmp_path_factory.mktemp("viewed") / "a.zarr")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips, preprocessed differently."""
    return view_store(tmp_path_factory.mktemp("other") / "b.zarr", preprocessing="agcn", shift=1.0)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 clips, one of each class, with vectors of all videos but two."""
    path = make_store(tmp_path_factory.mktemp("embedded") / "e.zarr", clips_per_class=1, frames=(2, 3))
    embed(path, missing=WITHOUT_VECTOR)
    return path


@pytest.fixture(scope="session")
def in_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One clip of another dataset, in image coordinates; joint 4 has no score in frame 0."""
    clip = np.full((2, 1, 18, 3), 0.5, np.float32)
    clip[0, 0, 4, 2] = 0
    path = tmp_path_factory.mktemp("image") / "k.zarr"
    return write_clips(path, info("kinetics", "raw"), ["k"], [0], [clip])


@pytest.fixture(scope="module")
def store(viewed: Path) -> Store:
    return open_store(viewed)


@pytest.fixture(scope="module")
def session(viewed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session for all tests of a file: none leaves marks."""
    with opened([viewed], tmp_path_factory.mktemp("marks") / "marked.toml") as session:
        yield session


@pytest.fixture(scope="module")
def server(session: Session) -> Iterator[ViewerServer]:
    with served(session) as server:
        yield server


@pytest.fixture
def with_matrix(viewed: Path, tmp_path: Path) -> Iterator[ViewerServer]:
    """A server that shows the confusion matrix of a run."""
    matrix = matrix_file(tmp_path / "confusion.json")
    with opened([viewed], tmp_path / "marked.toml", confusion=matrix) as session, served(session) as server:
        yield server


@pytest.fixture
def fresh(viewed: Path, tmp_path: Path) -> Iterator[ViewerServer]:
    """A server of its own, for a test that changes its session."""
    with opened([viewed], tmp_path / "marked.toml") as session, served(session) as server:
        yield server
