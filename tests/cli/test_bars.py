"""What a log shows of long work."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from cli import bars as progress


@dataclass(frozen=True)
class Record:
    done: int
    total: int = 4


def test_a_log_gets_lines_with_rate_and_remaining_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with progress.meter(quiet=False) as bars:
        assert len(list(bars.track("writing", iter([Record(1), Record(2), Record(3), Record(4)])))) == 4
    assert "writing: 2 of 4, 0.2/s, 0:00:12 left" in capsys.readouterr().err


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with progress.meter(quiet=True) as bars:
        assert len(list(bars.track("writing", iter([Record(1), Record(2)])))) == 2
    assert capsys.readouterr().err == ""
