"""Your own data, from a dataset file of twenty lines to a trained network, and the report of `fsprep validate`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_own import MANIFEST, SPLIT, clips, joints, write_own
from scipy.io import savemat

from prep.store.read import open_store

CLASSES = ("wave", "point", "sit down", "stand up", "clap")
SMALL = (
    "--set task.way=2 --set task.shot=1 --set task.queries_per_class=2 --set data.frames=8 --set budget.episodes=4 "
    "--set budget.episodes_per_epoch=2 --set budget.test_episodes=3 --set budget.validation_episodes=0"
)


def many() -> dict[str, np.ndarray]:
    """Eight clips of each class: enough for one shot and five queries."""
    return {f"a{label + 1:02d}_s{subject}_e0": joints(label, subject) for label in range(5) for subject in range(8)}


def test_from_a_folder_of_arrays_to_a_store(shell, home: Path, tmp_path: Path) -> None:
    assert len([line for line in MANIFEST.splitlines() if line]) <= 20
    manifest = write_own(tmp_path / "own")
    checked = shell(f"fsprep validate {manifest}")
    assert checked.exit_code == 0, checked.output
    assert "Warning" not in checked.output
    for words in (
        "20 clips read, 0 bad",
        "20 to 23 frames",
        "the head points towards +y in 20 clips",
        "sit down  4 clips",
    ):
        assert words in checked.stdout
    assert checked.stdout.endswith(f"Build it: fsprep build {manifest}\n")
    built = shell(f"fsprep build {manifest} --workers 1")
    assert built.exit_code == 0, built.output
    path = home / "stores" / "gestures-standard.zarr"
    store = open_store(path)
    assert list(store.names) == sorted(clips())
    assert store.info.classes[2] == "sit down"
    assert (store.info.file_format, store.info.layout.joints[2], store.info.fps) == ("own", "head", 25.0)
    for index, (name, array) in enumerate(sorted(clips().items())):
        rows = slice(*store.offsets[index : index + 2])
        joints, origin = store.joints(rows.start, rows.stop)[:, 0], store.origin(rows.start, rows.stop)
        np.testing.assert_allclose(joints @ store.to_recorded[index].T + origin[:, None], array, atol=1e-5)
        assert f"a{store.label[index] + 1:02d}_s{store.subject[index]}_e0" == name
    assert "gestures from own, preprocessing standard" in shell(f"fsprep info {path}").output
    assert "all as built" in shell(f"fsprep verify {path}").output
    assert "Already built" in shell(f"fsprep build {manifest}").output
    manifest.write_text(MANIFEST.replace('"clap"', '"applaud"'))
    changed = shell(f"fsprep build {manifest}")
    assert changed.exit_code == 2
    assert "its classes, layout, unit or fps have changed since" in changed.stderr


def by_name(folder: Path) -> Path:
    arrays = {f"{CLASSES[int(name[1:3]) - 1]}-{name[4:]}": array for name, array in clips().items()}
    return write_own(folder, r"a(?P<action>\d+)_", "(?P<action>[a-z ]+)-", arrays)


def by_table(folder: Path) -> Path:
    """MATLAB files with the names of a camera, and a table that a spreadsheet wrote."""
    manifest = write_own(folder, 'labels = "name"', 'labels = "labels.csv"', {})
    manifest.write_text(re.sub("pattern = .*\n", "", manifest.read_text()))
    rows = []
    for number, (name, array) in enumerate(sorted(clips().items())):
        savemat(folder / "clips" / f"rec{number:03d}.mat", {"skeleton": array})
        rows.append(f"rec{number:03d}, {CLASSES[int(name[1:3]) - 1]} \n")
    (folder / "labels.csv").write_text("\ufeffname,label\n" + "".join(rows) + ",\n", encoding="utf-8")
    return manifest


def by_folder(folder: Path) -> Path:
    manifest = write_own(folder, 'labels = "name"', 'labels = "folder"', {})
    manifest.write_text(manifest.read_text().replace(r"a(?P<action>\d+)_", ""))
    for name, array in clips().items():
        path = folder / "clips" / CLASSES[int(name[1:3]) - 1] / f"{name[4:]}.csv"
        path.parent.mkdir(exist_ok=True)
        np.savetxt(path, array.reshape(len(array), -1), delimiter=",")
    return manifest


def in_another_order(folder: Path) -> Path:
    names = re.search(r"joints = (.*)", MANIFEST)
    assert names is not None
    order = f"bodies = 1\njoint_order = {json.dumps(json.loads(names[1])[::-1])}"
    return write_own(folder, "bodies = 1", order, {name: array[:, ::-1] for name, array in clips().items()})


@pytest.mark.parametrize("way", [by_name, by_table, by_folder, in_another_order])
def test_the_ways_of_custom_data_give_the_same_clips(
    shell, home: Path, tmp_path: Path, way: Callable[[Path], Path]
) -> None:
    """A class in the file's name, in a table, as a folder; a layout of its own in another order."""
    manifest = way(tmp_path)
    checked = shell(f"fsprep validate {manifest}")
    assert (checked.exit_code, "Warning" in checked.output) == (0, False), checked.output
    built = shell(f"fsprep build {manifest} --workers 1")
    assert built.exit_code == 0, built.output
    store, expected = open_store(home / "stores" / "gestures-standard.zarr"), iter(clips().values())
    order = np.lexsort([store.names, store.label])
    for clip, array in zip(order, expected, strict=True):
        rows = slice(*store.offsets[clip : clip + 2])
        joints, origin = store.joints(rows.start, rows.stop)[:, 0], store.origin(rows.start, rows.stop)
        np.testing.assert_allclose(joints @ store.to_recorded[clip].T + origin[:, None], array, atol=1e-5)


