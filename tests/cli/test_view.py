"""fsprep view: what it refuses, and that it serves until it is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from helpers.shell import Shell
from helpers.viewing import view_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    view_store(folder / "s.zarr")
    (folder / "bad.json").write_text("<b>")
    return folder


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fsprep view a.zarr", "a.zarr: "),
        ("fsprep view s.zarr --videos gone", "Path 'gone' does not exist"),
        ("fsprep view s.zarr --port 70000", "70000 is not in the range"),
        ("fsprep view s.zarr s.zarr s.zarr", "3 stores are given. Name one, or two to compare."),
        ("fsprep view s.zarr --split ntu_t", "--split ntu_t: is a split of `ntu120`"),
        ("fsprep view s.zarr --confusion gone.json", "File 'gone.json' does not exist"),
        ("fsprep view s.zarr --confusion bad.json", "bad.json: is not readable as JSON"),
        ("fsprep view", "Missing argument"),
    ],
)
def test_a_wrong_command_is_one_sentence(
    shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    monkeypatch.chdir(folder)
    done = shell(line)
    assert done.exit_code == 2
    assert words in done.output


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    view_store(tmp_path / "s.zarr")
    command = [sys.executable, "-m", "cli.fsprep", "view", str(tmp_path / "s.zarr"), "--port", "0"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
        with build_opener(HTTPCookieProcessor()).open(address, timeout=20) as page:
            assert b"fsprep view" in page.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stdout.read().endswith("The viewer has ended.\n")
        assert process.stderr is not None
        assert process.stderr.read() == ""
