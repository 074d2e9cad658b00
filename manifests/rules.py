"""The rules that facts obey. Each raises ValueError, naming the value and the rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NONE: Mapping[str, tuple[int, ...]] = {}


def require(holds: bool, otherwise: str) -> None:
    """Raise ValueError with the text `otherwise` unless the rule holds."""
    if not holds:
        raise ValueError(otherwise)


def unique(what: str, items: Iterable[object]) -> None:
    """No item stands twice. Raises ValueError.

    >>> unique("classes", ["run", "jump", "run"])
    Traceback (most recent call last):
    ValueError: classes: `run` stands there twice; once is the rule
    """
    seen: set[object] = set()
    for item in items:
        require(item not in seen, f"{what}: `{item}` stands there twice; once is the rule")
        seen.add(item)


def joints_exist(what: str, joints: Iterable[int], count: int) -> None:
    """Every joint is one of 0..count-1. Raises ValueError."""
    for joint in joints:
        require(0 <= joint < count, f"{what}: {joint} is not a joint; they are numbered 0 to {count - 1}")


def classes_disjoint(needed: Mapping[str, tuple[int, ...]], optional: Mapping[str, tuple[int, ...]] = NONE) -> None:
    """Named groups of 0-based labels: none below 0, none in two groups, and the needed groups not empty.

    Raises ValueError.
    """
    for key, group in needed.items():
        require(len(group) > 0, f"{key} is empty; it needs at least one class")
    labels = [label for group in (*needed.values(), *optional.values()) for label in group]
    require(min(labels) >= 0, f"class {min(labels)} is below 0; classes count from 0")
    unique(f"classes of {' and '.join([*needed, *optional])}", labels)


def groups(pattern: str) -> frozenset[str]:
    """The named groups of a regular expression. Raises ValueError.

    >>> groups("A(?P<action>..)")
    frozenset({'action'})
    """
    try:
        return frozenset(re.compile(pattern).groupindex)
    except re.error as error:
        raise ValueError(f"pattern `{pattern}` is not a regular expression: {error}") from error
