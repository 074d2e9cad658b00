"""The tables of the cross-modal paper: every row has a recipe or a reason, and one row of each is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.shell import Shell
from helpers.stores import embed, make_store
from helpers.sweeps import SETTINGS, words

from manifests.facts import published
from manifests.tables import Published
from zoo.experiment.library import shipped
from zoo.experiment.resolve import initial
from zoo.sweep.bench import Entry, choices, entries, tables
from zoo.sweep.grid import as_toml
from zoo.sweep.setup import Setup

CROSS = tuple(name for name in tables() if name.startswith("Cross-modal"))
ONE_RUN = Setup(class_splits=1, seeds=1)
# Rows of the text's "ours" and of its ablations: what the recipe changes in the stage that it starts from.
CHAINS = {
    "crossmodal": {"teacher": "vision_language", "decay": 0.99, "predictor": True},
    "crossmodal_text": {"teacher": "text"},
    "crossmodal_video": {"teacher": "video"},
    "crossmodal_copy": {"decay": 0.0},
    "crossmodal_no_predictor": {"predictor": False},
    "crossmodal_nearest": {"teacher": "vision_language"},
    "crossmodal_linear": {"teacher": "vision_language"},
    "crossmodal_actionclip": {"teacher": "vision_language"},
}
PLAIN = ("evaluation.join=", "evaluation.mirror=false", "budget.exemplar_draws=1")
TRANSFERRED = (*CHAINS, "protonet_transfer")


@pytest.fixture(scope="module")
def entry_of() -> dict[Published, Entry]:
    """Every row of the paper with its cells."""
    return {entry.published: entry for name in CROSS for entry in entries(tables()[name], ONE_RUN)}


def cross(**facts: object) -> list[Published]:
    rows = [row for row in published() if row.paper.startswith("Cross-modal")]
    return [row for row in rows if all(getattr(row, key) == value for key, value in facts.items())]


@pytest.mark.parametrize("name", CROSS)
def test_every_row_with_a_recipe_resolves_and_every_other_has_its_reason(
    name: str, entry_of: dict[Published, Entry]
) -> None:
    for row in tables()[name]:
        entry = entry_of[row]
        if row.recipe not in shipped():
            assert entry.left_out == (row.left_out or f"no recipe `{row.recipe}`")
            continue
        if entry.left_out:
            assert entry.left_out == f"no backbone `{row.backbone}`"
            continue
        (cell,) = entry.cells
        recipe = cell.recipe
        assert (recipe.name, recipe.data.split, recipe.task.shot) == (row.recipe, row.split, row.shot)
        assert row.backbone in ("own", recipe.backbone.name)
        if recipe.init.source in shipped():
            assert initial(recipe).backbone == recipe.backbone
            assert initial(recipe).data.split == row.split


def test_twelve_tables_with_choices() -> None:
    assert len(CROSS) == 12
    assert all(choices(tables()[name]) for name in CROSS)
    words_ = " ".join(choices(tables()["Cross-modal Table VII"]))
    for silent in ("width_mismatch", "normalise", "transfer_as_stated", "scale", "SGD", "57.0 / 73.1 / 74.9", "58.0"):
        assert silent in words_


def test_the_papers_method_and_its_ablations_are_chains_that_change_what_the_row_names(
    entry_of: dict[Published, Entry],
) -> None:
    found = {row.recipe for row in cross(method="cross_modal")}
    assert found == {*CHAINS, "traditional", "episodic", "crossmodal_xflorence"}
    for name, expected in CHAINS.items():
        recipe = entry_of[cross(recipe=name)[0]].cells[0].recipe
        source = initial(recipe)
        assert (recipe.init.source, recipe.method.name) == ("transfer", "finetuned_cosine")
        assert {key: source.method.options[key] for key in expected} == expected
    embeddings = {name: initial(entry_of[cross(recipe=name)[0]].cells[0].recipe).data.embedding for name in CHAINS}
    assert embeddings == dict.fromkeys(CHAINS, "xclip") | {"crossmodal_actionclip": "actionclip"}


def test_baselines_with_transfer_are_their_own_recipe_from_the_transferred_backbone(
    entry_of: dict[Published, Entry],
) -> None:
    for method in ("dtw", "protonet", "feat", "subspace"):
        (plain,) = (entry_of[row].cells[0].recipe for row in cross(table="Table I", method=method, shot=1))
        rows = cross(method=method, variant="with-transfer", dataset="ntu120")
        (moved,) = (entry_of[row].cells[0].recipe for row in rows)
        assert (moved.init.source, initial(moved).backbone) == ("transfer", moved.backbone)
        same = ("method", "backbone", "data", "task", "optimiser", "budget", "evaluation")
        assert {key: getattr(moved, key) for key in same} == {key: getattr(plain, key) for key in same}


def test_rows_that_use_the_names_of_novel_classes_are_marked() -> None:
    assert {row.method for row in published() if row.novel_names} == {"apsr", "skelhcc"}
    assert len(cross(novel_names=True)) == len(cross(method="apsr")) == 6


def test_xflorence_is_left_out_because_it_is_not_public(shell: Shell, home: Path) -> None:
    done = shell(["fszoo", "bench", "Cross-modal Table XII", "--only", "variant=teacher-xflorence"])
    assert done.exit_code == 0, done.output
    assert (
        "left out, X-Florence cannot be run: neither its model nor its weights are public: cross_modal" in done.stdout
    )


def test_a_table_with_novel_names_says_so_where_the_row_is_left_out_too(shell: Shell, home: Path) -> None:
    done = shell(["fszoo", "bench", "Cross-modal Table I", "--only", "method=apsr"])
    assert "apsr own ntu120_one_shot 20w1s n" in done.stdout
    assert "n the method is given the names of the novel classes." in done.stdout


@pytest.fixture(scope="module")
def ucla_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a small synthetic store of NW-UCLA's shape, with the vectors of two encoders."""
    home = tmp_path_factory.mktemp("cross") / "home"
    (home / "stores").mkdir(parents=True)
    path = home / "stores" / "nw_ucla-ctrgcn.zarr"
    make_store(path, clips_per_class=8, name="nw_ucla", preprocessing="ctrgcn")
    for name in ("xclip", "actionclip"):
        embed(path, name)
    return home


