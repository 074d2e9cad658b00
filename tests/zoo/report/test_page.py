"""The page of a run: well-formed, self-contained, every text escaped, its numbers those of the arrays beside it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.finished_run import CPU, Finished, finished, toy_store

from prep.confusion_matrix import CellClips
from prep.progress import result
from zoo.report import sections
from zoo.report.cells import PLAYED, clips_to_play
from zoo.report.charts import curves
from zoo.report.contents import Contents, ReportError, contents_of, joined, spent
from zoo.report.html import VOID, element, script, table
from zoo.report.page import page
from zoo.runs.confusion_matrix import FILE, read_matrix
from zoo.runs.cost import Cost, Gauge, metered
from zoo.runs.result import Result
from zoo.runs.run import Run

NASTY = ("<script>alert(1)</script>", "a\x1b[2Jb", "line\nbreak", "q\"uo'te & <b>", "\u202egnp", "</script><img src=x>")


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in its turn; attributes and texts are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), "an attribute is given twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] == "script" and "id" in self.tags[-1][1]:
            self.data[str(self.tags[-1][1]["id"])] = text
        elif self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(text)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def contents(demo_run: Finished) -> Contents:
    return result(contents_of(*demo_run, CPU))


@pytest.fixture(scope="module")
def html(contents: Contents) -> str:
    """The page of the run, drawn once."""
    return page([contents])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are four bytes: what is drawn does not matter to the test."""
    monkeypatch.setattr(sections, "as_bytes", lambda figure, kind: b"\x89PNG")


def test_the_page_of_a_run_has_every_part(contents: Contents, html: str) -> None:
    reader = read(html)
    words = " ".join(reader.texts)
    accuracy = contents.result.accuracy
    assert accuracy is not None
    for expected in (f"{accuracy:.2f} %", "chance", "20.0 %", "best untrained", "paper", contents.result.store_digest):
        assert expected in words
    titles = [text for text in reader.texts if text in ("Training", "Confusion", "Classes", "Confused pairs")]
    assert len(titles) == 4
    canvases = [attributes for tag, attributes in reader.tags if tag == "canvas"]
    assert len(canvases) == 3 * len(contents.mistakes) > 0
    run = json.loads(reader.data["clips"])["run1"]
    assert {attributes["data-clip"] for attributes in canvases} <= set(run["clips"])
    buttons = {attributes["data-cell"]: attributes for _, attributes in reader.tags if "data-cell" in attributes}
    assert set(buttons) == set(run["cells"]) == {f"{cell.true}-{cell.answered}" for cell in contents.cells}
    for place, cell in run["cells"].items():
        i, j = map(int, place.split("-"))
        wanted = {name for one in contents.cells if (one.true, one.answered) == (i, j) for name in one.clips}
        assert {run["clips"][str(clip)]["name"] for clip, _ in cell["clips"]} <= wanted
        assert len(cell["clips"]) == min(PLAYED, len(wanted))
        assert f"{contents.times[i, j]:,} of {contents.queries[i, j]:,} queries" in str(buttons[place]["aria-label"])
    assert run["viewer"].endswith(f"demo.zarr --confusion {contents.path / FILE}")
    assert all(attributes.get("alt") for tag, attributes in reader.tags if tag == "img")
    assert len(html) < 5e6


