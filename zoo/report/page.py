"""The page of one run or of several: one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manifests.layout import Layout
from manifests.text import plain
from zoo.report import cells, sections
from zoo.report.contents import Contents
from zoo.report.html import Markup, data, element, join, script, stylesheet

HERE = Path(__file__).parent
VIEWER = HERE.parents[1] / "prep" / "viewer"
SCRIPTS = (VIEWER / "skeleton.js", VIEWER / "arrows.js", HERE / "player.js", HERE / "cells.js")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(runs: Sequence[Contents]) -> str:
    """The page; two runs are compared on the tasks that both answered. Raises PairError where these differ."""
    title = " and ".join(f"{run.result.recipe} on {run.result.split}" for run in runs)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        stylesheet((HERE / "page.css").read_text(encoding="utf-8")),
    )
    together = [sections.gains(runs[0], runs[1])] if len(runs) == 2 else []
    bodies = [_run(run, f"run{number}", len(runs) > 1) for number, run in enumerate(runs, 1)]
    control = element("button", "Pause", type="button", id="play")
    main = element("main", element("header", element("h1", title), control), together, bodies)
    code = "\n".join(file.read_text(encoding="utf-8") for file in SCRIPTS)
    clips = data("clips", {f"run{number}": _played(run) for number, run in enumerate(runs, 1)})
    body = element("body", main, clips, script(code))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _run(run: Contents, key: str, several: bool) -> Markup:
    title = [element("h2", f"Run {key.removeprefix('run')}: {run.result.recipe}", class_="run")] if several else []
    above = join((sections.headline(run), sections.training(run), sections.matrix(run, key)))
    above = join((above, sections.each_class(run), sections.pairs(run)))
    below = join((sections.choices_made(run), sections.costs(run)))
    return element("div", title, above, sections.mistakes(run, key), below, id=key)


def _played(run: Contents) -> dict[str, Any]:
    """The clips of a run, the skeleton that they share, and the cells of its confusion matrix, for the script."""
    clips = {str(clip): played.record() for clip, played in run.clips.items()}
    index = {played.name: clip for clip, played in run.clips.items()}
    layout = run.layout
    skeleton = {"parts": _parts(layout) if layout else [], "up": layout.up if layout else []}
    found = {"cells": cells.record(run.cells, index), "viewer": plain(run.viewer)}
    return {**skeleton, "clips": clips, "classes": [plain(name) for name in run.names], **found}


def _parts(layout: Layout) -> list[tuple[int, int]]:
    """The bones as pairs (parent, child)."""
    return [(parent, child) for child, parent in layout.bones]
