"""Raw files to build from, in parts of a few clips."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.build_jobs import write_raw

from prep.building import build as building


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_raw(tmp_path / "raw")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "CLIPS_PER_PART", 7)