def test_a_custom_split_trains_resumes_and_is_evaluated(
    shell, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_own(tmp_path / "own")
    assert shell(f"fsprep build {manifest} --workers 1").exit_code == 0
    (tmp_path / "mine.toml").write_text(SPLIT)
    monkeypatch.chdir(tmp_path)
    store = home / "stores" / "gestures-standard.zarr"
    line = f"fszoo train protonet --data mine.toml --store {store} {SMALL} --json"
    trained = shell(line)
    assert trained.exit_code == 0, trained.output
    result = json.loads(trained.stdout)
    assert (result["split"], result["way"], result["trained"]) == ("mine", 2, 4)
    assert Path(result["run"]).name.startswith("protonet-mine-2w1s")
    # A run finds its split again from anywhere: its recipe holds the whole path.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (Path(result["run"]) / "result.json").unlink()
    resumed = shell(line.replace("mine.toml", "../mine.toml") + f" --out {result['run']}")
    assert json.loads(resumed.stdout)["accuracy"] == result["accuracy"], resumed.output
    measured = shell(f"fszoo eval {result['run']} --store {store} --json")
    assert json.loads(measured.stdout)["accuracy"] == result["accuracy"], measured.output
    # Another content is another run, although the path is the same.
    (tmp_path / "mine.toml").write_text(SPLIT.replace("train = [0, 1, 2]", "train = [0, 1]"))
    other = shell(line.replace("mine.toml", "../mine.toml") + f" --out {result['run']}")
    assert other.exit_code == 2
    assert "belongs to another recipe" in other.stderr
    (tmp_path / "mine.toml").unlink()
    gone = shell(f"fszoo eval {result['run']} --store {store}")
    assert gone.exit_code == 2
    assert "mine.toml: cannot be read" in gone.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "train = [0, 1, 2]",
            "train = [0, 1, 7]",
            "mine names the classes [7], but gestures has 5 classes, numbered from",
        ),
        ('dataset = "gestures"', 'dataset = "demo"', "holds gestures, but split mine belongs to demo"),
        ("train =", "trian =", "`trian` is not a key of Split. Did you mean `train`?"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(
    shell, home: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert shell(f"fsprep build {write_own(tmp_path / 'own')} --workers 1").exit_code == 0
    (tmp_path / "mine.toml").write_text(SPLIT.replace(old, new))
    store = home / "stores" / "gestures-standard.zarr"
    done = shell(f"fszoo train protonet --data {tmp_path / 'mine.toml'} --store {store} {SMALL}")
    assert done.exit_code == 2, done.output
    assert words in done.stderr


def test_a_custom_split_starts_with_settings_that_end(shell, home: Path, tmp_path: Path) -> None:
    """No --store, no --set but fewer episodes; what was chosen is printed once, and not with --json."""
    manifest = write_own(tmp_path / "own", arrays=many())
    assert shell(f"fsprep build {manifest} --workers 1").exit_code == 0
    (tmp_path / "mine.toml").write_text(SPLIT)
    few = "--set budget.episodes=3 --set budget.test_episodes=2"
    done = shell(f"fszoo train protonet --data {tmp_path / 'mine.toml'} {few}")
    assert done.exit_code == 0, done.output
    notes = [line for line in done.stderr.splitlines() if line.startswith("Note: ")]
    assert "settings from protocols/custom.toml on top of protonet.toml (zoo/recipes)" in notes[0]
    assert notes[1:] == ["Note: task.way is 2, not 5: mine has 3 classes to train on and 2 to test on."]
    quiet = shell(f"fszoo train protonet --data {tmp_path / 'mine.toml'} {few} --json")
    assert "Note" not in quiet.stderr
    run = Path(json.loads(quiet.stdout)["run"])
    assert "mirror = true" in (run / "recipe.toml").read_text()
    assert shell(f"fszoo eval {run}").exit_code == 0


@pytest.mark.slow
def test_a_published_table_is_run_on_a_custom_split(shell, home: Path, tmp_path: Path) -> None:
    """The tasks have as many ways as the split has classes for, not the paper's five."""
    manifest = write_own(tmp_path / "own", arrays=many())
    assert shell(f"fsprep build {manifest} --workers 1").exit_code == 0
    (tmp_path / "mine.toml").write_text(SPLIT)
    few = "--seeds 1 --set backbone.name=tcn --set budget.episodes=3 --set budget.test_episodes=2"
    where = ["fszoo", "bench", "DASTM Table 1", "--data", str(tmp_path / "mine.toml"), "--only", "method=dtw"]
    done = shell([*where, *few.split(), "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    (row,) = record["rows"]
    assert (record["data"], row["split"], row["ours"]["way"], row["gap"]) == ("mine", "mine", 2, None)
    assert record["fewer"] == ["dtw on mine: 3 of 500 episodes, 2 of 300 test episodes, 1 of 3 seeds"]
    assert Path(record["files"][0]).name == "dastm_table_1_mine.md"


@pytest.mark.parametrize("recipe", ["byol", "finetuned_cosine", "dastm"])
@pytest.mark.slow
def test_defaults_fit_a_flat_skeleton_without_left_and_right(shell, home: Path, tmp_path: Path, recipe: str) -> None:
    flat = MANIFEST.replace("mirror = [[3, 4], [5, 6]]", "coordinates = 2")
    manifest = write_own(tmp_path / "own", MANIFEST, flat, {name: array[..., :2] for name, array in many().items()})
    built = shell(f"fsprep build {manifest} --workers 1")
    assert built.exit_code == 0, built.output
    (tmp_path / "mine.toml").write_text(SPLIT)
    few = "--set budget.test_episodes=2 " + ("--set budget.epochs=1" if recipe == "byol" else "--set budget.episodes=2")
    sources = ["--set", 'init.settings=["budget.epochs=1"]'] if recipe == "finetuned_cosine" else []
    done = shell(["fszoo", "train", recipe, "--data", str(tmp_path / "mine.toml"), *few.split(), *sources])
    assert done.exit_code == 0, done.output
    assert "augment.rotation is [0.0, 0.0, 0.0]: the layout gestures has no depth" in done.stderr
    mirrored = "evaluation.mirror is off: the layout gestures has no mirror pairs"
    assert (mirrored in done.stderr) == (recipe != "byol")
    asked = shell(
        [
            "fszoo",
            "train",
            recipe,
            "--data",
            str(tmp_path / "mine.toml"),
            *few.split(),
            "--set",
            "augment.rotation=[9,9,9]",
        ]
    )
    assert asked.exit_code == 2
    assert "turns about z only" in asked.stderr


def test_a_split_by_names_is_the_split_by_numbers(shell, home: Path, tmp_path: Path) -> None:
    manifest = write_own(tmp_path)
    assert shell(f"fsprep build {manifest} --workers 1").exit_code == 0
    by_name = SPLIT.replace("[0, 1, 2]", '["wave", "point", "sit down"]').replace("[3, 4]", '["stand up", "clap"]')
    few = f"{SMALL} --set budget.episodes=1 --set budget.test_episodes=2 --json"
    runs = []
    for text in (SPLIT, by_name):
        (tmp_path / "mine.toml").write_text(text)
        done = shell(f"fszoo train protonet --data {tmp_path / 'mine.toml'} {few}")
        assert done.exit_code == 0, done.output
        runs.append(json.loads(done.stdout)["run"])
    assert runs[0] == runs[1]
    listed = shell(f"fsprep list {tmp_path / 'mine.toml'}")
    assert listed.stdout.splitlines() == [
        "train",
        *("    0  wave", "    1  point", "    2  sit down"),
        "test",
        *("    3  stand up", "    4  clap"),
    ]
    # The order of the classes in the dataset file is no longer that of the store.
    manifest.write_text(manifest.read_text().replace('"wave", "point"', '"point", "wave"'))
    changed = shell(f"fszoo train protonet --data {tmp_path / 'mine.toml'} {few}")
    assert changed.exit_code == 2
    assert "gives classes by name, and gestures.toml has other classes than" in changed.stderr


def test_clips_that_show_nobody_or_carry_an_excluded_flag_are_not_served(shell, home: Path, tmp_path: Path) -> None:
    """The run says how many; an option keeps those that show nobody."""
    arrays = many()
    arrays["a01_s0_e0"] = 0 * arrays["a01_s0_e0"]
    arrays["a04_s1_e0"] = arrays["a04_s1_e0"].copy()
    arrays["a04_s1_e0"][3:9] = arrays["a04_s1_e0"][3]
    manifest = write_own(tmp_path, "bodies = 1", 'bodies = 1\npreprocessing = "raw"', arrays)
    assert shell(f"fsprep build {manifest} --workers 1").exit_code == 0
    (tmp_path / "mine.toml").write_text(SPLIT + 'exclude_flags = ["frozen"]\n')
    line = f"fszoo train protonet --data {tmp_path / 'mine.toml'} {SMALL} --set budget.episodes=1"
    done = shell(f"{line} --json")
    assert done.exit_code == 0, done.output
    nobody = "1 clip left out for showing nobody (data.keep_empty = true keeps them)"
    flagged = "1 clip left out with a flag that mine excludes (frozen)"
    assert json.loads(done.stdout)["warnings"][:2] == [nobody, flagged]
    kept = json.loads(shell(f"{line} --set data.keep_empty=true --json").stdout)
    assert kept["warnings"][:1] == [flagged]
    assert kept["run"] != json.loads(done.stdout)["run"]
    (tmp_path / "mine.toml").write_text(SPLIT + 'exclude_flags = ["frozn"]\n')
    wrong = shell(line)
    assert (wrong.exit_code, "`frozn` is not a flag. Did you mean `frozen`?" in wrong.stderr) == (2, True)


def test_cross_subject_episodes_of_a_custom_dataset(shell, home: Path, tmp_path: Path) -> None:
    assert shell(f"fsprep build {write_own(tmp_path, arrays=many())} --workers 1").exit_code == 0
    (tmp_path / "mine.toml").write_text(SPLIT)
    line = f"fszoo train protonet --data {tmp_path / 'mine.toml'} {SMALL} --set budget.episodes=1"
    one, other = (json.loads(shell(f"{line} {more} --json").stdout) for more in ("", "--set task.across=subject"))
    assert one["run"] != other["run"]
    refused = shell(f"{line} --set task.across=camera")
    assert refused.exit_code == 2
    assert "across is camera, and 24 clips have no camera: file names give it. In the dataset file" in refused.stderr


def test_classes_are_listed_by_number_and_name(shell, home: Path, tmp_path: Path) -> None:
    manifest = write_own(tmp_path, arrays=dict(list(clips().items())[:5]))
    rows = ["  0  wave      4 clips", "  1  point     1 clip", "  2  sit down  0 clips"]
    assert "\n".join(rows) in shell(f"fsprep validate {manifest}").stdout
    built = shell(f"fsprep build {manifest} --workers 1")
    assert "4 subjects, cameras not known" in built.stdout
    path = home / "stores" / "gestures-standard.zarr"
    assert "\n".join(rows) in shell(f"fsprep info {path} --classes").stdout
    assert "sit down" not in shell(f"fsprep info {path}").stdout
    assert json.loads(shell(f"fsprep info {path} --json").stdout)["subjects"] == 4
    assert "    2  sit down" in shell(f"fsprep list {manifest}").stdout
    assert "\ntrain 0\n    1  " in shell("fsprep list nw_ucla").stdout
    demo = shell("fsprep list demo").stdout
    assert demo.startswith("demo\n    0  wave right hand\n")
    assert "\ntrain\n    0  wave right hand\n" in demo
    shipped = json.loads(shell("fsprep list ntu60 --json").stdout)["ntu60"]
    assert shipped[1] == {"label": 1, "name": "eat meal/snack"}
    unknown = shell("fsprep list ntu61")
    assert (unknown.exit_code, "`ntu61` is no dataset or split. Did you mean `ntu60`?" in unknown.stderr) == (2, True)


def test_the_store_of_a_custom_dataset_is_found(shell, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SPLIT)
    line = f"fszoo train protonet --data {tmp_path / 'mine.toml'} {SMALL}"
    none = shell(line)
    assert none.exit_code == 2
    assert "no store of gestures in" in none.stderr
    assert "`fsprep build gestures.toml`" in none.stderr
    manifest = write_own(tmp_path / "own", "[custom_layout]", "[custom_layout]")
    assert shell(f"fsprep build {manifest} --workers 1").exit_code == 0
    (raw,) = (home / "stores").glob("gestures-*.zarr")
    shutil.copytree(raw, home / "stores" / "gestures-copy.zarr")
    # A folder that is no store, and one of another dataset whose name begins alike.
    (home / "stores" / "gestures-more-standard.zarr").mkdir()
    two = shell(line)
    assert two.exit_code == 2
    assert "gestures has 2 stores in the workspace. Choose one with --set data.preprocessing=NAME" in two.stderr
    assert str(raw) in two.stderr
    shutil.rmtree(home / "stores" / "gestures-copy.zarr")
    assert shell(line).exit_code == 0, shell(line).output
    absent = shell(f"{line} --set data.preprocessing=other")
    assert "no store of gestures with preprocessing `other`" in absent.stderr


def test_a_custom_subset(shell, home: Path, tmp_path: Path) -> None:
    manifest = write_own(tmp_path / "own")
    (tmp_path / "few.toml").write_text(SPLIT + "samples_per_class = 2\n")
    done = shell(f"fsprep build {manifest} --subset {tmp_path / 'few.toml'} --workers 1 --json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["clips"] == 10
    assert (home / "stores" / "gestures-few-standard.zarr").is_dir()


def test_bad_clips_are_explained_by_both_commands(shell, home: Path, tmp_path: Path) -> None:
    manifest = write_own(tmp_path / "own")
    folder = tmp_path / "own" / "clips"
    np.save(folder / "a01_s0_e0.npy", np.ones((3, 20, 7)))
    shutil.copy(folder / "a01_s1_e0.npy", folder / "b.npy")
    np.save(folder / "a02_s0_e0.npy", np.array([None]), allow_pickle=True)
    checked = shell(f"fsprep validate {manifest}")
    assert checked.exit_code == 3
    assert "3 of 21 clips are bad" in checked.stderr
    for words in ("a01_s0_e0: has shape (3, 20, 7); it must be frames x 7 joints x 3 numbers", "could run code"):
        assert words in checked.stderr
    assert f"Bad: b: {folder / 'b.npy'}: the name `b` does not match" in checked.stderr
    assert "which must match the whole name. Rename the file or move it away." in checked.stderr
    as_json = shell(f"fsprep validate {manifest} --json")
    assert (as_json.exit_code, len(json.loads(as_json.stdout)["bad"])) == (3, 3)
    built = shell(f"fsprep build {manifest} --workers 1")
    assert built.exit_code == 3
    assert "3 bad; everything else is converted, the store is not finished" in built.stderr
    assert shell(f"fsprep build {manifest} --workers 1 --allow-bad").exit_code == 0
    assert len(open_store(home / "stores" / "gestures-standard.zarr")) == 18


@pytest.mark.parametrize("command", ["build", "validate"])
def test_a_mistake_in_the_dataset_file_is_reported_without_a_traceback(
    shell, home: Path, tmp_path: Path, command: str
) -> None:
    done = shell(f"fsprep {command} {write_own(tmp_path / 'own', 'fps =', 'fsp =')}")
    assert done.exit_code == 2
    assert "gestures.toml: `fsp` is not a key of DatasetFile. Did you mean `fps`?" in done.stderr
    assert "Traceback" not in done.output
    gone = shell(f"fsprep {command} {tmp_path / 'gone.toml'}")
    assert (gone.exit_code, "gone.toml: cannot be read" in gone.stderr) == (2, True)


def test_the_raw_folder_stands_in_the_dataset_file(shell, home: Path, tmp_path: Path) -> None:
    done = shell(f"fsprep build {write_own(tmp_path / 'own')} --raw {tmp_path}")
    assert done.exit_code == 2
    assert "says where its clips are: `folder`. Leave out --raw." in done.stderr


def test_an_example_to_start_from(shell, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(shell("fsprep validate --example").stdout)
    (tmp_path / "clips").mkdir()
    np.save(tmp_path / "clips" / "a1_s2_e0.npy", np.random.default_rng(0).normal(0, 0.3, (9, 20, 3)))
    done = shell(f"fsprep validate {tmp_path / 'mine.toml'}")
    assert done.exit_code == 0, done.output
    assert shell("fsprep validate").exit_code == 2
    assert joints(0, 0).shape == (20, 7, 3)


def test_names_from_outside_cannot_act_on_the_terminal(shell, home: Path, tmp_path: Path) -> None:
    """Class names and file names may hold escape sequences, line breaks and bidirectional overrides."""
    dataset_file = write_own(tmp_path / "own", '"clap"', r'"clap\u001b[2J\u202e\nWarning: forged"')
    np.save(tmp_path / "own" / "clips" / "b\x1b[2J\nBad: forged.npy", np.ones((3, 7, 3)))
    done = shell(f"fsprep validate {dataset_file}")
    shown = done.stdout + done.stderr
    assert r"clap\x1b[2J\u202e\x0aWarning: forged" in shown
    assert r"b\x1b[2J\x0aBad: forged" in shown
    lines = shown.split("\n")
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith(("Warning: forged", "Bad: forged")) for line in lines)


def test_the_remarks_of_a_build_stand_in_its_json(shell, home: Path, tmp_path: Path) -> None:
    file = write_own(tmp_path)
    (tmp_path / "clips" / "readme.docx").write_text("x")
    done = shell(f"fsprep build {file} --workers 1 --json")
    assert done.exit_code == 0, done.output
    [remark] = json.loads(done.stdout)["remarks"]
    assert "readme.docx" in remark
    assert not remark.startswith("Note: ")
    assert json.loads(shell(f"fsprep build {file} --workers 1 --json").stdout)["remarks"] == []
