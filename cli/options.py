"""Options that several commands share, each written once; how errors and results leave the program."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

BAD_INPUT = 2
BAD_FILES = 3


def as_json(command: CommandT) -> CommandT:
    """--json: one JSON object on standard output, and no bars."""
    return click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of text.")(command)


def store_path(command: CommandT) -> CommandT:
    """--store: a store elsewhere than in the workspace."""
    return click.option("--store", type=click.Path(), help="A store elsewhere than in the workspace.")(command)


def device(command: CommandT) -> CommandT:
    """--device: auto, cpu or cuda."""
    text = "auto takes CUDA where there is one."
    return click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help=text)(command)


def settings(command: CommandT) -> CommandT:
    """--set KEY=VALUE, any number of times."""
    text = "Change one key of the recipe, for example task.shot=5; may be given many times."
    return click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)(command)


def pairs(settings: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE words as a mapping. Raises click's usage error for another shape."""
    found = {}
    for word in settings:
        name, sign, value = word.partition("=")
        if not (name and sign):
            raise click.UsageError(f"`{word}` is not NAME=VALUE.")
        found[name] = value
    return found


def emit(json_: bool, record: Any, text: str) -> None:
    """The result of a command on standard output."""
    click.echo(json.dumps(record, default=str) if json_ else text)


def plain_errors(command: CommandT) -> CommandT:
    """The project's own errors become one message on standard error and exit status 2, without a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            _fail(f"the disk is full ({error.filename or 'while writing'}). Free some space and run the same command.")
        except Exception as error:
            if not _ours(error):
                raise
            _fail(str(error))

    return wrapped  # type: ignore[return-value]


def _fail(message: str) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(BAD_INPUT)


def _ours(error: Exception) -> bool:
    """Errors of this project's own classes are meant to be read; anything else is a bug and keeps its traceback."""
    floor = type(error).__module__.split(".")[0]
    return floor in ("manifests", "prep", "episodes", "zoo", "cli")
