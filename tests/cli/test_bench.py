"""fszoo bench: a published table with ours beside it, in three formats, and nothing left out silently."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from helpers.stores import make_store
from helpers.sweeps import SETTINGS, words

from manifests import facts, tables
from manifests.tables import Published, read_notes
from zoo.sweep.bench import Pair, entries, left_out_of_quick, notes, select
from zoo.sweep.bench_table import Bench, columns

TABLE = "Cross-modal Table V"


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


def test_a_table_beside_the_papers_in_three_formats(shell, ucla: Path, tmp_path: Path) -> None:
    done = shell(bench("--only", "shot=1", "--out", str(tmp_path)))
    assert done.exit_code == 0, done.output
    assert "left out, no recipe `sl_dml`: sl_dml resnet18 nw_ucla 5w1s" in done.stdout
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
    assert 0 < counts["DASTM Table 1"]["runnable"] < 72
    assert "Cross-modal Table V " in shell("fszoo bench").stdout


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["DASTM Table 9"], "`DASTM Table 9` is not a published table. Did you mean `DASTM Table 2`?"),
        ([TABLE, "--only", "shots=1"], "--only shots=1: `shots` is not a key of a row. Did you mean `shot`?"),
        ([TABLE, "--only", "method=protont"], "no such row in Cross-modal Table V. Did you mean `protonet`?"),
        ([TABLE, "--only", "shot"], "`shot` is not NAME=VALUE."),
        ([TABLE, "--set", "task.shott=1"], "Did you mean `shot`?"),
    ],
)
def test_refusals(shell, home: Path, line: list[str], text: str) -> None:
    done = shell(["fszoo", "bench", *line])
    assert done.exit_code == 2
    assert text in done.stderr


def test_a_row_is_the_method_on_its_split_with_the_papers_backbone_shot_and_runs() -> None:
    _, rows = select("dastm table 1", {"method": "dastm", "split": "ntu_t"})
    found = {entry.published.backbone: entry for entry in entries(rows)}
    assert found["msg3d"].left_out == "no backbone `msg3d`"
    recipes = [cell.recipe for cell in found["agcn"].cells]
    assert [recipe.seed for recipe in recipes] == [0, 1, 2]
    assert {(r.method.name, r.backbone.name, r.task.way, r.task.shot) for r in recipes} == {("dastm", "agcn", 5, 1)}
    assert [cell.values for cell in entries(rows, quick=True)[0].cells] == [{"seed": "0"}]


def test_a_split_with_class_splits_is_run_on_all_of_them() -> None:
    _, rows = select(TABLE, {"method": "protonet", "shot": "5"})
    (entry,) = entries(rows)
    assert [cell.recipe.data.class_split for cell in entry.cells] == list(range(20))
    assert left_out_of_quick(entries(rows, quick=True))[0].endswith("2 of 20 class splits")


def test_ablations_and_other_ways_are_left_out() -> None:
    _, rows = select("Cross-modal Table VII", {"method": "dtw"})
    assert {entry.left_out for entry in entries(rows)} == {
        "an ablation or comparison of the paper (repeated)",
        "an ablation or comparison of the paper (with-transfer)",
    }
    row = Published("P", "T", "nw_ucla", "nw_ucla", "protonet", "agcn", 4, 1, 70.0, None, "s")
    assert entries([row])[0].left_out == "4-way, and nw_ucla has 5 novel classes"


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
    assert Bench(title, "s", (Pair(rows[0], planned=3),)).foot()[-1].startswith("n the paper's method")


def test_every_note_is_about_a_split_of_its_papers_tables() -> None:
    known = {(row.paper, row.split) for row in facts.published()}
    assert set(facts.published_notes()) <= known
