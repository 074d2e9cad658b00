"""Recipes: what ships resolves, what is wrong is named, what is saved runs again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from manifests.custom import CustomLayout
from manifests.facts import names
from manifests.strict import InvalidValue
from zoo.experiment.identity import recipe_digest
from zoo.experiment.library import shipped
from zoo.experiment.protocol import PROTOCOLS
from zoo.experiment.recipe import classes, is_stage, to_toml
from zoo.experiment.resolve import initial, resolve, resolve_with_remarks


@pytest.mark.parametrize("name", shipped())
def test_a_saved_recipe_reads_back_the_same(name: str, tmp_path: Path) -> None:
    recipe = resolve(name, "demo", ["task.shot=5", "seed=3", "backbone.name=stgcn"])
    saved = tmp_path / "recipe.toml"
    saved.write_text(to_toml(recipe))
    assert resolve(str(saved)) == recipe
    assert resolve(str(tmp_path)) == recipe
    assert recipe_digest(recipe) == recipe_digest(resolve(str(saved)))


def test_settings_come_last_and_data_before_them() -> None:
    recipe = resolve("dastm", "demo", ["data.frames=7", "backbone.options.kernel=9"])
    assert (recipe.data.split, recipe.data.frames) == ("demo", 7)
    assert recipe.backbone.options["kernel"] == 9
    assert recipe.budget.episodes == resolve("protonet", "demo").budget.episodes
    assert resolve("dastm").backbone.options["blocks"] == 10


def test_another_backbone_forgets_the_options_of_the_first() -> None:
    options = resolve("protonet", "demo", ["backbone.name=agcn"]).backbone.options
    assert options["adaptive"] is True
    assert options.keys().isdisjoint(resolve("protonet", "demo").backbone.options)


def test_a_split_with_draws_gives_the_classes_of_the_draw() -> None:
    train, val, test = classes(resolve("protonet", "nw_ucla", ["data.class_split=3"]))
    assert (len(train), val, len(test)) == (5, (), 5)
    assert sorted(train + test) == list(range(10))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dasm",), "`dasm` is neither a recipe nor a file. Did you mean `dastm`?"),
        (("dastm", "ntu_q"), "`ntu_q` is not a split. Did you mean"),
        (("dastm", "", ["task.shott=5"]), "task: `shott` is not a key of Task. Did you mean `shot`?"),
        (("dastm", "", ["task.shot=five"]), "task.shot"),
        (("dastm", "", ["task.shot"]), "must be key=value, for example --set task.shot=5"),
        (("dastm", "", ["method.name=dastn"]), "`dastn` is not a method or pre-training stage. Did you mean `dastm`?"),
        (("dastm", "", ["backbone.options.block=4"]), "`block` is not a key of Options. Did you mean `blocks`?"),
        (("protonet", "nw_ucla", ["data.class_split=20"]), "data.class_split: 20 is not one of the 20 of nw_ucla"),
        (("protonet", "", ["data.preprocessing=agcm"]), "data.preprocessing: Did you mean `agcn`?"),
        (("protonet", "", ["task.way=0"]), "way is 0"),
        (("protonet", "", ["budget.episodes=-1"]), "episodes is -1; it must be at least 0"),
        (("protonet", "", ["budget.batch=0"]), "batch is 0; it must be at least 1"),
        (("byol", "", ["budget.batch=10", "budget.per_class=4"]), "per_class is 4; it must divide batch, which is 10"),
        (("protonet", "", ["budget.per_class=1"]), "protonet is a method, whose episodes have task.shot clips of each"),
        (("protonet", "", ["budget.epochs=3"]), "protonet is a method, which counts episodes. Leave out epochs."),
        (("byol", "", ["budget.epochs=0"]), "byol is a pre-training stage, which counts epochs. Set budget.epochs"),
        (("protonet", "", ["format=2"]), "format is 2; this version reads 1. Upgrade fewshot-skeleton"),
        (("protonet", "", ["name=../../elsewhere"]), "it becomes a folder's name"),
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str], words: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        resolve(*arguments)
    assert words in str(raised.value)


def test_a_file_may_build_on_a_shipped_recipe(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('base = "protonet"\ntitle = "mine"\n[task]\nshot = 5\n')
    recipe = resolve(str(own))
    assert (recipe.name, recipe.title, recipe.task.shot, recipe.task.way) == ("mine", "mine", 5, 5)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text("[task")
    with pytest.raises(InvalidValue, match=r"mine\.toml: not readable as TOML"):
        resolve(str(own))


@pytest.mark.parametrize(
    ("name", "way"), [("ntu120_one_shot", 20), ("ntu60_one_shot", 10), ("pku_mmd_one_shot", 11), ("msr_pairs", 6)]
)
def test_one_shot_protocols_train_with_as_many_ways_as_they_test(name: str, way: int) -> None:
    for recipe in shipped():
        resolved = resolve(recipe, name, ["backbone.name=stgcn"])
        assert is_stage(resolved) or (resolved.task.way, len(classes(resolved)[2])) == (way, way)
    assert resolve("protonet", name).method.options["pooling"] == ("flatten" if name == "msr_pairs" else "mean")


def test_a_variation_of_a_split_takes_its_settings_first() -> None:
    whole = resolve("protonet", "ntu120_one_shot")
    for size in (20, 40, 60, 80):
        part = resolve("protonet", f"ntu120_one_shot_{size}")
        assert replace(part, data=whole.data) == whole
        assert len(classes(part)[0]) == size
    dev = resolve("protonet", "ntu120_one_shot_dev")
    assert (dev.task, dev.backbone, dev.method) == (whole.task, whole.backbone, whole.method)
    assert (whole.budget.validation_episodes, dev.budget.validation_episodes) == (0, 100)


def test_every_protocol_belongs_to_a_split_or_is_the_base_of_one() -> None:
    stems = {file.stem for file in PROTOCOLS.glob("*.toml")}
    assert "demo" in stems
    assert stems - set(names("splits")) == {"one_shot", "custom"}


def test_the_defaults_of_options_are_written_out() -> None:
    """A later default must not change what an old run means."""
    recipe = resolve("protonet")
    assert recipe.method.options == {
        "pooling": "flatten",
        "metric": "squared_euclidean",
        "normalise_by_dim": False,
        "temperature": 1.0,
    }
    assert "temperature = 1.0" in to_toml(recipe)
    assert {"blocks", "exact_hops", "edge_importance", "dropout", "early_fusion"} <= set(recipe.backbone.options)


def test_three_layers_in_the_order_of_their_precedence() -> None:
    assert resolve("dastm").method.options["temperature"] == 1.0  # the recipe
    assert resolve("dastm", "demo").method.options["temperature"] == 8.0  # the split's protocol
    assert resolve("dastm", "demo", ["method.options.temperature=3.0"]).method.options["temperature"] == 3.0  # the user
    # The protocol's options are those of one recipe.
    assert resolve("dastm_official", "demo").method.options["temperature"] == 1.0


def test_a_file_of_your_own_says_everything_itself(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "protonet"\ntitle = "x"\n[data]\nsplit = "demo"\n[budget]\nepisodes = 7\n')
    assert resolve(str(file)).budget.episodes == 7
    assert resolve(str(file), "demo").budget.episodes == 400


def test_a_stage_takes_its_own_part_of_a_protocol() -> None:
    stage = resolve("supervised", "demo")
    assert (stage.budget.epochs, stage.budget.episodes, stage.budget.batch) == (40, 0, 32)
    assert (stage.data.frames, stage.backbone.name) == (16, "tcn")


METHOD = """
from dataclasses import dataclass
from zoo.methods import Method

