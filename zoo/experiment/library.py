"""The recipes that ship, by name, without loading what they name."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from manifests.folder import stems
from manifests.strict import parse
from zoo import registry

# So many variants whose titles begin alike share a line of a list.
SHARE_A_LINE = 3
# Not after "et al." or an initial.
_SENTENCE_END = re.compile(r"(?<=[\w)\"][\w)\"]\.)(?<!et al\.) (?=[A-Z\"])")
_YEAR = re.compile(r"\b(19|20)\d\d\b")
FOLDER = Path(__file__).parents[1] / "recipes"


def shipped() -> tuple[str, ...]:
    """Names of the recipes that ship, sorted; files that begin with `_` are bases of others.

    >>> "dastm" in shipped()
    True
    """
    return tuple(stems(FOLDER, ".toml"))


@cache
def lineage(name: str) -> tuple[str, ...]:
    """A recipe that ships and those that it builds on by `base`, the nearest first; empty for any other name.

    >>> lineage("dastm"), lineage("mine")
    (('dastm',), ())
    """
    if name not in shipped():
        return ()
    return (name, *lineage(str(_table(name).get("base", ""))))


def families() -> dict[str, tuple[str, ...]]:
    """Every recipe that builds on no other recipe that ships, with those that build on it, sorted.

    >>> "dastm_rank" in families()["dastm"]
    True
    """
    roots: dict[str, list[str]] = {}
    for name in shipped():
        *_, root = lineage(name)
        roots.setdefault(root, []).extend([name] if name != root else [])
    return {root: tuple(variants) for root, variants in sorted(roots.items())}


@dataclass(frozen=True)
class Listed:
    """Recipes that a list shows in one line: one recipe, or the variants that repeat the rows of one table.

    `title` is that of the one recipe, or what the titles of all begin with before a colon. `variant`: they build on
    another recipe that ships, which is listed before them.
    """

    names: tuple[str, ...]
    title: str
    variant: bool


def listed() -> tuple[Listed, ...]:
    """All recipes that ship, each followed by those that build on it; many of one table share a line."""
    titles, lines = recipes(), []
    for root, variants in families().items():
        lines.append(Listed((root,), titles[root], variant=False))
        alike: dict[str, list[str]] = {}
        for name in variants:
            alike.setdefault(titles[name].partition(":")[0], []).append(name)
        for title, members in sorted(alike.items()):
            together = len(members) >= SHARE_A_LINE
            parts = [(tuple(members), title)] if together else [((name,), titles[name]) for name in members]
            lines += [Listed(names, words, variant=True) for names, words in parts]
    return tuple(lines)


def recipes() -> dict[str, str]:
    """Name and title of every recipe that ships."""
    return {name: str(_table(name)["title"]) for name in shipped()}


def papers(kind: str) -> dict[str, str]:
    """What every shipped method, stage or backbone is, with its paper; no file is imported.

    This is the first sentence of its docstring. Where that names no year, the first sentence that does follows, or the
    source of the recipe of the same name.
    """
    return {name: _paper(kind, name) for name in registry.names(kind)}


def _paper(kind: str, name: str) -> str:
    text = (FOLDER.parent / kind / f"{name}.py").read_text(encoding="utf-8")
    first, *others = _SENTENCE_END.split(" ".join((ast.get_docstring(ast.parse(text)) or "").split()))
    source = str(_table(name)["source"]) if name in shipped() else ""
    dated = [part for part in (first, *others, source) if _YEAR.search(part)]
    return f"{first.rstrip('.')}." + (f" {dated[0].rstrip('.')}." if dated and dated[0] != first else "")


def _table(name: str) -> dict[str, Any]:
    file = FOLDER / f"{name}.toml"
    return parse(file.read_text(encoding="utf-8"), str(file))
