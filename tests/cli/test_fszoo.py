"""fszoo as a user types it."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.shell import Shell

from cli.device import bfloat16_is_slow
from cli.zoo._common import slow_precision
from prep import files
from zoo.experiment.resolve import resolve

QUICK = [
    word
    for setting in (
        "data.frames=8",
        "budget.episodes=6",
        "budget.episodes_per_epoch=3",
        "budget.validation_episodes=2",
        "budget.test_episodes=4",
        "task.queries_per_class=2",
    )
    for word in ("--set", setting)
]


@pytest.fixture(scope="module")
def trained(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSPREP_HOME", str(demo_home))
        done = Shell()(["fszoo", "train", "protonet", "--data", "demo", "--out", str(run), *QUICK])
    assert done.exit_code == 0, done.output
    return run


def test_train_eval_and_train_again(shell, in_demo: Path, trained: Path) -> None:
    again = shell(["fszoo", "train", "protonet", "--data", "demo", "--out", str(trained), *QUICK])
    assert again.exit_code == 0
    assert "Already finished" in again.output
    first = json.loads((trained / "result.json").read_text())
    second = json.loads(shell(f"fszoo eval {trained} --json").stdout)
    assert {key: second[key] for key in first if key != "warnings"} | {"warnings": []} == first
    untrained = json.loads(shell(f"fszoo eval {trained} --untrained --json").stdout)
    assert untrained["trained"] == 0 < first["trained"] <= 6
    more = json.loads(shell(f"fszoo eval {trained} --json --set budget.test_episodes=8").stdout)
    assert more["episodes"] == 8


def test_the_saved_recipe_runs(shell, in_demo: Path, trained: Path, tmp_path: Path) -> None:
    done = shell(["fszoo", "train", str(trained / "recipe.toml"), "--out", str(tmp_path / "run"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["accuracy"] == json.loads((trained / "result.json").read_text())["accuracy"]


def test_compare_shows_ours_beside_the_papers(shell, trained: Path) -> None:
    done = shell(f"fszoo compare {trained}")
    assert done.exit_code == 0
    assert "protonet" in done.output
    rows = json.loads(shell(f"fszoo compare {trained} --json").stdout)["rows"]
    assert rows[0]["runs"] == 1


def test_list_and_show(shell, in_demo: Path) -> None:
    listed = json.loads(shell("fszoo list --json").stdout)
    assert {"dastm", "dtw", "protonet"} <= set(listed["recipes"])
    assert {"agcn", "stgcn"} <= set(listed["backbones"])
    assert "Ma et al., ECCV 2022" in listed["methods"]["dastm"]
    assert "Yan et al., AAAI 2018" in listed["backbones"]["stgcn"]
    text = shell("fszoo list").stdout
    assert "  dastm                          DASTM as the paper states it\n    dastm_rank " in text
    assert max(map(len, text.partition("\nruns\n")[0].splitlines())) <= 110
    assert "Kim and Reiter" in text
    shown = tomllib.loads(shell("fszoo show dastm --data demo --set task.shot=5").stdout)
    assert (shown["data"]["split"], shown["task"]["shot"], shown["method"]["name"]) == ("demo", 5, "dastm")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fszoo train dasmt", "Did you mean `dastm`?"),
        ("fszoo train dastm --data dem", "Did you mean `demo`?"),
        ("fszoo train dastm --set task.shott=5", "Did you mean `shot`?"),
        ("fszoo train dastm", "Build it: `fsprep build ntu120 --subset ntu_t`"),
        ("fszoo train protonet --data demo --device cuda", "no CUDA"),
        ("fszoo train protonet --data demo --set task.queries_per_class=10", "clips"),
        ("fszoo train protonet --data demo --store nowhere.zarr", "no store there"),
        ("fszoo eval nowhere", "no recipe.toml, so it is not a run"),
        ("fszoo compare nowhere", "no recipe.toml, so it is not a run"),
        ("fszoo show dastn", "Did you mean `dastm`?"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(shell, in_demo: Path, line: str, words: str) -> None:
    done = shell(line)
    assert done.exit_code == 2, done.output
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")


def test_a_damaged_result_is_named(shell, trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "result.json").write_text("{")
    done = shell(f"fszoo compare {run}")
    assert done.exit_code == 2
    assert "damaged" in done.stderr


def test_a_full_disk_is_said_plainly(shell, in_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    done = shell(["fszoo", "train", "protonet", "--data", "demo", "--out", str(tmp_path / "run"), *QUICK])
    assert done.exit_code == 2
    assert "the disk is full" in done.stderr
    assert "run the same command" in done.stderr


METHOD = """
import torch
from zoo.methods import Method

