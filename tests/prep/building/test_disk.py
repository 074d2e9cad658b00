"""A full disk, a size limit and a refused permission: explained, and continued by the same command."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.build_jobs import built, job, run

from prep.building import build as building
from prep.errors import PrepError

pytestmark = pytest.mark.usefixtures("small_parts")


def test_a_full_disk_says_so_and_the_build_goes_on_later(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = job(raw, tmp_path / "s.zarr")
    save, calls = np.save, []

    def full(*arguments: object, **options: object) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(PrepError, match="the disk is full, or a size limit was reached. Free some space"):
        run(task)
    monkeypatch.setattr(np, "save", save)
    assert len(built(task)) == 60


def slow(error: OSError, words: str) -> Any:
    """One case whose tests are slow."""
    return pytest.param(error, words, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        slow(OSError(errno.EFBIG, "File too large"), "a size limit was reached"),
        slow(OSError("255360 requested and 992 written"), "the disk is full"),
        slow(OSError(errno.EROFS, "Read-only file system"), "cannot be written .*Choose another folder"),
        slow(PermissionError(errno.EACCES, "Permission denied"), "cannot be written .*Choose another folder"),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", ["write_part", "create", "finalise", "mkdir"])
def test_a_disk_that_refuses_is_explained_and_the_build_continues(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str, function: str
) -> None:
    task = job(raw, tmp_path / "s.zarr")

    def refuse(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        target = {"write_part": (np, "savez"), "mkdir": (Path, "mkdir")}.get(function, (building, function))
        patch.setattr(*target, refuse)
        with pytest.raises(PrepError, match=words):
            run(task)
    assert not list(tmp_path.rglob("*.writing"))
    assert len(built(task)) == 60


def test_a_real_size_limit_is_explained(raw: Path, tmp_path: Path) -> None:
    program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
    program += "from cli.fsprep import main; main()"
    command = [sys.executable, "-c", program, "build", "nw_ucla", "--preprocessing", "raw", "--workers", "1"]
    done = subprocess.run(
        [*command, "--raw", str(raw), "--out", str(tmp_path / "s.zarr")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "a size limit was reached. Free some space and run the same command" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s.zarr").exists()
