"""fszoo bench: a published table with ours beside it, in three formats, and nothing left out silently."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.stores import make_store
from helpers.sweeps import SETTINGS, words

from manifests import facts, tables
from manifests.strict import InvalidValue
from manifests.tables import Published, read_notes
from zoo.runs.result import Result
from zoo.sweep.bench import Pair, choices, entries, notes, reason_left_out, reductions, select
from zoo.sweep.bench_table import Bench, as_text, columns, to_json, to_markdown
from zoo.sweep.compare import compare
from zoo.sweep.setup import Setup

TABLE = "Cross-modal Table V"


@pytest.fixture
def few_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only three recipes, so that rows of others are left out."""
    monkeypatch.setattr("zoo.sweep.bench.shipped", lambda: ("dtw", "protonet", "crossmodal"))


@pytest.fixture
def ucla(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a small synthetic store of NW-UCLA's shape."""
    home = tmp_path / "home"
    (home / "stores").mkdir(parents=True)
    make_store(home / "stores" / "nw_ucla-ctrgcn.zarr", clips_per_class=6, name="nw_ucla", preprocessing="ctrgcn")
    monkeypatch.setenv("FSPREP_HOME", str(home))
    return home


def bench(*more: str) -> list[str]:
    return ["fszoo", "bench", TABLE, "--quick", *words(SETTINGS), *more]


@pytest.mark.usefixtures("few_recipes")
def test_a_table_beside_the_papers_in_three_formats(shell, ucla: Path, tmp_path: Path) -> None:
    done = shell(bench("--only", "shot=1", "--out", str(tmp_path)))
    assert done.exit_code == 0, done.output
    assert "left out, no recipe `sl_dml`: sl_dml resnet18 nw_ucla 5w1s" in done.stdout
    assert "nw_ucla-ctrgcn.zarr: has no embedding `xclip`" in done.stdout
    assert "known: nw_ucla: The paper names its exemplars in an appendix that is not public." in done.stdout
    page = (tmp_path / "cross_modal_table_v_quick.md").read_text()
    assert "| nw_ucla | protonet | agcn, ours tiny_backbone | 5w1s | 73.6 | " in page
    assert "- no recipe \\`sl_dml\\`: sl_dml resnet18 nw_ucla 5w1s" in page
    record = json.loads((tmp_path / "cross_modal_table_v_quick.json").read_text())
    ours = {row["published"]["method"]: row for row in record["rows"]}
    assert ours["protonet"]["ours"]["runs"] == ours["protonet"]["planned"] == 2
    assert ours["protonet"]["gap"] == pytest.approx(ours["protonet"]["ours"]["accuracy"] - 73.6)
    assert ours["sl_dml"]["left_out"] == "no recipe `sl_dml`"
    lines = (tmp_path / "cross_modal_table_v_quick.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == len(record["rows"]) == 8
    assert float(rows[3]["ours"]) == ours["protonet"]["ours"]["accuracy"]


@pytest.mark.slow
def test_quick_says_in_every_output_what_it_left_out(shell, ucla: Path, tmp_path: Path) -> None:
    done = shell(bench("--only", "shot=1", "--only", "method=protonet", "--out", str(tmp_path)))
    assert done.exit_code == 0, done.output
    line = "protonet on nw_ucla: 6 of 500 episodes, 2 of 10 exemplar draws, 2 of 20 class splits"
    outputs = [done.stdout, *(file.read_text() for file in tmp_path.glob("cross_modal_table_v_quick.*"))]
    assert len(outputs) == 4
    assert all(line in output for output in outputs)
    assert all("QUICK" in output for output in outputs if not output.startswith("{"))


def test_without_a_store_the_row_is_left_out_with_the_command_that_builds_it(shell, home: Path) -> None:
    done = shell(bench("--only", "method=dtw", "--json"))
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert all("Build it: `fsprep build nw_ucla`" in row["left_out"] for row in record["rows"])
    assert Path(record["files"][0]) == home / "tables" / "cross_modal_table_v_quick.md"


def test_without_a_name_the_tables_are_listed(shell, home: Path) -> None:
    counts = json.loads(shell("fszoo bench --json").stdout)
    assert counts["DASTM Table 1"]["rows"] == 72
    assert 27 <= counts["DASTM Table 1"]["runnable"] <= 72
    reason = "X-Florence cannot be run: neither its model nor its weights are public"
    assert counts["Cross-modal Table XII"] == {"rows": 9, "runnable": 6, "left_out": {reason: 3}}
    shown = shell("fszoo bench").stdout
    assert "Cross-modal Table V " in shown
    assert f"  3 left out: {reason}" in shown


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["DASTM Table 9"], "`DASTM Table 9` is not a published table. Did you mean `DASTM Table 2`?"),
        ([TABLE, "--only", "shots=1"], "--only shots=1: `shots` is not a key of a row. Did you mean `shot`?"),
        ([TABLE, "--only", "method=protont"], "no such row in Cross-modal Table V. Did you mean `protonet`?"),
        ([TABLE, "--only", "shot"], "`shot` is not NAME=VALUE."),
        ([TABLE, "--set", "task.shott=1"], "Did you mean `shot`?"),
        ([TABLE, "--data", "nw_ucl"], "`nw_ucl` is not one of the splits. Did you mean `nw_ucla`?"),
        ([TABLE, "--class-splits", "21"], "--class-splits 21: nw_ucla has 20 class splits. Take a smaller number"),
        ([TABLE, "--seeds", "0"], "0 is not in the range x>=1"),
    ],
)
def test_refusals(shell, home: Path, line: list[str], text: str) -> None:
    done = shell(["fszoo", "bench", *line])
    assert done.exit_code == 2
    assert text in done.stderr


