"""A small store, and a copy of it that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.stores import make_store


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "whole.zarr", clips_per_class=3)


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy.zarr"))
