"""How far runs are, read from their folders without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from manifests.strict import InvalidValue, read_toml
from prep.files import atomic_write

ERROR = "error.txt"
# What `fszoo train` leaves where a loss was not finite.
DIVERGED = "diverged.safetensors"
# The last line of a log is shorter than this.
TAIL = 65_536


@dataclass(frozen=True)
class Status:
    """State of a run, `done` of `total` episodes (or clips of a stage) at its last checkpoint; 0 where it has none.

    `error` is why its last training ended ("" unless `state` is failed).
    """

    state: Literal["finished", "unfinished", "failed"]
    done: int = 0
    total: int = 0
    error: str = ""

    @property
    def how_far(self) -> str:
        """Where its last checkpoint is, in words."""
        if not self.total:
            return f"at {self.done:,}" if self.done else "not begun"
        return f"at {self.done:,} of {self.total:,}"

    def __str__(self) -> str:
        if self.state == "finished":
            return self.state
        error = self.error.partition("\n")[0]
        return f"{self.state} {self.how_far}" + (f": {error}" if error else "")


def status(run: Path) -> Status:
    """The state of the run in a folder; a folder without records is unfinished.

    >>> status(Path("no such folder"))
    Status(state='unfinished', done=0, total=0, error='')
    """
    if (run / "result.json").exists():
        return Status("finished")
    done, total = _progress(run)
    error = run / ERROR
    if error.exists():
        return Status("failed", done, total, error.read_text(encoding="utf-8", errors="replace").strip())
    if (run / DIVERGED).exists():
        return Status("failed", done, total, f"a loss was not finite; `fszoo replay {run}` computes it again")
    return Status("unfinished", done, total)


def mark_failed(run: Path, error: str) -> None:
    """Write down why a training ended; the next one that succeeds removes it. Nothing where there is no such run."""
    if run.is_dir():
        atomic_write(run / ERROR, error + "\n")


def clear_failed(run: Path) -> None:
    """Remove what `mark_failed` wrote."""
    (run / ERROR).unlink(missing_ok=True)


def runs_in(folder: Path) -> list[Path]:
    """The runs in a folder, sorted by name."""
    return sorted(path.parent for path in folder.glob("*/recipe.toml"))


def _progress(run: Path) -> tuple[int, int]:
    """Episodes or clips at the last record of the log, and the episodes of the recipe."""
    return _last_done(run / "log.csv"), _episodes(run / "recipe.toml")


def _last_done(log: Path) -> int:
    """The column `done` of the last whole line of a log; 0 where it has none."""
    if not log.is_file():
        return 0
    with log.open("rb") as file:
        header = file.readline().decode("utf-8", "replace").rstrip("\n").split(",")
        file.seek(max(file.tell(), log.stat().st_size - TAIL))
        lines = file.read().decode("utf-8", "replace").split("\n")
    if "done" not in header:
        return 0
    place = header.index("done")
    # What follows the last line break is not whole.
    for line in reversed(lines[:-1]):
        cells = line.split(",")
        if len(cells) == len(header) and cells[place].isdecimal():
            return int(cells[place])
    return 0


def _episodes(recipe: Path) -> int:
    """The episodes that a recipe trains; 0 for a stage, whose clips only its store knows, and for a damaged file."""
    try:
        budget = read_toml(recipe).get("budget", {}) if recipe.is_file() else {}
    except InvalidValue:
        return 0
    episodes = budget.get("episodes", 0) if isinstance(budget, dict) else 0
    return episodes if isinstance(episodes, int) else 0