def test_a_row_is_the_method_on_its_split_with_the_papers_backbone_shot_and_runs() -> None:
    _, rows = select("dastm table 1", {"method": "dastm", "split": "ntu_t"})
    found = {entry.published.backbone: entry for entry in entries(rows)}
    recipes = [cell.recipe for cell in found["agcn"].cells]
    assert [recipe.seed for recipe in recipes] == [0, 1, 2]
    assert {(r.method.name, r.backbone.name, r.task.way, r.task.shot) for r in recipes} == {("dastm", "agcn", 5, 1)}
    assert [cell.values for cell in entries(rows, Setup(quick=True))[0].cells] == [{"seed": "0"}]


def test_a_split_with_class_splits_is_run_on_all_of_them() -> None:
    _, rows = select(TABLE, {"method": "protonet", "shot": "5"})
    (entry,) = entries(rows)
    assert [cell.recipe.data.class_split for cell in entry.cells] == list(range(20))
    small = Setup(quick=True)
    assert reductions(entries(rows, small), small)[0].endswith("2 of 20 class splits")
    assert reductions(entries(rows), Setup()) == []


def test_rows_without_a_recipe_or_backbone_and_other_ways_are_left_out() -> None:
    _, rows = select("Cross-modal Table VII", {"method": "dtw"})
    assert [entry.left_out for entry in entries(rows)] == [""] * 6
    row = Published("P", "T", "nw_ucla", "nw_ucla", "protonet", "agcn", 4, 1, 70.0, None, "s")
    assert entries([row])[0].left_out == "4-way, and nw_ucla has 5 novel classes"
    assert reason_left_out(replace(row, way=5, backbone="vgg")) == "no backbone `vgg`"
    assert reason_left_out(replace(row, way=5, left_out="not public")) == "not public"
    assert reason_left_out(replace(row, way=5, backbone="vgg"), Setup(["backbone.name=tcn"])) == ""


