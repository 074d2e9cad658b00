"""Why clips are left out: the reason for one file, and many reasons in a few lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from manifests.strict import InvalidValue
from prep.clip import Source
from prep.errors import PrepError
from prep.untrusted.files import location

LONGEST = 200  # characters of another library's message
Rows = Sequence[tuple[str, str]]


def reason_for(source: Source, error: Exception) -> str:
    """The file, the rule and the remedy for an error of a reader; errors of libraries are explained here."""
    if isinstance(error, PrepError | InvalidValue):
        return str(error)
    what = f"{type(error).__name__}: {str(error)[:LONGEST]}"
    return f"{location(source)}: its reader failed ({what}). Fetch the file again, or leave it out with --allow-bad."


def folded(rows: Rows, most: int) -> list[str]:
    """One line for each reason, with the first of its clips and the number of the others; at most `most` lines.

    Reasons are equal if they differ in the clip's name and in numbers only.

    >>> folded([("a", "a: line 1 is short."), ("b", "b: line 2 is short."), ("c", "c: is empty.")], most=2)
    ['a: line 1 is short. (and 1 more clip like it)', 'c: is empty.']
    >>> folded([("a", "is empty."), ("b", "has one line.")], most=1)
    ['a: is empty.', '... and 1 more clip']
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in rows:
        groups.setdefault(re.sub("[0-9]+", "0", reason.replace(name, "")), []).append((name, reason))
    shown = list(groups.values())[:most]
    lines = [_line(*group[0]) + _more(" (and {} like it)", len(group) - 1) for group in shown]
    rest = len(rows) - sum(map(len, shown))
    return lines + ([f"... and {_clips(rest)}"] if rest else [])


def _line(name: str, reason: str) -> str:
    return reason if reason.startswith(f"{name}:") else f"{name}: {reason}"


def _more(text: str, count: int) -> str:
    return text.format(_clips(count)) if count else ""


def _clips(count: int) -> str:
    return f"{count} more clip{'s' if count > 1 else ''}"
