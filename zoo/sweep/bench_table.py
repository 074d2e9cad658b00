"""A published table with ours beside it, as text, Markdown, CSV and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from manifests.text import markdown
from zoo.sweep.bench import Pair
from zoo.sweep.table import INTERVALS, NOT_BETTER, NOVEL_NAMES, OUTSIDE, aligned, as_csv, as_markdown

COLUMNS = ("split", "method", "backbone", "task", "paper", "ours", "spread", "runs", "val", "untrained", "gap")
CSV = (
    "split",
    "method",
    "backbone",
    "our_backbone",
    "way",
    "shot",
    "paper",
    "paper_spread",
    "novel_names",
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
    """A table: its pairs, the settings that every run had, what --quick left out, and known reasons for gaps."""

    name: str
    source: str
    pairs: tuple[Pair, ...]
    settings: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def head(self) -> list[str]:
        """What has to be known before the numbers."""
        lines = [f"{self.name}: {self.source}"]
        lines += [f"Every run with {' '.join(self.settings)}"] if self.settings else []
        if self.quick:
            lines += ["QUICK, not the paper's setting. It has only:", *self.quick]
        return lines

    def foot(self) -> list[str]:
        """The legend, and known reasons for gaps."""
        shown = [pair for pair in self.pairs if pair.row is not None]
        uses = {
            INTERVALS: bool(shown),
            NOT_BETTER: any(_not_better(pair) for pair in shown),
            OUTSIDE: any(pair.outside for pair in shown),
            NOVEL_NAMES: any(pair.published.novel_names for pair in self.pairs if not pair.left_out),
        }
        return [line for line, used in uses.items() if used]

    def left_out(self) -> dict[str, list[str]]:
        """The rows that were not run, by the reason."""
        found: dict[str, list[str]] = {}
        for pair in self.pairs:
            if pair.left_out:
                found.setdefault(pair.left_out, []).append(_name(pair))
        return found


def as_text(bench: Bench) -> str:
    """The table for a terminal."""
    body = aligned([columns(pair) for pair in bench.pairs if not pair.left_out], COLUMNS)
    parts = [bench.head(), body, bench.foot(), [f"known: {note}" for note in bench.notes]]
    parts.append([f"left out, {reason}: {', '.join(rows)}" for reason, rows in bench.left_out().items()])
    return "\n".join(line for part in parts for line in part)


def to_markdown(bench: Bench) -> str:
    """The table as a Markdown page."""
    head, *facts = bench.head()
    lines = [f"# {markdown(head)}", "", *(f"{markdown(line)}  " for line in facts), ""]
    lines += [as_markdown([columns(pair) for pair in bench.pairs if not pair.left_out], COLUMNS), ""]
    lines += [f"- {markdown(line)}" for line in bench.foot()]
    lines += (
        ["", "Known reasons for gaps:", "", *(f"- {markdown(note)}" for note in bench.notes)] if bench.notes else []
    )
    left = bench.left_out()
    lines += ["", "Left out:", ""] if left else []
    lines += [f"- {markdown(reason)}: {markdown(', '.join(rows))}" for reason, rows in left.items()]
    return "\n".join([*lines, ""])


def to_csv(bench: Bench) -> str:
    """All rows as CSV; what --quick left out is in comments before the header."""
    comments = [f"# {line}" for line in bench.head()] if bench.quick or bench.settings else []
    return "\n".join([*comments, as_csv([_numbers(pair) for pair in bench.pairs], CSV)])


def to_json(bench: Bench) -> dict[str, Any]:
    """All rows as a JSON value."""
    return {
        "table": bench.name,
        "source": bench.source,
        "quick": list(bench.quick),
        "settings": list(bench.settings),
        "notes": list(bench.notes),
        "rows": [pair.record() for pair in bench.pairs],
    }


def columns(pair: Pair) -> dict[str, str]:
    """The cells of a pair in words."""
    theirs, row = pair.published, pair.row
    names = " n" if theirs.novel_names else ""
    cells = {
        "split": theirs.split,
        "method": theirs.method,
        "backbone": _backbones(pair),
        "task": f"{theirs.way}w{theirs.shot}s",
        "paper": f"{theirs.accuracy:.1f}{'' if theirs.spread is None else f' ± {theirs.spread:.1f}'}{names}",
        "runs": f"{0 if row is None else row.runs} of {pair.planned}",
    }
    if row is None:
        return dict.fromkeys(COLUMNS, "") | cells | {"ours": "-"}
    best = row.untrained
    return cells | {
        "ours": f"{row.accuracy:.1f} ± {row.interval:.1f}{' *' if _not_better(pair) else ''}",
        "spread": "" if row.spread is None else f"{row.spread:.1f}",
        "val": "" if row.validation is None else f"{row.validation:.1f}",
        "untrained": "" if best is None else f"{best.accuracy:.1f} ± {best.interval:.1f} ({best.recipe})",
        "gap": f"{pair.gap:+.1f}{' !' if pair.outside else ''}",
    }


def _numbers(pair: Pair) -> dict[str, object]:
    theirs, row = pair.published, pair.row
    numbers: dict[str, object] = {
        **{key: getattr(theirs, key) for key in ("split", "method", "backbone", "way", "shot", "novel_names")},
        "paper": theirs.accuracy,
        "paper_spread": theirs.spread,
        "planned": pair.planned,
        "left_out": pair.left_out,
    }
    if row is None:
        return numbers
    ours = {"ours": row.accuracy, "our_backbone": row.backbone, "gap": pair.gap, "outside": pair.outside}
    numbers |= ours | {key: getattr(row, key) for key in ("interval", "spread", "runs", "validation")}
    if row.untrained is not None:
        best = row.untrained
        numbers |= {"untrained": best.accuracy, "untrained_recipe": best.recipe}
        numbers |= {"gain": best.gain, "gain_interval": best.gain_interval}
    return numbers


def _not_better(pair: Pair) -> bool:
    return pair.row is not None and pair.row.untrained is not None and not pair.row.untrained.beaten


def _backbones(pair: Pair) -> str:
    """The paper's backbone, and ours where it is another one."""
    ours = pair.row.backbone if pair.row is not None else pair.published.backbone
    return ours if ours == pair.published.backbone else f"{pair.published.backbone}, ours {ours}"


def _name(pair: Pair) -> str:
    row = pair.published
    return f"{row.method} {row.backbone} {row.split} {row.way}w{row.shot}s"