def test_a_recipe_that_does_not_fit_the_chosen_backbone_is_listed() -> None:
    _, rows = select("DASTM Table 1", {"method": "dropedge"})
    (entry,) = entries(rows, Setup(["backbone.name=tcn"], data="demo"))
    assert entry.left_out.startswith("dropedge needs a backbone with the option `drop_edges`: agcn")
    assert entry.cells == ()
    (entry,) = entries(rows, Setup(["backbone.name=stgcn"], quick=True, data="demo"))
    assert entry.cells[0].recipe.backbone.options["drop_edges"] == 4


def test_on_another_split_rows_that_differ_in_the_papers_data_are_one() -> None:
    _, rows = select("DASTM Table 1", {})
    found = entries(rows, Setup(["backbone.name=stgcn"], quick=True, data="nw_ucla"))
    assert [entry.published.method for entry in found][:2] == ["protonet", "dtw"]
    runnable = [entry for entry in found if not entry.left_out]
    assert all(len(entry.also) == 8 for entry in found)
    assert all(entry.published.backbone == "stgcn" for entry in found)
    assert {cell.recipe.data.split for entry in runnable for cell in entry.cells} == {"nw_ucla"}
    every = entries(rows, Setup(quick=True, data="nw_ucla"))
    assert {(entry.published.method, entry.published.backbone) for entry in every} == {
        (row.method, row.backbone) for row in rows
    }
    pair = Pair(found[0].published, split="nw_ucla", also=found[0].also)
    cells = columns(pair)
    assert cells["paper"] == "71.2 ± 1.5 ntu_t, 73.3 ± 0.3 ntu_s, 37.4 ± 0.4 kinetics"
    assert (cells["split"], cells["backbone"]) == ("nw_ucla", "stgcn")


def test_there_is_no_gap_on_other_data_and_one_on_the_papers() -> None:
    _, rows = select("DASTM Table 1", {"method": "protonet", "backbone": "stgcn"})
    (entry,) = entries(rows, Setup(quick=True, data="ntu_s"))
    assert entry.published.split == "ntu_s"
    recipe = entry.cells[0].recipe
    numbers = {"accuracy": 70.0, "interval": 1.0, "validation": None, "episodes": 1, "queries": 1, "trained": 1}
    facts_ = {"recipe": recipe.name, "split": "ntu_s", "method": "protonet", "backbone": "stgcn", "bodies": 1}
    where = {"class_split": 0, "way": 5, "shot": 1, "seed": 0, "test_seed": 0, "layout": "l", "preprocessing": "p"}
    digests = dict.fromkeys(("recipe_digest", "store_digest", "init_digest", "weights_digest"), "d")
    (row,) = compare([(recipe, Result(**numbers, **facts_, **where, **digests))])  # type: ignore[arg-type]
    assert Pair(entry.published, row, 1, split="ntu_s").gap == pytest.approx(70 - 73.3)
    other = Pair(entry.published, row, 1, split="demo")
    assert (other.gap, other.outside, columns(other)["gap"]) == (None, None, "")
    assert "papers" not in other.record()["ours"]
    five = Pair(entry.published, replace(row, shot=5), 1, split="ntu_s")
    assert five.gap is None
    assert columns(five)["task"] == "5w1s, ours 5w5s"


def test_backbone_options_and_the_numbers_of_runs_can_be_chosen() -> None:
    _, rows = select("DASTM Appendix Table 1", {})
    small = ["backbone.name=stgcn", "backbone.options.blocks=4"]
    found = entries(rows, Setup(small, data="nw_ucla", class_splits=3))
    assert [entry.published.recipe for entry in found] == ["protonet_blocks_4", "protonet_blocks_7", "protonet"]
    assert [entry.published.variant for entry in found] == ["mean blocks-4", "mean blocks-7", "mean blocks-10"]
    assert all(cell.recipe.backbone.options["blocks"] == 4 for entry in found for cell in entry.cells)
    assert [cell.recipe.data.class_split for cell in found[0].cells] == [0, 1, 2]
    both = entries(rows[:1], Setup(small, data="nw_ucla", class_splits=2, seeds=2))[0].cells
    assert [(cell.recipe.data.class_split, cell.recipe.seed) for cell in both] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(entries(rows[:1], Setup(seeds=5))[0].cells) == 5
    words = reductions(found, Setup(small, data="nw_ucla", class_splits=3))
    assert words[0] == "protonet_blocks_4 on nw_ucla: 3 of 20 class splits"
    for number, on, text in ((21, "nw_ucla", "has 20 class splits"), (2, "demo", "has one set of classes")):
        with pytest.raises(InvalidValue, match=f"--class-splits {number}: {on} {text}. Take a smaller number"):
            entries(rows, Setup(small, data=on, class_splits=number))


