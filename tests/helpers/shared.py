"""Where tests find real files and the authors' numbers: beside the project, never in it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def shared(relative: str) -> Path:
    """`../shared/<relative>` from the project's root; the test that asks skips, saying so, where it is absent."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs ../shared/{relative}, which this machine does not have")
    return path
