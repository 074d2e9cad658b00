"""Checks that the records of manifests share. Each raises ValueError, naming the value and the rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NONE: Mapping[str, tuple[int, ...]] = {}


def require(condition: bool, message: str) -> None:
    """Raise ValueError with this message unless the condition is true."""
    if not condition:
        raise ValueError(message)


def unique(key: str, items: Iterable[object]) -> None:
    """Require that no item is listed twice. Raises ValueError.

    >>> unique("classes", ["run", "jump", "run"])
    Traceback (most recent call last):
    ValueError: classes: `run` is listed twice; list it once
    """
    seen: set[object] = set()
    for item in items:
        require(item not in seen, f"{key}: `{item}` is listed twice; list it once")
        seen.add(item)


def joints_exist(key: str, joints: Iterable[int], count: int) -> None:
    """Require that every joint is one of 0..count-1. Raises ValueError."""
    for joint in joints:
        require(0 <= joint < count, f"{key}: {joint} is not a joint; they are numbered 0 to {count - 1}")


def classes_disjoint(needed: Mapping[str, tuple[int, ...]], optional: Mapping[str, tuple[int, ...]] = NONE) -> None:
    """Require 0-based labels of which none is in two groups, and that the needed groups are not empty.

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
