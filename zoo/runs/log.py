"""The log of a run: a line of CSV per record, and the same for TensorBoard where it is asked for."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from prep.files import atomic_write
from zoo.engine.train import Record


class LogError(Exception):
    """The log cannot be written as asked; the text says what to install."""


class Log:
    """Records are kept until `flush`, which the caller makes before each checkpoint."""

    def __init__(self, file: Path, tensorboard: Path | None = None, start: int = 0) -> None:
        self.file = file
        self._pending: list[Record] = []
        self._board = None if tensorboard is None else _writer(tensorboard, start)

    def add(self, record: Record) -> None:
        """Keep one record."""
        self._pending.append(record)

    def flush(self) -> None:
        """Append the records that were kept."""
        rows = [_row(record) for record in self._pending]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
        if not self.file.exists():
            writer.writeheader()
        writer.writerows(rows)
        with self.file.open("a", encoding="utf-8") as log:
            log.write(text.getvalue())
        self._pending = []
        if self._board is None:
            return
        for row in rows:
            for name, value in row.items():
                if name != "step" and value != "":
                    self._board.add_scalar(name, float(value), row["step"])
        self._board.flush()

    def close(self) -> None:
        """Close the files of TensorBoard."""
        if self._board is not None:
            self._board.close()


def read(file: Path) -> list[dict[str, str]]:
    """The lines of a log by column, without a truncated last line; empty where there is no log."""
    if not file.exists():
        return []
    content = file.read_text(encoding="utf-8", errors="replace")
    whole = content[: content.rfind("\n") + 1]
    return [row for row in csv.DictReader(io.StringIO(whole)) if None not in row and None not in row.values()]


def cut(file: Path, step: int) -> None:
    """Drop the lines that a killed run wrote after its last checkpoint, a truncated line at the end included."""
    if not file.exists():
        return
    rows = [row for row in read(file) if (row.get("step") or "").isdecimal() and int(row["step"]) <= step]
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        atomic_write(file, text.getvalue())
    else:
        file.unlink()


def _row(record: Record) -> dict[str, Any]:
    """Every column of a record, empty where it has no value; the same columns in every record of a run."""
    values = {
        "step": record.progress.step,
        "done": record.done,
        "lr": record.lr,
        "loss": record.loss,
        "accuracy": record.accuracy,
        "validation": record.validation,
        **record.parts,
    }
    return {name: "" if value is None else value for name, value in values.items()}


def _writer(folder: Path, start: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        remedy = "Install it: pip install 'fewshot-skeleton[tensorboard]', or leave out --tensorboard"
        raise LogError(f"TensorBoard is not installed ({error}). {remedy}; log.csv has the same numbers.") from error
    return SummaryWriter(str(folder), purge_step=start + 1)
