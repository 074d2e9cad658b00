"""Ctrl-C during a training: a checkpoint first, then the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import tiny_backbone
from helpers.stores import make_store

from cli.interrupt import deferred_interrupt
from zoo.engine.checkpoint import read_header
from zoo.runs.run import Run


def test_the_first_interrupt_is_noted_and_the_second_interrupts(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as noted:
        assert not noted()
        signal.raise_signal(signal.SIGINT)
        assert noted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "Ctrl-C again stops at once" in capsys.readouterr().err


@pytest.mark.slow
def test_a_stopped_training_has_saved(tmp_path: Path) -> None:
    store = make_store(tmp_path / "toy.zarr", clips_per_class=6, separable=0.2)
    settings = [f"backbone.name={tiny_backbone.__file__}", "data.frames=8", "budget.episodes=1000000"]
    settings += ["budget.checkpoint_every=1000000", "budget.episodes_per_epoch=1000000", "task.queries_per_class=2"]
    words = [sys.executable, "-m", "cli.fszoo", "train", "protonet", "--data", "demo", "--device", "cpu"]
    words += ["--store", str(store), "--out", str(tmp_path / "run"), *(w for s in settings for w in ("--set", s))]
    run = Run(tmp_path / "run")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as shell:
        deadline = time.monotonic() + 100
        while not (run.path / "recipe.toml").exists():
            assert shell.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(2)
        shell.send_signal(signal.SIGINT)
        _, errors = shell.communicate(timeout=100)
    assert shell.returncode == 130
    assert "Stopped. Run the same command; it continues." in errors
    assert read_header(run.checkpoint).progress.step > 0
