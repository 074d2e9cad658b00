"""The confusion matrix of a page as a table whose cells open their query clips, and which of these the page carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.confusion_matrix import CellClips, cells_of
from zoo.drawing import colours
from zoo.report.answers import Answers
from zoo.report.clips import PlayedClip
from zoo.report.html import Markup, element
from zoo.report.tally import labels_of

PLAYED = 4  # clips of a cell that are played
FRAMES = 24  # of such a clip
ROOM = 2_400_000  # characters of all clips of cells in a page


def cells_of_answers(answers: Answers, names: Sequence[str]) -> tuple[CellClips, ...]:
    """The cells of answers, over the labels of `labels_of`; `names` are those of the store's clips."""
    labels = labels_of(answers)
    true, given = np.searchsorted(labels, answers.true).tolist(), np.searchsorted(labels, answers.given).tolist()
    return cells_of((i, j, names[clip]) for i, j, clip in zip(true, given, answers.query.tolist(), strict=True))


def clips_to_play(
    cells: Sequence[CellClips], carried: Sequence[str], load: Callable[[str], PlayedClip | None], room: int
) -> dict[str, PlayedClip]:
    """The clips, by name, that a page carries for its cells beside those that it carries anyway.

    In each round every cell that plays no clip of its own yet (then one, two ...) gets one more, mistakes before right
    answers and large counts before small ones, until `room` characters are full. `load` returns None for a clip that
    the store has not got.
    """
    found, known, used = dict[str, PlayedClip](), set(carried), 0
    order = sorted(cells, key=lambda cell: (cell.true == cell.answered, -sum(cell.clips.values())))
    for number in range(PLAYED):
        for cell in order:
            others = [name for name in cell.clips if name not in known]
            if len(cell.clips) - len(others) > number or not others:
                continue
            clip = load(others[0])
            known.add(others[0])
            if clip is None:
                continue
            used += clip.size
            if used > room:
                return found
            found[others[0]] = clip
    return found


def record(cells: Sequence[CellClips], index: dict[str, int]) -> dict[str, Any]:
    """The cells as a JSON value, by "row-column": their number of clips, and those that are carried with their times.

    `index` has the numbers of the carried clips by name.
    """
    return {
        f"{cell.true}-{cell.answered}": {
            "distinct": cell.distinct,
            "clips": [[index[name], times] for name, times in cell.clips.items() if name in index][:PLAYED],
        }
        for cell in cells
    }


def grid(
    shares: NDArray[np.float64], times: NDArray[np.int64], queries: NDArray[np.int64], names: Sequence[str], key: str
) -> Markup:
    """The matrix as a table, rows true classes. A cell with answers is a button; its number is a share in percent."""
    head = element("tr", element("td"), (element("th", element("span", name), scope="col") for name in names))
    shades = colours(shares)
    rows = []
    for i, name in enumerate(names):
        cells = []
        for j, other in enumerate(names):
            if not queries[i, j]:
                cells.append(element("td"))
                continue
            ink = "white" if shares[i, j] < 0.5 else "black"
            look = {"style": f"background:{shades[i][j]};color:{ink}"}
            what = "answered rightly" if i == j else f"taken for {other}"
            words = f"{name} {what}: {100 * shares[i, j]:.1f} %, {times[i, j]:,} of {queries[i, j]:,} queries"
            number = f"{100 * shares[i, j]:.0f}"
            inner = element("button", number, type="button", data_cell=f"{i}-{j}", aria_label=words)
            cells.append(element("td", inner if times[i, j] else "", **look))
        rows.append(element("tr", element("th", name, scope="row"), cells))
    table = element("table", element("thead", head), element("tbody", rows), class_="confusion", data_run=key)
    panel = element("div", class_="cell", role="region", aria_live="polite", aria_label="Clips of the chosen cell")
    return element("div", element("div", table, class_="wide"), panel, class_="matrix")
