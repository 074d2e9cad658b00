"""`[graph]`: options for whichever graph backbone is chosen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from manifests.strict import InvalidValue
from zoo.experiment.graph import UnfitBackbone, with_graph_options
from zoo.experiment.library import FOLDER, lineage, shipped
from zoo.experiment.protocol import protocol
from zoo.experiment.recipe import to_toml
from zoo.experiment.resolve import resolve, resolve_with_remarks

MINE = 'base = "dtw"\ntitle = "t"\nsource = "s"\n[graph]\nedge_importance = true\n'


@pytest.fixture
def mine(tmp_path: Path) -> str:
    file = tmp_path / "mine.toml"
    file.write_text(MINE)
    return str(file)


def test_the_chosen_backbone_takes_the_options(mine: str) -> None:
    assert resolve(mine).backbone.options["edge_importance"]
    assert not resolve("dtw").backbone.options["edge_importance"]


def test_a_backbone_without_them_leaves_them_out_and_a_remark_says_so(mine: str) -> None:
    found = resolve_with_remarks(mine, "demo")
    assert found.recipe.backbone == resolve("dtw", "demo").backbone
    assert found.remarks == ("`edge_importance` is left out: the backbone tcn has no such option",)
    assert resolve_with_remarks(mine, "demo", ["backbone.name=stgcn"]).remarks == ()
    assert resolve(mine, "demo", ["backbone.name=stgcn"]).backbone.options["edge_importance"]


def test_an_option_that_is_off_is_not_missed(mine: str) -> None:
    Path(mine).write_text(MINE.replace("true", "false"))
    assert resolve_with_remarks(mine, "demo").remarks == ()


def test_what_the_user_sets_wins(mine: str) -> None:
    for setting in ("backbone.options.edge_importance=false", "graph.edge_importance=false"):
        assert not resolve(mine, settings=[setting]).backbone.options["edge_importance"]
    Path(mine).write_text(MINE + "[backbone.options]\nedge_importance = false\n")
    assert not resolve(mine).backbone.options["edge_importance"]


def test_required_options_refuse_a_backbone_without_them(mine: str) -> None:
    Path(mine).write_text(MINE.replace("[graph]", "[graph]\nrequired = true"))
    assert resolve(mine).backbone.options["edge_importance"]
    with pytest.raises(UnfitBackbone) as caught:
        resolve(mine, "demo")
    assert str(caught.value) == ("mine needs a backbone with the option `edge_importance`: stgcn. Set backbone.name.")


def test_several_missing_options_are_named_with_the_backbones_that_have_them_all() -> None:
    table = {"name": "x", "backbone": {"name": "tcn"}, "graph": {"required": True, "blocks": 4, "exact_hops": True}}
    with pytest.raises(UnfitBackbone, match="x needs a backbone with the options `blocks` and `exact_hops`: stgcn"):
        with_graph_options(table, "x.toml")


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ({"exact_hop": True}, "x.toml: graph.exact_hop: no backbone has this option. Did you mean `exact_hops`?"),
        ({"required": 1, "blocks": 4}, "x.toml: graph.required: 1 is neither true nor false."),
        (True, "x.toml: graph: must be a table of options of the backbone."),
    ],
)
def test_mistakes_are_named(graph: object, words: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        with_graph_options({"backbone": {"name": "tcn"}, "graph": graph}, "x.toml")
    assert words in str(caught.value)


def test_mistakes_in_the_backbone_and_in_a_value_are_named(mine: str) -> None:
    with pytest.raises(InvalidValue, match="backbone: `stgnc` is not a backbone. Did you mean `stgcn`?"):
        resolve(mine, settings=["backbone.name=stgnc"])
    with pytest.raises(InvalidValue, match="edge_importance"):
        resolve(mine, settings=["graph.edge_importance=often"])


def test_a_saved_recipe_holds_them_as_options_of_the_backbone(mine: str, tmp_path: Path) -> None:
    recipe = resolve(mine)
    (tmp_path / "recipe.toml").write_text(to_toml(recipe))
    assert "[graph]" not in to_toml(recipe)
    assert resolve(str(tmp_path)) == recipe


def test_the_options_are_read_without_torch(mine: str) -> None:
    script = f"import sys; from zoo.experiment.resolve import resolve; resolve({mine!r}); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    assert done.stdout.split() == ["False"]


def test_a_variant_takes_the_protocols_options_of_the_recipe_it_builds_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lineage("dastm") == ("dastm",)
    assert lineage("mine") == ()
    assert all(lineage(name)[0] == name for name in shipped())
    monkeypatch.setattr("zoo.experiment.protocol.lineage", lambda name: (name, "dastm") if name == "variant" else ())
    table = {"method": {"name": "dastm"}}
    found = protocol("demo", table | {"name": "variant"}, "methods").settings
    assert found["method"] == {"options": {"temperature": 8.0}}
    assert "method" not in protocol("demo", table | {"name": "mine"}, "methods").settings
