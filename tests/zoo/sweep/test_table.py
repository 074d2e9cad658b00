"""Tables as text, Markdown and CSV."""

from __future__ import annotations

from dataclasses import replace

from manifests.tables import Published
from zoo.sweep.compare import Row, Untrained
from zoo.sweep.table import NOT_BETTER, NOVEL_NAMES, OTHER_QUERIES, OUTSIDE, as_csv, as_markdown, columns, text

PAPER = Published("P", "Table 1", "demo", "demo", "protonet", "stgcn", 5, 1, 75.0, 1.5, "source")
ROW = Row(
    split="demo",
    recipe="protonet",
    backbone="stgcn",
    way=5,
    shot=1,
    runs=3,
    accuracy=71.23,
    interval=1.2,
    spread=1.06,
    validation=80.0,
    untrained=Untrained("geometry", 70.5, 0.5, gain=0.73, gain_interval=1.0),
    differs={},
    papers=(PAPER,),
)


def test_a_row_in_words() -> None:
    assert columns(ROW) == {
        "split": "demo",
        "recipe": "protonet",
        "backbone": "stgcn",
        "task": "5w1s",
        "runs": "3",
        "ours": "71.2 ± 1.2 *",
        "spread": "1.1",
        "val": "80.0",
        "untrained": "70.5 ± 0.5 (geometry)",
        "paper": "75.0 ± 1.5 (stgcn, Table 1)",
        "gap": "-3.8 !",
    }


def test_marks_have_a_legend_and_only_those_that_are_used() -> None:
    shown = text([ROW])
    assert NOT_BETTER in shown
    assert OUTSIDE in shown
    assert NOVEL_NAMES not in shown
    plain = text([replace(ROW, untrained=None, papers=(replace(PAPER, spread=None, novel_names=True),))])
    assert "*" not in plain
    assert OUTSIDE not in plain
    assert NOVEL_NAMES in plain
    named = replace(ROW, novel_names=True, papers=())
    assert columns(named)["ours"] == "71.2 ± 1.2 * n"
    assert NOVEL_NAMES in text([named])
    transductive = replace(ROW, other_queries=True, papers=())
    assert columns(transductive)["ours"] == "71.2 ± 1.2 * q"
    assert OTHER_QUERIES in text([transductive])
    assert OTHER_QUERIES not in text([named])


def test_settings_are_below_the_row_and_empty_columns_are_left_out() -> None:
    bare = replace(ROW, validation=None, untrained=None, papers=(), spread=None, differs={"seed": "1"})
    head, line, below, *_ = text([bare]).splitlines()
    assert head.split() == ["split", "recipe", "backbone", "task", "runs", "ours"]
    assert line.startswith("demo   protonet  stgcn     5w1s  3     71.2 ± 1.2")
    assert below == "    seed=1"


def test_names_from_outside_cannot_break_a_table() -> None:
    assert as_markdown([{"a": "x|y\n<b>"}], ["a"]).splitlines()[2] == "| x\\|y\\\\x0a&lt;b&gt; |"
    assert as_csv([{"a": 'x,"y"'}], ["a"]) == 'a\n"x,""y"""\n'