def test_choices_of_a_table_stand_below_it() -> None:
    _, rows = select("PAINet Table 3", {})
    assert any("mask ratio" in choice for choice in choices(rows))
    bench = Bench("PAINet Table 3", "s", (), choices=tuple(choices(rows)))
    for text in (as_text(bench), to_markdown(bench), json.dumps(to_json(bench))):
        assert "The mask ratio and the sliding window are not given: 0.15" in text


@pytest.mark.slow
def test_a_table_on_another_split(shell, in_demo: Path, tmp_path: Path) -> None:
    words_ = ["fszoo", "bench", "DASTM Table 1", "--data", "demo", "--quick", "--only", "method=protonet"]
    done = shell([*words_, *words(SETTINGS), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "Run on demo. Numbers of the paper on other data have no gap." in done.stdout
    assert "71.2 ± 1.5 ntu_t, 73.3 ± 0.3 ntu_s" in done.stdout
    record = json.loads((tmp_path / "dastm_table_1_demo_quick.json").read_text())
    (row,) = record["rows"]
    assert (row["planned"], row["gap"], row["split"], len(row["also"])) == (1, None, "demo", 8)
    assert row["ours"]["accuracy"] > 0
    assert record["choices"]
    (line,) = csv.DictReader(
        line for line in (tmp_path / "dastm_table_1_demo_quick.csv").read_text().splitlines() if line[0] != "#"
    )
    assert (line["split"], line["paper_split"], line["gap"], line["recipe"]) == ("demo", "ntu_t", "", "protonet")


def test_novel_names_are_marked_and_a_table_of_your_own_can_be_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'paper = "Mine"\nsource = "A paper"\n[notes]\ndemo = ["a reason"]\n[[tables]]\ntable = "Table 1"\n'
        'common = { way = 5, dataset = "demo", split = "demo", backbone = "stgcn", novel_names = true }\n'
        'rows = ["method"]\ncolumns = [{ shot = 1 }]\ngrid = "protonet 71.2±1.5"\n'
    )
    assert read_notes(file) == {("Mine", "demo"): ("a reason",)}
    monkeypatch.setattr("zoo.sweep.bench.published", lambda: tables.read_tables(file))
    monkeypatch.setattr("zoo.sweep.bench.published_notes", lambda: read_notes(file))
    title, rows = select("mine table 1", {})
    assert title == "Mine Table 1"
    assert columns(Pair(rows[0], planned=3))["paper"] == "71.2 ± 1.5 n"
    assert notes(rows) == ["demo: a reason"]
    assert Bench(title, "s", (Pair(rows[0], planned=3),)).foot()[-1].startswith("n the method is given")


def test_every_note_is_about_a_split_of_its_papers_tables() -> None:
    known = {(row.paper, row.split) for row in facts.published()}
    assert set(facts.published_notes()) <= known


def test_rows_of_several_datasets_are_one_on_other_data() -> None:
    """Table VIII is 20-, 10- and 11-way; the demo has five ways for each."""
    _, rows = select("Cross-modal Table VIII", {})
    found = entries(rows, Setup(data="demo"))
    assert [entry.published.variant for entry in found] == [
        "representation-none",
        "representation-text",
        "representation-video",
        "representation-text+video",
    ]
    assert all(len(entry.also) == 2 for entry in found)
