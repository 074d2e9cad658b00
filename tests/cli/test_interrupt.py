"""Ctrl-C during a training: a checkpoint first, then the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from helpers import tiny_backbone
from helpers.stores import make_store

from cli.group import FolderGroup
from cli.interrupt import deferred_interrupt
from zoo.engine.checkpoint import read_header
from zoo.runs.run import Run


def program(body: Callable[[], None]) -> Result:
    """A program with one command; it runs `body`."""

    class Program(FolderGroup):
        def get_command(self, ctx: click.Context, name: str) -> click.Command:
            return click.Command(name, callback=body)

    return CliRunner().invoke(Program("program"), ["go"])


STOPPED = (130, "Stopped. Run the same command; it continues.\n")


def test_an_interrupt_is_one_line_and_its_status() -> None:
    done = program(lambda: signal.raise_signal(signal.SIGINT))
    assert (done.exit_code, done.stderr) == STOPPED


def test_an_interrupt_counts_where_the_parent_had_it_ignored() -> None:
    """As in a background command of a shell without job control."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        done = program(lambda: signal.raise_signal(signal.SIGINT))
        assert (done.exit_code, done.stderr) == STOPPED
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_a_library_turns_into_another_error_counts() -> None:
    def convert() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("multiarray failed to import") from None

    done = program(convert)
    assert (done.exit_code, done.stderr) == STOPPED
    assert isinstance(program(lambda: fail(ImportError("real"))).exception, ImportError)


def test_an_interrupt_inside_a_destructor_is_raised_again() -> None:
    class Closing:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def drop() -> None:
        del [Closing()][0]
        time.sleep(10)

    done = program(drop)
    assert (done.exit_code, done.stderr) == STOPPED


def fail(error: Exception) -> None:
    raise error


def test_the_first_interrupt_is_noted_and_the_second_interrupts(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as noted:
        assert not noted()
        signal.raise_signal(signal.SIGINT)
        assert noted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "Ctrl-C again stops at once" in capfd.readouterr().err


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
