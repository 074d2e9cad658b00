"""How results and errors leave a command."""

from __future__ import annotations

import errno
import os

import click
import pytest
from click.testing import CliRunner, Result

from cli import options
from cli.fszoo import main
from prep.errors import PrepError


def run(raised: BaseException) -> Result:
    @click.command()
    @options.plain_errors
    def command() -> None:
        raise raised

    return CliRunner().invoke(command)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "out.npy: the disk is full, or a size limit was reached. Free some space and run the same"),
        (errno.EDQUOT, "out.npy: the disk is full, or a size limit was reached"),
        (errno.EFBIG, "out.npy: the disk is full, or a size limit was reached"),
        (errno.EROFS, "out.npy: cannot be opened (Read-only file system). Choose another folder"),
        (errno.EACCES, "out.npy: cannot be opened (Permission denied). Choose another folder, or change its rights"),
        (errno.ENOTDIR, "out.npy: cannot be opened (Not a directory)"),
    ],
)
def test_errors_of_the_disk_are_one_sentence(code: int, words: str) -> None:
    done = run(OSError(code, os.strerror(code), "out.npy"))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {words}")
    assert len(done.stderr.splitlines()) == 1


def test_a_short_write_of_numpy_is_a_full_disk() -> None:
    done = run(OSError("255360 requested and 992 written"))
    assert (done.exit_code, "the output: the disk is full" in done.stderr) == (2, True)


@pytest.mark.parametrize("bug", [OSError(errno.ENOSYS, "no"), ValueError("bug"), KeyError("bug")])
def test_bugs_keep_their_traceback(bug: Exception) -> None:
    assert run(bug).exception is bug


HOSTILE = "wave\x1b]0;title\x07\x9b2J\u202etxt\u200b"


def test_names_from_outside_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(PrepError(f"{HOSTILE}: broken\nsecond line"))
    assert done.stderr == "Error: wave\\x1b]0;title\\x07\\x9b2J\\u202etxt\\u200b: broken\nsecond line\n"
    options.emit(False, {}, f"  {HOSTILE}\n  größe 走")
    assert capsys.readouterr().out == "  wave\\x1b]0;title\\x07\\x9b2J\\u202etxt\\u200b\n  größe 走\n"
    options.emit(True, {"name": HOSTILE}, "")
    assert capsys.readouterr().out.isascii()


@pytest.mark.parametrize("command", ["train", "sweep", "show", "import-weights"])
def test_the_help_says_that_code_of_the_user_is_executed(command: str) -> None:
    done = CliRunner().invoke(main, [command, "--help"])
    text = " ".join(done.output.split())
    assert (
        "code is executed" in text
        or "code in a .py file" in text
        or "that of a BACKBONE in a file of your own is" in text
    )
