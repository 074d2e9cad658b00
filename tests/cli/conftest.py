"""A workspace for each test of the commands, empty or with a small demo."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.shell import Shell


@pytest.fixture
def shell() -> Shell:
    return Shell()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FSPREP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with 240 demo recordings and their store, made once by the commands."""
    home = tmp_path_factory.mktemp("demo") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSPREP_HOME", str(home))
        for line in ("fsprep demo --clips 240", "fsprep build demo --workers 1"):
            done = Shell()(line)
            assert done.exit_code == 0, done.output
    return home


@pytest.fixture
def in_demo(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FSPREP_HOME", str(demo_home))
    return demo_home
