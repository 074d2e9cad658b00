"""The parts of a run's page, each made from its contents."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from zoo.drawing import as_bytes
from zoo.report import cells
from zoo.report.charts import draw_curves
from zoo.report.contents import Contents, settings
from zoo.report.html import Markup, element, facts, image, table
from zoo.report.tally import (
    ClassAccuracy,
    class_gains,
    most_confused,
    paired_difference,
    share,
)

HARDEST, PAIRS = 10, 20
BAR = 120  # pixels of 100 %


def headline(run: Contents) -> Markup:
    """Accuracy with interval, chance, the best untrained recipe, and the paper's number with the gap."""
    result = run.result
    assert result.accuracy is not None
    task = f"{result.way}-way {result.shot}-shot"
    number = element("p", f"{result.accuracy:.2f} % ± {result.interval or 0:.2f}", class_="number")
    rows = [("95 % interval over", f"{result.episodes:,} tasks, {result.queries:,} queries")]
    rows += [("chance", f"{100 / result.way:.1f} %"), *_untrained(run), *_papers(run)]
    if result.validation is not None:
        rows.append(("best validation", f"{result.validation:.2f} %"))
    warnings = [element("p", f"Warning: {words}.", class_="warning") for words in result.warnings]
    what = f"{run.recipe.title}. {result.method} on {result.backbone}, {result.split}, {task}"
    return element("section", element("p", what, class_="what"), number, facts(rows), warnings)


def training(run: Contents) -> Markup:
    """The curves, or a sentence where nothing was trained."""
    if "curve/done" not in run.curve:
        return _section("Training", element("p", "This run was not trained, so it has no curves."))
    words = "Loss and its parts, training and validation accuracy over the episodes or clips trained"
    return _section("Training", image(as_bytes(draw_curves(run.curve), "png"), words))


def matrix(run: Contents, key: str) -> Markup:
    """The confusion matrix; a cell plays its query clips."""
    if not run.labels:
        return _absent("Confusion", run)
    words = (
        "Rows are true classes, columns answers; numbers are percent of the queries in tasks with both. "
        "A cell plays its query clips below the table. The arrow keys move between cells, Enter chooses one."
    )
    shares = share(run.times, run.queries)
    return _section("Confusion", element("p", words), cells.grid(shares, run.times, run.queries, run.names, key))


def each_class(run: Contents) -> Markup:
    """Accuracy of each class, the hardest first."""
    if not run.labels:
        return _absent("Classes", run)
    found = run.classes
    order = np.argsort(found.accuracy, kind="stable")
    rows = [_class_row(found, run.names[place], int(place)) for place in order]
    hardest = ", ".join(run.names[place] for place in order[:HARDEST])
    note = f"The hardest classes come first. Intervals are 95 %, over {found.over}."
    listed = [element("p", "Hardest: ", element("b", hardest))] if len(order) > HARDEST else []
    head = ("class", "accuracy", "interval", "", "queries")
    return _section("Classes", element("p", note), listed, table(head, rows))


def pairs(run: Contents) -> Markup:
    """The pairs of classes that are confused most."""
    if not run.labels:
        return _absent("Confused pairs", run)
    rows = [
        (run.names[row], run.names[column], f"{100 * count / asked:.1f} %", f"{count:,} of {asked:,}")
        for row, column, count, asked in most_confused(run.times, run.queries, PAIRS)
    ]
    if not rows:
        return _section("Confused pairs", element("p", "No query was answered wrongly."))
    head = ("class", "taken for", "share", "queries in tasks with both")
    return _section("Confused pairs", table(head, rows))


def mistakes(run: Contents, key: str) -> Markup:
    """The most certain mistakes, each with three clips that play: query, support of the answer, right support."""
    answers, blocks = run.answers, []
    if answers is None:
        return _absent("Most certain mistakes", run)
    for place in run.mistakes:
        true, given = run.name(int(answers.true[place])), run.name(int(answers.given[place]))
        chance = 1 / (1 + math.exp(-min(float(answers.certainty[place]), 700)))
        clips = (
            ("query: ", true, answers.query[place]),
            ("taken for: ", given, answers.support_given[place]),
            ("should be: ", true, answers.support_true[place]),
        )
        figures = [_player(run, key, int(clip), f"{word}{name}") for word, name, clip in clips]
        title = element(
            "h3", element("b", true), " taken for ", element("b", given), f", certain to {100 * chance:.2f} %"
        )
        blocks.append(element("article", title, element("div", figures, class_="clips")))
    if not blocks:
        return _section("Most certain mistakes", element("p", "No query was answered wrongly."))
    note = (
        "Certainty is the softmax of the scores. A support clip is the first shot of its class in that task. "
        "Drag a skeleton to turn it."
    )
    return _section("Most certain mistakes", element("p", note), blocks)