def test_nothing_is_fetched_from_anywhere(html: str) -> None:
    assert not re.search(r"https?://|//[a-z]+\.", html)
    reader = read(html)
    linked = [value for _, attrs in reader.tags for name, value in attrs.items() if name in ("src", "href")]
    assert linked
    assert all(str(value).startswith("data:image/png;base64,") for value in linked)
    (policy,) = (attrs["content"] for tag, attrs in reader.tags if attrs.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'")


@pytest.mark.usefixtures("undrawn")
def test_names_from_outside_are_text(contents: Contents, html: str) -> None:
    names = (*NASTY, *contents.names)[: len(contents.names)]
    clips = {key: replace(clip, name=NASTY[0]) for key, clip in contents.clips.items()}
    strange = replace(contents, names=names, clips=clips, path=Path(NASTY[5]))
    plain, strange_html = read(html), page([strange])
    reader = read(strange_html)
    assert [tag for tag, _ in reader.tags] == [tag for tag, _ in plain.tags]
    assert json.loads(reader.data["clips"])["run1"]["classes"][1] == "a\\x1b[2Jb"
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", strange_html)
    assert NASTY[0] in reader.texts
    assert "line\\x0abreak" in reader.texts


def test_the_arrays_beside_are_those_of_plain_loops(contents: Contents) -> None:
    arrays, answers = joined([contents]), contents.answers
    for place, label in enumerate(contents.labels):
        mine = answers.true == label
        expected = float(np.mean(answers.given[mine] == label))
        assert arrays["run1/accuracy"][place] == pytest.approx(expected, abs=1e-12)
        assert arrays["run1/times"][place].sum() == mine.sum()
    assert arrays.labels["run1/true"] == contents.names
    assert arrays["run1/curve/done"][-1] == 24
    np.testing.assert_array_equal(arrays["run1/answers/given"], answers.given)


@pytest.mark.usefixtures("undrawn")
def test_two_runs_are_compared_on_the_same_tasks(contents: Contents) -> None:
    wrong = replace(contents.answers, given=np.roll(contents.answers.given, 1))
    compared(contents, replace(contents, answers=wrong))


@pytest.mark.slow
def test_two_methods_are_compared_on_the_same_tasks(demo_run: Finished, contents: Contents) -> None:
    run, store = demo_run
    compared(contents, result(contents_of(finished(run.path.parent, store, "dtw"), store, CPU)))


def compared(contents: Contents, second: Contents) -> None:
    """Check the page of two runs."""
    words = " ".join(read(page([contents, second])).texts)
    difference = 100 * float(np.mean(second.answers.right) - np.mean(contents.answers.right))
    assert f"{difference:+.2f} ±" in words
    assert "Paired difference" in words
    assert {"run1/accuracy", "run2/accuracy"} <= set(joined([contents, second]))


@pytest.mark.usefixtures("undrawn")
def test_a_run_without_training_or_mistakes_says_so(contents: Contents) -> None:
    right = replace(contents.answers, given=contents.answers.true)
    times = np.diag(contents.times.sum(1))
    perfect = replace(contents, curve=curves([]), answers=right, times=times, mistakes=(), clips={})
    words = " ".join(read(page([perfect])).texts)
    assert "This run was not trained, so it has no curves." in words
    assert words.count("No query was answered wrongly.") == 2


@pytest.mark.usefixtures("undrawn")
def test_a_run_whose_store_is_gone_has_a_page_without_clips(demo_run: Finished, contents: Contents) -> None:
    gone = result(contents_of(demo_run[0], None, CPU, "no store of demo <b>"))
    reader = read(page([gone]))
    words = " ".join(reader.texts)
    assert f"{contents.result.accuracy:.2f} %" in words
    assert words.count("the store of this run was not opened: no store of demo <b>.") == 1
    assert not any(tag == "canvas" for tag, _ in reader.tags)
    np.testing.assert_array_equal(gone.times, contents.times)
    np.testing.assert_allclose(gone.classes.accuracy, contents.classes.accuracy)
    assert gone.names == contents.names
    assert "run1/answers/given" not in joined([gone])
    assert "Paired difference" in " ".join(read(page([contents, gone])).texts)


@pytest.mark.usefixtures("undrawn")
def test_without_store_and_matrix_the_page_has_curves_and_the_headline(demo_run: Finished, tmp_path: Path) -> None:
    for name in ("recipe.toml", "result.json", "log.csv"):
        (tmp_path / name).write_bytes((demo_run[0].path / name).read_bytes())
    bare = result(contents_of(Run(tmp_path), None, CPU, "gone"))
    words = " ".join(read(page([bare])).texts)
    assert words.count("was not opened: gone.") == 4
    assert joined([bare])["run1/accuracy"].shape == (0,)


def with_matrix(finished: Finished, folder: Path, changes: dict[str, object]) -> Contents:
    """The contents of a copy of a run in whose confusion.json some keys are changed."""
    run, store = finished
    for file in run.path.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    content = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps(content | changes))
    return result(contents_of(Run(folder), store, CPU))


