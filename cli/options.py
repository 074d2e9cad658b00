"""Options that several commands share, and how results and errors leave the program."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from manifests.text import plain

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

LESS_AT_A_TIME = (
    "Take less at a time: fewer --jobs or --workers, or a smaller task.way, task.queries_per_class, data.frames or "
    "budget.batch."
)
BAD_INPUT = 2
BAD_FILES = 3


def as_json(command: CommandT) -> CommandT:
    """--json: one JSON object on standard output, and no bars."""
    return click.option("--json", "json_", is_flag=True, help="Print one JSON object instead of text.")(command)


def store_path(command: CommandT) -> CommandT:
    """--store: a store outside the workspace."""
    return click.option("--store", type=click.Path(), help="Path or URL of a store outside the workspace.")(command)


def device(command: CommandT) -> CommandT:
    """--device: auto, cpu or cuda."""
    text = "auto uses CUDA if available."
    return click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help=text)(command)


def settings(command: CommandT) -> CommandT:
    """--set KEY=VALUE, any number of times."""
    text = "Change one key of the recipe, for example task.shot=5; may be repeated. The code in a .py file is executed."
    return click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)(command)


def pairs(settings: tuple[str, ...]) -> dict[str, str]:
    """Words NAME=VALUE as a mapping. Raises click's usage error for other words."""
    values = {}
    for word in settings:
        name, sign, value = word.partition("=")
        if not (name and sign):
            raise click.UsageError(f"`{word}` is not NAME=VALUE.")
        values[name] = value
    return values


def emit(json_: bool, record: Any, text: str) -> None:
    """Print the result of a command: as JSON, or as text in which control characters of names are escaped."""
    click.echo(json.dumps(record, default=str) if json_ else _plain_lines(text))


def print_error(message: str) -> None:
    """Print an error on standard error; control characters of names from outside are escaped."""
    click.echo(_plain_lines(f"Error: {message}"), err=True)


def plain_errors(command: CommandT) -> CommandT:
    """End the program with one message on standard error instead of a traceback.

    Errors of this project's classes, a full disk, refused paths and missing memory have exit status 2. For Ctrl-C see
    cli.interrupt.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except OSError as error:
            from prep.files import disk_error

            message = disk_error(error, error.filename or "the output", action="opened")
            if message is None:
                raise
            _fail(str(message))
        except Exception as error:
            if _out_of_memory(error):
                _fail(f"not enough memory ({str(error)[:200] or 'of the host'}). {LESS_AT_A_TIME}")
            if not _ours(error):
                raise
            _fail(str(error))

    return wrapped  # type: ignore[return-value]


def _fail(message: str) -> None:
    print_error(message)
    sys.exit(BAD_INPUT)


def _plain_lines(text: str) -> str:
    """`plain` for text of several lines."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _out_of_memory(error: Exception) -> bool:
    """Of Python and numpy, of torch on a GPU, and of torch on a CPU, which has no class for it."""
    named = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and named)


def _ours(error: Exception) -> bool:
    """Errors of this project's classes are written for users; any other error is a bug and keeps its traceback."""
    floor = type(error).__module__.split(".")[0]
    return floor in ("manifests", "prep", "episodes", "zoo", "cli")
