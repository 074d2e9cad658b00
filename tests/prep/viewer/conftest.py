"""A store to view, its session and its server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.viewing import opened, served, view_store

from prep.store.read import Store, open_store
from prep.viewer.server import ViewerServer
from prep.viewer.session import Session


@pytest.fixture(scope="session")
def viewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return view_store(tmp_path_factory.mktemp("viewed") / "a.zarr")


@pytest.fixture
def store(viewed: Path) -> Store:
    return open_store(viewed)


@pytest.fixture
def session(viewed: Path, tmp_path: Path) -> Iterator[Session]:
    with opened([viewed], tmp_path / "marked.toml") as session:
        yield session


@pytest.fixture
def server(session: Session) -> Iterator[ViewerServer]:
    with served(session) as server:
        yield server