@dataclass(frozen=True)
class Options:
    factor: float = 2.0

class Model(Method):
    \"\"\"Minus the distance of the mean maps.\"\"\"

    def score(self, support, query):
        gap = query[:, :, None] - support.mean(2)[:, None]
        return -self.options.factor * gap.square().mean((3, 4, 5))
"""


def test_a_method_of_your_own_is_a_recipe(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(METHOD)
    recipe = resolve(str(file), "demo")
    assert (recipe.name, recipe.title) == ("mine", "Minus the distance of the mean maps.")
    assert recipe.method.options == {"factor": 2.0}
    assert recipe.method.name == str(file)
    assert recipe.budget.episodes == 400
    saved = tmp_path / "saved.toml"
    saved.write_text(to_toml(recipe))
    assert resolve(str(saved)) == replace(recipe, name="saved") or resolve(str(saved)) == recipe
    before = recipe_digest(recipe)
    file.write_text(METHOD + "\n# Another file is another experiment.\n")
    assert recipe_digest(resolve(str(saved))) != before


CUSTOM = """
title = "x"
source = "x"
dataset = "gestures"
protocol = "episodic"
seed = 0
train = [0, 1, 2]
val = [3]
test = [4, 5, 6, 7]
"""


def test_custom_splits_share_a_protocol_that_is_fitted_to_their_classes(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(CUSTOM)
    found = resolve_with_remarks("protonet", str(file))
    assert (found.recipe.task.way, found.recipe.budget.validation_episodes) == (3, 0)
    assert found.recipe.backbone.name == "tcn"
    assert found.remarks == (
        "settings from protocols/custom.toml on top of protonet.toml (zoo/recipes); `fszoo show` prints them, --set "
        "changes them",
        "task.way is 3, not 5: mine has 3 classes to train on and 4 to test on",
        "budget.validation_episodes is 0: mine has 1 classes to validate on, a task 3",
    )
    asked = resolve_with_remarks("protonet", str(file), ["task.way=4"])
    assert asked.recipe.task.way == 4
    assert not any("task.way" in remark for remark in asked.remarks)
    file.write_text(
        CUSTOM.replace("[0, 1, 2]", "[0, 1, 2, 8, 9, 10]").replace("val = [3]", "").replace("[4,", "[3, 4,")
    )
    whole = resolve_with_remarks("protonet", str(file))
    assert (whole.recipe.task.way, len(whole.remarks)) == (5, 1)
    assert resolve("nearest", str(file)).task == whole.recipe.task
    assert resolve_with_remarks("protonet", "demo").remarks == ()


def test_a_custom_split_that_varies_one_that_ships_takes_its_protocol(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('title = "x"\nbase = "demo"\nseed = 3\n')
    assert replace(resolve("protonet", str(file)), data=resolve("protonet", "demo").data) == resolve("protonet", "demo")


def test_custom_settings_are_fitted_to_the_skeleton(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(CUSTOM)
    bones = ((1, 0), (2, 0))
    plain = CustomLayout(("hip", "left", "right"), bones).layout("plain", "metre")
    sided = CustomLayout(("hip", "left", "right"), bones, mirror=((1, 2),)).layout("sided", "metre")
    flat = CustomLayout(("hip", "left", "right"), bones, coordinates=2, mirror=((1, 2),)).layout("flat", "pixel")
    for layout, mirror, turned in ((plain, False, 3), (sided, True, 3), (flat, True, 2), (None, True, 3)):
        found = resolve("protonet", str(file), layout=layout)
        assert found.evaluation.mirror == mirror
        assert any(found.augment.rotation[:2]) == (turned == 3)
    asked = resolve("protonet", str(file), ["evaluation.mirror=true"], layout=plain)
    assert asked.evaluation.mirror
    # A stage before it is augmented as the recipe is that it is trained for.
    flat_stage = initial(resolve("finetuned_cosine", str(file), layout=flat))
    assert flat_stage.augment.rotation == (0, 0, 0)


def test_a_method_that_needs_more_than_maps_is_not_mirrored_by_default(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(CUSTOM)
    method = tmp_path / "my_method.py"
    method.write_text(METHOD)
    assert resolve(str(method), str(tmp_path / "mine.toml")).evaluation.mirror
    method.write_text(METHOD + "\n    def forward(self, episode):\n        return super().forward(episode)\n")
    found = resolve_with_remarks(str(method), str(tmp_path / "mine.toml"))
    assert not found.recipe.evaluation.mirror
    assert "settings from protocols/custom.toml on top of _method.toml" in found.remarks[0]
    assert "my_method.py does not score maps of single clips" in found.remarks[-1]
    alone = resolve_with_remarks(str(method), "ntu_t")
    assert alone.remarks[0].startswith("settings from _method.toml (zoo/recipes)")


UNTRAINED = """
title = "x"
source = "x"
[method]
name = "protonet"
[method.options]
temperature = 3.0
[backbone]
name = "agcn"
[data]
streams = ["bone"]
[budget]
episodes = 0
"""


def test_an_untrained_recipe_takes_only_the_test_tasks_of_a_protocol(tmp_path: Path) -> None:
    file = tmp_path / "still.toml"
    file.write_text(UNTRAINED)
    plain, there = resolve(str(file)), resolve(str(file), "nw_ucla")
    protocol = resolve("protonet", "nw_ucla")
    assert (there.budget.exemplar_draws, there.task, there.data.frames) == (10, protocol.task, protocol.data.frames)
    for key in ("backbone", "augment", "optimiser", "method"):
        assert getattr(there, key) == getattr(plain, key)
    assert (there.budget.episodes, there.data.streams) == (0, ("bone",))
    assert there.budget.episodes_per_epoch == plain.budget.episodes_per_epoch
    file.write_text(UNTRAINED.replace("[data]", "[data]\nframes = 7"))
    assert resolve(str(file), "nw_ucla").data.frames == 7
    assert resolve(str(file), "nw_ucla", ["data.frames=9", "backbone.name=stgcn"]).data.frames == 9
    assert resolve("protonet", "nw_ucla", ["budget.episodes=0"]).backbone == protocol.backbone


def test_settings_of_a_source_follow_those_of_the_recipe() -> None:
    own = list(resolve("crossmodal_text").init.settings)
    assert own
    more = resolve("crossmodal_text", settings=['init.settings=["budget.epochs=2"]', 'init.settings=["seed=1"]'])
    assert list(more.init.settings) == [*own, "budget.epochs=2", "seed=1"]
    source = initial(resolve("crossmodal_text", settings=['init.settings=["budget.epochs=2"]']))
    assert (source.method.options["teacher"], source.budget.epochs) == ("text", 2)


def test_another_source_takes_no_settings_of_the_recipe() -> None:
    assert resolve("crossmodal_text", settings=["init.source=byol"]).init.settings == ()
    both = ['init.settings=["budget.epochs=2"]', "init.source=byol"]
    assert resolve("crossmodal_text", settings=both).init.settings == ("budget.epochs=2",)


def test_a_source_learns_from_the_embedding_that_is_named() -> None:
    assert initial(resolve("crossmodal")).data.embedding == "xclip"
    assert initial(resolve("crossmodal", settings=["data.embedding=mine"])).data.embedding == "mine"
    both = ["data.embedding=mine", 'init.settings=["data.embedding=theirs"]']
    assert initial(resolve("crossmodal", settings=both)).data.embedding == "theirs"


def test_a_network_of_its_own_is_kept_on_every_split() -> None:
    for data in ("demo", "nw_ucla", "ntu120_one_shot"):
        assert resolve("jeanie", data).backbone.name == "jeanie"
        assert initial(resolve("tcn_oneshot", data)).backbone.name == "tcn_oneshot"
    assert resolve("jeanie", "demo", ["backbone.name=stgcn"]).backbone.name == "stgcn"
    assert resolve("protonet", "demo").backbone.name == "tcn"


def test_a_recipe_that_measures_its_initial_weights_keeps_its_backbone_and_trains_nothing() -> None:
    recipe = resolve("traditional", "demo")
    assert (recipe.budget.episodes, recipe.backbone.name, recipe.data.streams) == (
        0,
        "tcn",
        ("joint", "bone", "velocity"),
    )
    assert initial(recipe).budget.epochs == 40