ROWS = (
    ("I", "protonet", 5),
    ("II", "dtw", 1),
    ("III", "protonet", 1),
    ("IV", "feat", 1),
    ("V", "crossmodal", 5),
    ("VI", "crossmodal", 1),
    ("VII", "protonet_transfer", 1),
    ("VIII", "crossmodal_text", 1),
    ("IX", "skeleton_dml_random", 1),
    ("X", "crossmodal_no_predictor", 1),
    ("XI", "crossmodal_linear", 1),
    ("XII", "crossmodal_actionclip", 1),
)


@pytest.mark.parametrize(
    ("table", "recipe", "shot"),
    [pytest.param(*row, marks=[] if row[0] in ("V", "VII") else [pytest.mark.slow]) for row in ROWS],
)
@pytest.mark.slow
def test_one_row_of_each_table_runs(
    shell: Shell, ucla_home: Path, monkeypatch: pytest.MonkeyPatch, table: str, recipe: str, shot: int
) -> None:
    monkeypatch.setenv("FSPREP_HOME", str(ucla_home))
    on = [] if table == "V" else ["--data", "nw_ucla"]
    line = ["fszoo", "bench", f"Cross-modal Table {table}", *on, "--quick", "--class-splits", "1", "--json"]
    small = ["method.options.hidden=16"] if recipe in TRANSFERRED else []
    settings = [*SETTINGS, *PLAIN, *([f"init.settings={as_toml(small)}"] if small else [])]
    done = shell([*line, "--only", f"recipe={recipe}", "--only", f"shot={shot}", *words(settings)])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert {(row["ours"]["recipe"], row["ours"]["shot"]) for row in rows} == {(recipe, shot)}
    assert all(row["ours"]["runs"] == row["planned"] == 1 for row in rows)
