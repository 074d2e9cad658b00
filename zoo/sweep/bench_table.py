"""A published table with ours beside it, as text, Markdown, CSV and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from manifests.tables import Published
from manifests.text import markdown
from zoo.sweep.bench import Pair
from zoo.sweep.compare import Row
from zoo.sweep.table import (
    INTERVALS,
    NOT_BETTER,
    NOVEL_NAMES,
    OTHER_QUERIES,
    OUTSIDE,
    aligned,
    as_csv,
    as_markdown,
    not_better,
    ours,
)

COLUMNS = ("split", "method", "backbone", "task", "paper", "ours", "spread", "runs", "val", "untrained", "gap")
CSV = (
    "split",
    "method",
    "variant",
    "recipe",
    "backbone",
    "our_backbone",
    "way",
    "shot",
    "our_way",
    "our_shot",
    "paper",
    "paper_spread",
    "paper_split",
    "novel_names",
    "other_queries",
    "ours",
    "interval",
    "spread",
    "runs",
    "planned",
    "validation",
    "untrained",
    "untrained_recipe",
    "gain",
    "gain_interval",
    "gap",
    "outside",
    "left_out",
)


@dataclass(frozen=True)
class Bench:
    """A table: its pairs, the settings that every run had, and known reasons for gaps.

    `data` is the split in place of the paper's. `fewer` is what the small version or a smaller number of runs left out.
    `choices` are this project's where the paper is silent or contradicts itself.
    """

    name: str
    source: str
    pairs: tuple[Pair, ...]
    settings: tuple[str, ...] = ()
    quick: bool = False
    fewer: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    data: str = ""

    def head(self) -> list[str]:
        """What has to be known before the numbers."""
        lines = [f"{self.name}: {self.source}"]
        lines += [f"Every run with {' '.join(self.settings)}"] if self.settings else []
        if self.data:
            lines.append(f"Run on {self.data}. Numbers of the paper on other data have no gap.")
        if self.fewer:
            lines += ["QUICK, not the paper's setting. It has only:" if self.quick else "Fewer runs:", *self.fewer]
        return lines

    def foot(self) -> list[str]:
        """The legend, and known reasons for gaps."""
        shown = [pair for pair in self.pairs if pair.row is not None]
        uses = {
            INTERVALS: bool(shown),
            NOT_BETTER: any(pair.row is not None and not_better(pair.row) for pair in shown),
            OUTSIDE: any(pair.outside for pair in shown),
            NOVEL_NAMES: any(_novel_names(pair) for pair in self.pairs),
            OTHER_QUERIES: any(pair.row is not None and pair.row.other_queries for pair in self.pairs),
        }
        return [line for line, used in uses.items() if used]

    def left_out(self) -> dict[str, list[str]]:
        """The rows that were not run, by the reason."""
        found: dict[str, list[str]] = {}
        for pair in self.pairs:
            if pair.left_out:
                found.setdefault(pair.left_out.rstrip("."), []).append(_name(pair))
        return found


def as_text(bench: Bench) -> str:
    """The table for a terminal."""
    body = aligned([columns(pair) for pair in bench.pairs if not pair.left_out], COLUMNS)
    parts = [bench.head(), body, bench.foot(), [f"known: {note}" for note in bench.notes]]
    parts.append([f"choice: {choice}" for choice in bench.choices])
    parts.append([f"left out, {reason}: {', '.join(rows)}" for reason, rows in bench.left_out().items()])
    return "\n".join(line for part in parts for line in part)


def to_markdown(bench: Bench) -> str:
    """The table as a Markdown page."""
    head, *facts = bench.head()
    lines = [f"# {markdown(head)}", "", *(f"{markdown(line)}  " for line in facts), ""]
    lines += [as_markdown([columns(pair) for pair in bench.pairs if not pair.left_out], COLUMNS), ""]
    lines += [f"- {markdown(line)}" for line in bench.foot()]
    for title, texts in (("Known reasons for gaps", bench.notes), ("Where the paper leaves it open", bench.choices)):
        lines += ["", f"{title}:", "", *(f"- {markdown(text)}" for text in texts)] if texts else []
    left = bench.left_out()
    lines += ["", "Left out:", ""] if left else []
    lines += [f"- {markdown(reason)}: {markdown(', '.join(rows))}" for reason, rows in left.items()]
    return "\n".join([*lines, ""])


def to_csv(bench: Bench) -> str:
    """All rows as CSV; what differs from the paper's setting is in comments before the header."""
    comments = [f"# {line}" for line in bench.head()] if bench.fewer or bench.settings or bench.data else []
    return "\n".join([*comments, as_csv([_numbers(pair) for pair in bench.pairs], CSV)])


