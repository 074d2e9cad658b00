"""A demo of three classes, five clips of each: two base classes and a novel one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.built import built
from helpers.teacher_demo import BOW, JUMP, SQUAT, draw

from prep.store.read import Store, open_store


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw` and `raw-agcn.zarr`."""
    home = tmp_path_factory.mktemp("teacher")
    built("demo", draw(home / "raw", (JUMP, SQUAT, BOW), 5), preprocessing="agcn")
    return home


@pytest.fixture
def raw(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the raw folder to change."""
    shutil.copytree(drawn / "raw", tmp_path / "raw")
    return tmp_path / "raw"


@pytest.fixture
def store(drawn: Path) -> Store:
    return open_store(drawn / "raw-agcn.zarr")
