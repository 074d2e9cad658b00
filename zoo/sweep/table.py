"""Tables of runs as text, Markdown and CSV: ours, the untrained methods', and the papers'."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from manifests.tables import Published
from manifests.text import markdown
from zoo.sweep.compare import Row

COLUMNS = ("split", "recipe", "backbone", "task", "runs", "ours", "spread", "val", "untrained", "paper", "gap")
NOT_BETTER = "* training does not beat the best untrained method by more than the interval."
OUTSIDE = "! ours lies outside the published spread."
NOVEL_NAMES = "n the method is given the names of the novel classes."
OTHER_QUERIES = "q the method scores a query by other queries too (transductive)."
INTERVALS = (
    "± of ours: 1.96 standard errors over runs, or over the episodes of a single run; spread: standard deviation."
)

Table = Sequence[Mapping[str, str]]


def columns(row: Row) -> dict[str, str]:
    """The cells of a row in words."""
    paper = row.papers[0] if row.papers else None
    return {
        "split": row.split,
        "recipe": row.recipe,
        "backbone": row.backbone,
        "task": f"{row.way}w{row.shot}s",
        "runs": str(row.runs),
        "ours": ours(row),
        "spread": "" if row.spread is None else f"{row.spread:.1f}",
        "val": "" if row.validation is None else f"{row.validation:.1f}",
        "untrained": _untrained(row),
        "paper": "" if paper is None else _paper(paper),
        "gap": "" if row.gap is None else f"{row.gap:+.1f}{' !' if row.outside else ''}",
    }


def legend(rows: Sequence[Row]) -> list[str]:
    """One line for each mark that the rows use."""
    papers = [row.papers[0] for row in rows if row.papers]
    uses = {
        INTERVALS: bool(rows),
        NOT_BETTER: any(not_better(row) for row in rows),
        OUTSIDE: any(row.outside for row in rows),
        NOVEL_NAMES: any(row.novel_names for row in rows) or any(paper.novel_names for paper in papers),
        OTHER_QUERIES: any(row.other_queries for row in rows),
    }
    return [line for line, used in uses.items() if used]


def text(rows: Sequence[Row]) -> str:
    """A table for a terminal, with the settings by which similar rows differ below them, and a legend."""
    lines = aligned([columns(row) for row in rows], COLUMNS)
    body = []
    for line, row in zip(lines[1:], rows, strict=True):
        body += [line, *([f"    {_words(row.differs)}"] if row.differs else [])]
    return "\n".join([lines[0], *body, *legend(rows)])


def aligned(table: Table, names: Sequence[str]) -> list[str]:
    """A header and a line for each row, in columns as wide as their widest cell; empty columns are left out.

    >>> aligned([{"a": "1", "b": "", "c": "x"}], ("a", "b", "c"))
    ['a  c', '1  x']
    """
    used = [name for name in names if any(row[name] for row in table)] or list(names)
    widths = {name: max(len(name), *(len(row[name]) for row in table), 0) for name in used}
    header = {name: name for name in used}
    return ["  ".join(row[name].ljust(widths[name]) for name in used).rstrip() for row in [header, *table]]


def as_markdown(table: Table, names: Sequence[str]) -> str:
    """The rows as a Markdown table.

    >>> print(as_markdown([{"a": "1", "b": "x|y"}], ("a", "b")))
    | a | b |
    | --- | --- |
    | 1 | x\\|y |
    """
    rows = [[markdown(row[name]) for name in names] for row in table]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [list(names), ["---"] * len(names), *rows])


def as_csv(table: Sequence[Mapping[str, object]], names: Sequence[str]) -> str:
    r"""The rows as CSV with a header; None is an empty cell.

    >>> as_csv([{"a": 1.5, "b": None}], ("a", "b"))
    'a,b\n1.5,\n'
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def ours(row: Row) -> str:
    """Our accuracy with its interval and marks."""
    used = {"*": not_better(row), "n": row.novel_names, "q": row.other_queries}
    marks = "".join(f" {mark}" for mark, shown in used.items() if shown)
    return f"{row.accuracy:.1f} ± {row.interval:.1f}{marks}"


def not_better(row: Row) -> bool:
    """Whether training does not beat the best untrained method by more than the interval."""
    return row.untrained is not None and not row.untrained.beaten


def _untrained(row: Row) -> str:
    best = row.untrained
    return "" if best is None else f"{best.accuracy:.1f} ± {best.interval:.1f} ({best.recipe})"


def _paper(paper: Published) -> str:
    spread = "" if paper.spread is None else f" ± {paper.spread:.1f}"
    names = " n" if paper.novel_names else ""
    return f"{paper.accuracy:.1f}{spread} ({paper.backbone}, {paper.table}){names}"


def _words(differs: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in differs.items())