def to_json(bench: Bench) -> dict[str, Any]:
    """All rows as a JSON value."""
    return {
        "table": bench.name,
        "source": bench.source,
        "data": bench.data,
        "quick": bench.quick,
        "fewer": list(bench.fewer),
        "settings": list(bench.settings),
        "notes": list(bench.notes),
        "choices": list(bench.choices),
        "rows": [pair.record() for pair in bench.pairs],
    }


def columns(pair: Pair) -> dict[str, str]:
    """The cells of a pair in words."""
    theirs, row = pair.published, pair.row
    cells = {
        "split": pair.split or theirs.split,
        "method": _method(theirs),
        "backbone": _backbones(pair),
        "task": _beside(_task(theirs), "" if row is None else _task(row)),
        "paper": _paper(pair),
        "runs": f"{0 if row is None else row.runs} of {pair.planned}",
    }
    if row is None:
        return dict.fromkeys(COLUMNS, "") | cells | {"ours": "-"}
    best = row.untrained
    return cells | {
        "ours": ours(row),
        "spread": "" if row.spread is None else f"{row.spread:.1f}",
        "val": "" if row.validation is None else f"{row.validation:.1f}",
        "untrained": "" if best is None else f"{best.accuracy:.1f} ± {best.interval:.1f} ({best.recipe})",
        "gap": "" if pair.gap is None else f"{pair.gap:+.1f}{' !' if pair.outside else ''}",
    }


def _numbers(pair: Pair) -> dict[str, object]:
    theirs, row = pair.published, pair.row
    numbers: dict[str, object] = {
        **{key: getattr(theirs, key) for key in ("method", "variant", "recipe", "backbone", "way", "shot")},
        "novel_names": _novel_names(pair),
        "other_queries": pair.row is not None and pair.row.other_queries,
        "split": pair.split or theirs.split,
        "paper": theirs.accuracy,
        "paper_spread": theirs.spread,
        "paper_split": theirs.split,
        "planned": pair.planned,
        "left_out": pair.left_out,
    }
    if row is None:
        return numbers
    ours = {"ours": row.accuracy, "our_backbone": row.backbone, "our_way": row.way, "our_shot": row.shot}
    ours |= {"gap": pair.gap, "outside": pair.outside}
    numbers |= ours | {key: getattr(row, key) for key in ("interval", "spread", "runs", "validation")}
    if row.untrained is not None:
        best = row.untrained
        numbers |= {"untrained": best.accuracy, "untrained_recipe": best.recipe}
        numbers |= {"gain": best.gain, "gain_interval": best.gain_interval}
    return numbers


def _paper(pair: Pair) -> str:
    """The paper's number; on other data one for each of the paper's splits, with the split, of one backbone."""
    theirs = pair.published
    if pair.same_data:
        return _number(theirs)
    alike = [row for row in pair.also if (row.backbone, row.variant) == (theirs.backbone, theirs.variant)]
    by_split = {row.split: f"{_number(row)} {row.split}" for row in (theirs, *alike)}
    return ", ".join(by_split.values())


def _number(row: Published) -> str:
    spread = "" if row.spread is None else f" ± {row.spread:.1f}"
    return f"{row.accuracy:.1f}{spread}{' n' if row.novel_names else ''}"


def _method(row: Published) -> str:
    return f"{row.method} {row.variant}".rstrip()


def _novel_names(pair: Pair) -> bool:
    return pair.published.novel_names or (pair.row is not None and pair.row.novel_names)


def _backbones(pair: Pair) -> str:
    """The paper's backbone, and ours where it is another one."""
    return _beside(pair.published.backbone, "" if pair.row is None else pair.row.backbone)


def _task(row: Published | Row) -> str:
    return f"{row.way}w{row.shot}s"


def _beside(theirs: str, ours: str) -> str:
    return f"{theirs}, ours {ours}" if ours not in ("", theirs) else theirs


def _name(pair: Pair) -> str:
    row = pair.published
    mark = " n" if row.novel_names else ""
    return f"{_method(row)} {row.backbone} {pair.split or row.split} {row.way}w{row.shot}s{mark}"