class Model(Method):
    \"\"\"Cosine of mean maps.\"\"\"

    def score(self, support, query):
        prototypes, queries = support.mean((2, 3, 4)), query.mean((2, 3))
        return 10 * torch.cosine_similarity(queries[:, :, None], prototypes[:, None], dim=-1)
"""


def test_a_method_of_your_own_is_trained_evaluated_compared_and_listed(shell, in_demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "my_method.py"
    file.write_text(METHOD)
    done = shell(["fszoo", "train", str(file), "--data", "demo", "--json", *QUICK])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["recipe"], result["way"]) == ("my_method", 5)
    run = result["run"]
    assert json.loads(shell(f"fszoo eval {run} --json").stdout)["accuracy"] == result["accuracy"]
    assert "my_method" in shell(f"fszoo compare {run}").output
    assert run in json.loads(shell("fszoo list --json").stdout)["runs"]
    assert "Already finished" in shell(["fszoo", "train", str(file), "--data", "demo", *QUICK]).output


def test_a_backbone_of_your_own(shell, in_demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "my_backbone.py"
    file.write_text(
        "from torch import nn\nfrom zoo.backbones import Backbone\n"
        "class Model(Backbone):\n"
        "    width = 8\n"
        "    def __init__(self, layout, channels, bodies, options):\n"
        "        super().__init__(layout, channels, bodies)\n"
        "        self.map = nn.Linear(channels, self.width)\n"
        "    def features(self, clips):\n"
        "        return self.map(clips.flatten(0, 1))\n"
    )
    done = shell(["fszoo", "train", "protonet", "--data", "demo", "--json", "--set", f"backbone.name={file}", *QUICK])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["backbone"] == "my_backbone"


def test_a_chain_is_one_command(shell, in_demo: Path, tmp_path: Path) -> None:
    line = ["fszoo", "train", "finetuned_cosine", "--data", "demo", "--out", str(tmp_path / "run"), "--json", *QUICK]
    done = shell([*line, "--set", 'init.settings=["budget.epochs=1"]'])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["init_digest"]
    (first,) = (in_demo / "runs").glob("supervised-demo-*")
    refused = shell(f"fszoo eval {first}")
    assert refused.exit_code == 2
    assert "a pre-training run has no test accuracy" in refused.stderr
    assert "a pre-training run has no test accuracy" in shell(f"fszoo compare {first}").output


def test_eval_prints_the_pairs_that_a_run_confuses_most(shell, in_demo: Path, trained: Path) -> None:
    plain = json.loads(shell(f"fszoo eval {trained} --json").stdout)
    counted = json.loads(shell(f"fszoo eval {trained} --confused 5 --json").stdout)
    pairs = counted.pop("confused")
    assert counted == plain
    assert 1 <= len(pairs) <= 5
    assert all(pair["share"] == pair["times"] / pair["queries"] > 0 for pair in pairs)
    line = "confused: {name} ({label}) taken for {taken_for_name} ({taken_for}): ".format(**pairs[0])
    assert line in shell(f"fszoo eval {trained} --confused 1").stdout
    refused = shell(f"fszoo eval {trained} --confused 1 --untrained")
    assert refused.exit_code == 2
    assert "Leave out --untrained" in refused.stderr


def test_evaluation_on_classes_that_were_trained_on_is_marked(
    shell, in_demo: Path, trained: Path, tmp_path: Path
) -> None:
    file = tmp_path / "seen.toml"
    text = 'title = "x"\nsource = "x"\ndataset = "demo"\nprotocol = "episodic"\nseed = 0\n'
    file.write_text(text + "train = [5, 8]\ntest = [0, 1, 3, 6, 7]\n")
    line = ["fszoo", "eval", str(trained), "--set", f"data.split={file}"]
    assert "Warning: the run was trained on 5 of these test classes" in shell(line).output
    assert "trained on 5" in json.loads(shell([*line, "--json"]).stdout)["warnings"][0]


@pytest.mark.parametrize("program", ["cli.fsprep", "cli.fszoo"])
def test_programs_run_as_modules(program: str) -> None:
    done = subprocess.run([sys.executable, "-m", program, "--help"], capture_output=True, text=True, check=True)
    assert "Commands:" in done.stdout


def test_scores_of_a_wrong_shape_are_named(shell, in_demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "my_shape.py"
    file.write_text(METHOD.replace("dim=-1)", "dim=-1).sum(-1)"))
    done = shell(["fszoo", "train", str(file), "--data", "demo", *QUICK])
    assert done.exit_code == 2
    assert "score() returned shape (1, 10); it must be (B, Q, N), here (1, 10, 5)" in done.stderr


def test_a_lazy_parameter_is_refused_before_training(shell, in_demo: Path, tmp_path: Path) -> None:
    """Such a run trained, and could neither be continued nor measured."""
    file = tmp_path / "my_lazy.py"
    init = "    def __init__(self, backbone, options, known):\n        super().__init__(backbone, options, known)\n"
    init += "        self.map = torch.nn.LazyLinear(4)\n\n"
    file.write_text(METHOD.replace("    def score", init + "    def score"))
    done = shell(["fszoo", "train", str(file), "--data", "demo", *QUICK])
    assert done.exit_code == 2
    assert "`map.weight` is lazy" in done.stderr
    assert "D of a feature map is backbone.width" in done.stderr


@pytest.mark.parametrize("line", ["list", "show dastm --data nw_ucla", "show byol --json", "compare RUN"])
def test_reading_loads_no_library_of_tensors(in_demo: Path, trained: Path, line: str) -> None:
    words = line.replace("RUN", str(trained)).split()
    script = (
        "import sys\nfrom cli.fszoo import main\n"
        f"try: main({words!r})\nexcept SystemExit as stop: assert not stop.code\n"
        "print([name for name in ('torch', 'numpy', 'zarr', 'jaxtyping') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unfinished_run_says_so(shell, in_demo: Path, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "result.json").unlink()
    measured = json.loads(shell(f"fszoo eval {run} --json").stdout)
    assert measured["warnings"] == ["the run is not finished (at 6 of 6); these are its weights so far"]
    again = shell(["fszoo", "train", "protonet", "--data", "demo", "--out", str(run), *QUICK])
    assert again.exit_code == 0, again.output
    assert f"{run}: continues after 6 of 6" in again.stderr
    assert not json.loads(shell(f"fszoo eval {run} --json").stdout)["warnings"]


def test_options_without_a_class_are_named(shell, in_demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "my_scale.py"
    file.write_text(METHOD.replace("return 10 *", "return self.options.scale *"))
    done = shell(["fszoo", "train", str(file), "--data", "demo", *QUICK])
    assert done.exit_code == 2
    assert "my_scale.py: uses `options.scale`, but has no class `Options`. Write a frozen dataclass" in done.stderr


@pytest.mark.parametrize(
    ("cpuinfo", "slow"),
    [
        ("flags\t: fpu avx2 avx512f", True),
        ("flags\t: fpu avx512_bf16", False),
        ("flags\t: amx_bf16", False),
        ("Features\t: fp asimd bf16", False),
        ("Features\t: fp asimd", True),
        ("model name: unknown", False),
    ],
)
def test_emulated_bfloat16_is_recognised(tmp_path: Path, cpuinfo: str, slow: bool) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(cpuinfo)
    assert bfloat16_is_slow(torch.device("cpu"), file) == slow
    assert not bfloat16_is_slow(torch.device("cuda"), file)
    assert not bfloat16_is_slow(torch.device("cpu"), tmp_path / "none")


def test_float16_on_a_processor_is_warned_of() -> None:
    half = replace(resolve("protonet", "demo"), precision="float16")
    assert "several times slower than float32" in slow_precision(half, torch.device("cpu"))[0]
    assert slow_precision(half, torch.device("cuda")) == []


def test_emulated_bfloat16_is_warned_of(shell, in_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.device.bfloat16_is_slow", lambda device: True)
    line = ["fszoo", "train", "protonet", "--data", "demo", *QUICK, "--set", "precision=bfloat16"]
    done = shell([*line, "--out", str(tmp_path / "run")])
    assert "Warning: precision is bfloat16: this processor has no instructions for it" in done.stderr
    assert "about 35 times slower. Set precision=float32." in done.stderr
