"""Why clips are left out: the reason for one file, and many reasons in a few lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from manifests.strict import InvalidValue
from prep.clip import Source
from prep.errors import PrepError
from prep.untrusted.files import location

LONGEST = 200  # characters of another library's message
ALIKE = 3  # equal reasons that are shown
Rows = Sequence[tuple[str, str]]


def reason_for(source: Source, error: Exception) -> str:
    """The file, the rule and the remedy for an error of a reader; errors of libraries are explained here."""
    if isinstance(error, PrepError | InvalidValue):
        return str(error)
    what = f"{type(error).__name__}: {str(error)[:LONGEST]}"
    return f"{location(source)}: its reader failed ({what}). Fetch the file again, or leave it out with --allow-bad."


def folded(rows: Rows, most: int) -> list[str]:
    """The reasons, line by line; of many equal ones only the first and their number. At most about `most` lines.

    Reasons are equal if they differ in the clip's name and in numbers only.

    >>> folded([(name, f"{name}: line {row} is short.") for row, name in enumerate("abcdef")], most=9)
    ['a: line 0 is short.', 'b: line 1 is short.', 'c: line 2 is short. (and 3 more like it)']
    >>> folded([("a", "is empty."), ("b", "has one line.")], most=1)
    ['a: is empty.', '... and 1 more']
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in rows:
        without = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "", reason)
        groups.setdefault(re.sub("[0-9]+", "0", without), []).append((name, reason))
    lines: list[str] = []
    counted = 0
    for group in groups.values():
        if len(lines) >= most:
            break
        lines += [_line(*row) for row in group[:ALIKE]]
        lines[-1] += f" (and {len(group) - ALIKE} more like it)" if len(group) > ALIKE else ""
        counted += len(group)
    return lines + ([f"... and {len(rows) - counted} more"] if counted < len(rows) else [])


def _line(name: str, reason: str) -> str:
    return reason if reason.startswith(f"{name}:") else f"{name}: {reason}"