def choices_made(run: Contents) -> Markup:
    """Where the paper is silent, and every setting of the recipe."""
    items = [element("li", text) for text in run.silent]
    if items:
        said = element("ul", items)
    else:
        said = element("p", "No choice of this project is recorded for the tables of this recipe.")
    rows = settings(run.recipe)
    whole = element("details", element("summary", f"All {len(rows)} settings"), table(("key", "value"), rows))
    return _section("Choices where the paper is silent", said, whole)


def costs(run: Contents) -> Markup:
    """Time and memory, and provenance."""
    where = ("run", str(run.path))
    return element(
        "div",
        _section("Time and memory", facts(run.spent)),
        _section("Provenance", facts([where, *run.provenance])),
    )


def gains(first: Contents, second: Contents) -> Markup:
    """`second` against `first` on the same tasks: the paired difference, and the gain of every class."""
    for run in (first, second):
        if run.answers is None:
            return _absent("Paired difference", run)
    assert first.answers is not None
    assert second.answers is not None
    difference = paired_difference(second.answers, first.answers)
    found = class_gains(second.answers, first.answers)
    order = np.argsort(-found.accuracy, kind="stable")
    before, after = first.classes, second.classes
    rows = [
        (
            second.names[place],
            f"{100 * before.accuracy[place]:.1f} %",
            f"{100 * after.accuracy[place]:.1f} %",
            f"{100 * found.accuracy[place]:+.1f}",
            _points(100 * found.low[place], 100 * found.high[place]),
        )
        for place in order
    ]
    number = f"{100 * difference.mean:+.2f} ± {100 * difference.interval:.2f} points"
    words = f"Accuracy of run 2 minus run 1 on the same tasks; 95 % interval over {difference.over}, paired."
    head = ("class", "run 1", "run 2", "gain", "95 % interval")
    return _section("Paired difference", element("p", number, class_="number"), element("p", words), table(head, rows))


def _section(title: str, *children: str | Iterable[str]) -> Markup:
    return element("section", element("h2", title), *children)


def _absent(title: str, run: Contents) -> Markup:
    """A section that would need the store of a run, which is gone."""
    words = f"Not shown, since the store of this run was not opened: {run.absent}."
    return _section(title, element("p", f"{words} Make the report again with that store."))


def _untrained(run: Contents) -> list[tuple[str, str]]:
    result = run.result
    if result.untrained is None or result.accuracy is None:
        return []
    better = "" if result.beats_untrained else " (not more than the interval)"
    gain = f"gain {result.accuracy - result.untrained:+.2f} ± {result.gain_interval or 0:.2f}{better}"
    return [(f"best untrained: {result.untrained_recipe}", f"{result.untrained:.2f} %, {gain}")]


def _papers(run: Contents) -> list[tuple[str, str]]:
    if not run.row.papers:
        return [("paper", "no published row has this recipe, split, way and shot")]
    lines = []
    for paper in run.row.papers:
        spread = "" if paper.spread is None else f" ± {paper.spread:.1f}"
        gap = f"gap {run.row.accuracy - paper.accuracy:+.1f}"
        where = f"{paper.paper}, {paper.table}, {paper.backbone}"
        lines.append((where, f"{paper.accuracy:.1f} %{spread}, {gap}"))
    return lines


def _class_row(found: ClassAccuracy, name: str, place: int) -> tuple[str, ...]:
    value, low, high = (100 * float(part[place]) for part in (found.accuracy, found.low, found.high))
    ends = _points(low, high)
    return name, f"{value:.1f} %", ends, _bar(value, low, high), f"{int(found.queries[place]):,}"


def _points(low: float, high: float) -> str:
    return f"{low:.1f} to {high:.1f}" if math.isfinite(low + high) else "too few queries"


def _bar(value: float, low: float, high: float) -> Markup:
    """A bar from 0 to `value` with a line over its interval, all in percent."""
    scale = BAR / 100
    bar = element("rect", width=f"{max(0.0, value) * scale:.1f}", height="10", class_="bar")
    ends = {"x1": f"{low * scale:.1f}", "x2": f"{high * scale:.1f}"}
    line = element("line", **ends, y1="5", y2="5", class_="interval")
    return element("svg", bar, line, width=str(BAR), height="10", role="img", aria_label=f"{value:.0f} %")


def _player(run: Contents, key: str, clip: int, words: str) -> Markup:
    name = run.clips[clip].name
    canvas = element(
        "canvas",
        width="200",
        height="200",
        data_run=key,
        data_clip=str(clip),
        role="img",
        aria_label=f"{words}, {name}",
    )
    return element("figure", canvas, element("figcaption", words, element("small", name)))
