"""Values that no run can have, and devices that no machine has: one line with the remedy, and status 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.sweeps import SETTINGS, words

from cli import options

HUGE = "99999999999999999999"


def check_one_line(done, *parts: str) -> None:
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("optimiser.lr=-1", "lr is -1; a learning rate must be above 0 and finite"),
        ("optimiser.lr=0", "lr is 0; a learning rate must be above 0"),
        ("optimiser.lr=nan", "lr is nan; "),
        ("optimiser.lr=inf", "lr is inf; "),
        ("optimiser.weight_decay=-1", "weight_decay is -1; it must be at least 0"),
        ("optimiser.momentum=1", "momentum is 1; it must be at least 0 and below 1"),
        ("optimiser.momentum=-1", "momentum is -1"),
        ("optimiser.grad_clip=nan", "grad_clip is nan"),
        ("optimiser.min_lr=-1", "min_lr is -1"),
        ("optimiser.patience=-5", "patience is -5"),
        (f"seed={HUGE}", f"seed is {HUGE}; it must be at most 4,294,967,295"),
        ("seed=-1", "seed is -1; it must be at least 0"),
        (f"budget.test_seed={HUGE}", "test_seed is"),
        ("data.clip_seed=-7", "clip_seed is -7; it must be at least -1"),
        ("data.clips_per_class=-1", "clips_per_class is -1; it must be at least 0"),
        (f"data.frames={HUGE}", "frames is"),
        (f"budget.test_episodes={HUGE}", "test_episodes is"),
        ("task.way=1", "way is 1: an episode needs at least 2"),
        ("task.shot=0", "shot is 0: an episode needs at least 1"),
        ("task.queries_per_class=0", "queries_per_class is 0: an episode needs at least 1"),
    ],
)
def test_a_value_that_no_run_can_have(shell, in_demo: Path, tmp_path: Path, setting: str, text: str) -> None:
    out = tmp_path / "run"
    line = ["fszoo", "train", "protonet", "--data", "demo", *words([setting]), "--out", str(out)]
    check_one_line(shell(line), text)
    assert not out.exists()


@pytest.mark.parametrize("seed", ["0", "4294967295"])
def test_the_smallest_and_the_largest_seed_train(shell, in_demo: Path, tmp_path: Path, seed: str) -> None:
    settings = words((*SETTINGS, f"seed={seed}", f"budget.test_seed={seed}"))
    done = shell(["fszoo", "train", "protonet", "--data", "demo", *settings, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("device", ["gpu", "mps", "xpu", "cdua", "cuda:", "cuda:-1", "cuda:1:2", "cuda:٣", ""])
@pytest.mark.parametrize("command", ["train", "sweep", "sweep --array"])
def test_a_device_that_is_none(shell, in_demo: Path, tmp_path: Path, command: str, device: str) -> None:
    name, *more = command.split()
    axes = ["--over", "seed=0,1"] if name == "sweep" else ["--out", str(tmp_path / "run")]
    line = ["fszoo", name, "protonet", "--data", "demo", *axes, *more, "--device", device]
    check_one_line(shell(line), f"--device {device}: devices are auto, cpu, cuda and cuda:N", "else cpu.")


@pytest.mark.parametrize(
    "error", [MemoryError(), MemoryError("3 GB"), RuntimeError("[...] DefaultCPUAllocator: can't allocate memory: 8")]
)
def test_missing_memory_is_one_line(capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    @options.plain_errors
    def command() -> None:
        raise error

    with pytest.raises(SystemExit, match="2"):
        command()
    assert capsys.readouterr().err.startswith("Error: not enough memory (")
