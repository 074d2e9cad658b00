"""The progress of long work in a log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cli import bars as progress
from prep.progress import Step, Work


def counted(scale: int = 1, stage: str = "", note: str = "") -> Work[str]:
    for done in range(1, 5):
        yield Step(done * scale, 4 * scale, stage, note)
    return "made"


@pytest.fixture
def six_seconds_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))


@pytest.mark.usefixtures("six_seconds_a_step")
@pytest.mark.parametrize("scale", [1, 1000])
def test_a_log_gets_lines_with_rate_and_remaining_time(capsys: pytest.CaptureFixture[str], scale: int) -> None:
    with progress.meter(quiet=False) as bars:
        assert bars.run(counted(scale), "writing", scale=scale) == "made"
    assert "writing: 2 of 4, 0.2/s, 0:00:12 left\n" in capsys.readouterr().err


@pytest.mark.usefixtures("six_seconds_a_step")
def test_a_stage_has_its_own_name_and_notes_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.meter(quiet=False) as bars:
        bars.run(counted(stage="reading", note="[red]a\x1b[2J"), "writing")
    assert "reading: 2 of 4, 0.2/s, 0:00:12 left  [red]a\\x1b[2J\n" in capsys.readouterr().err


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    with progress.meter(quiet=True) as bars:
        assert bars.run(counted(), "writing") == "made"
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("six_seconds_a_step")
def test_a_long_first_unit_is_shown_by_its_note(capsys: pytest.CaptureFixture[str]) -> None:
    """A run of a sweep takes hours; a log would have been silent until the first one ended."""

    def one_run() -> Work[str]:
        for episode in range(4):
            yield Step(0, 6, "runs", f"training {episode}")
        return "made"

    with progress.meter(quiet=False) as bars:
        bars.run(one_run())
    assert "runs: 0 of 6  training 1\n" in capsys.readouterr().err