def test_the_matrix_is_counted_where_confusion_json_is_missing_or_anothers(
    demo_run: Finished, contents: Contents, tmp_path: Path
) -> None:
    again = with_matrix(demo_run, tmp_path, {"weights_digest": "another"})
    np.testing.assert_array_equal(again.times, contents.times)
    np.testing.assert_array_equal(again.queries, contents.queries)
    assert (again.labels, again.names) == (contents.labels, contents.names)


def test_without_clips_in_confusion_json_cells_are_those_of_the_answers(
    demo_run: Finished, contents: Contents, tmp_path: Path
) -> None:
    run, again = demo_run[0], with_matrix(demo_run, tmp_path, {"cells": []})
    assert (again.cells, again.viewer) == (contents.cells, "")
    assert again.cells == read_matrix(run.path, contents.result).cells


def test_clips_of_cells_are_those_of_mistakes_first_and_fill_the_room_that_is_given(contents: Contents) -> None:
    clip = next(iter(contents.clips.values()))
    cells = (
        CellClips(0, 0, 9, {f"a{n}": 9 - n for n in range(9)}),
        CellClips(0, 1, 2, {"b": 2, "a0": 1}),
        CellClips(1, 0, 1, {"c": 1}),
    )
    everything = clips_to_play(cells, ["c"], lambda name: replace(clip, name=name), 10**9)
    assert list(everything) == ["b", "a0", "a1", "a2", "a3"]
    assert list(clips_to_play(cells, [], lambda name: clip, 2 * clip.size)) == ["b", "c"]
    assert clips_to_play(cells, [], lambda name: clip, clip.size - 1) == {}
    assert "b" not in clips_to_play(cells, [], lambda name: None if name == "b" else clip, 10**9)


def test_another_store_than_the_runs_is_not_shown(demo_run: Finished, tmp_path: Path) -> None:
    other = toy_store(tmp_path, separable=0.5)
    found = result(contents_of(demo_run[0], other, CPU))
    assert found.answers is None
    assert "demo.zarr is another store (digest " in found.absent


@pytest.mark.usefixtures("undrawn")
def test_time_and_memory_are_shown_where_they_were_measured(demo_run: Finished, tmp_path: Path) -> None:
    run, _ = demo_run
    old = dict(spent(run, contents_result(run), 10))
    assert "pauses included" in old["from recipe.toml to result.json"]
    for name in ("recipe.toml", "result.json"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    with metered(tmp_path, gauge(75.0, 2_500_000_000, 1_000_000_000)):
        pass
    shown = dict(spent(Run(tmp_path), contents_result(run), None))
    assert shown["time"] == "1 min 15 s on toy, training and test"
    assert shown["peak memory"] == "2.50 GB of the process"
    assert shown["peak memory of the device"] == "1.00 GB"


def contents_result(run: Run) -> Result:
    """The result of a finished run."""
    found = run.result()
    assert found is not None
    return found


def gauge(seconds: float, memory: int, device_memory: int) -> Gauge:
    """A gauge that shows 0 seconds, then these."""
    shown = iter((0.0, seconds))
    return lambda: Cost(next(shown), memory, device_memory, "toy")


def test_a_run_that_is_not_finished_is_refused(demo_run: Finished, tmp_path: Path) -> None:
    run, store = demo_run
    (tmp_path / "recipe.toml").write_text((run.path / "recipe.toml").read_text())
    with pytest.raises(ReportError, match="unfinished at 0 of 24. Run the same `fszoo train` again; it continues"):
        result(contents_of(Run(tmp_path), store, CPU))


def test_the_number_of_a_mistake_that_is_certain_is_finite(contents: Contents) -> None:
    certain = np.full_like(contents.answers.certainty, math.inf)
    run = replace(contents, answers=replace(contents.answers, certainty=certain))
    assert "certain to 100.00 %" in sections.mistakes(run, "run1")


def test_elements_escape_and_code_cannot_end_its_element() -> None:
    assert element("p", "<i>", title='"<') == '<p title="&quot;&lt;">&lt;i&gt;</p>'
    assert '<th scope="row">&lt;</th>' in table(("a",), [("<",)])
    with pytest.raises(ValueError, match="ends its element"):
        script("let a = '</script>'")
