"""Shared by the commands that embed: their options, the store to write to, and a loaded encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.device import choose
from cli.workspace import WorkspaceError, workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from prep.embedding.job import LoadedEncoder
    from prep.encoders._encoder import Precision
    from prep.store.read import Store

LINES_SHOWN = 20
CommandT = TypeVar("CommandT", bound="Callable[..., Any]")

_OPTIONS = (
    click.option(
        "--encoder",
        required=True,
        metavar="NAME|FILE.py",
        help="An encoder that `fsprep list` shows, or your own Python file. The code in that file is executed.",
    ),
    click.option("--weights", default="", metavar="PATH|NAME", help="Folder, file or name [default: the paper's]."),
    click.option("--name", default="", help="Name of the embedding in the store [default: the encoder's]."),
    click.option(
        "--precision",
        default="float32",
        show_default=True,
        type=click.Choice(["float32", "bfloat16"]),
        help="Compute precision.",
    ),
    click.option(
        "--stored",
        default="float32",
        show_default=True,
        type=click.Choice(["float32", "float16"]),
        help="Data type of stored vectors.",
    ),
    click.option("--replace", is_flag=True, help="Replace other vectors that are stored under this name."),
)


def encoder_options(command: CommandT) -> CommandT:
    """Add --encoder, --weights, --name, --precision, --stored and --replace."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def store_or_only(where: str | None) -> Store:
    """The store at a path or URL, or the only store of the workspace. Raises WorkspaceError if there are others."""
    from prep.store.read import open_store

    if where:
        return open_store(where)
    stores = sorted(workspace().stores.glob("*.zarr"))
    if len(stores) != 1:
        names = ", ".join(path.name for path in stores) or "none"
        raise WorkspaceError(f"{workspace().stores}: name the store with --store; there are: {names}.")
    return open_store(stores[0])


def load_encoder(name: str, weights: str, device: str, precision: Precision) -> LoadedEncoder:
    """Load an encoder by name or from a user's own file."""
    from prep.embedding.job import LoadedEncoder
    from prep.encoders._encoder import encoder

    entry = encoder(name)
    loaded = entry.load(weights, str(choose(device)), precision)
    return LoadedEncoder(entry.facts, loaded, _without_folders(weights) or entry.facts.weights, precision)


def _without_folders(weights: str) -> str:
    """The name of weights for a store: a hub name as it is, only the last part of a path on this machine."""
    model, sign, path = weights.rpartition("=")
    return f"{model}{sign}{Path(path).name}" if sign or Path(path).exists() else weights


def in_workspace(path: Path | None, dataset: str) -> Path:
    """The given folder, or the dataset's raw folder in the workspace."""
    return (path or workspace().raw(dataset)).absolute()


def listed(title: str, rows: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> list[str]:
    """A line for each of the first 20 (name, reason), and one that counts the others."""
    lines = [f"  {title}: {name}{f': {reason}' if reason else ''}" for name, reason in rows[:LINES_SHOWN]]
    return lines + ([f"  ... and {len(rows) - LINES_SHOWN:,} more; --json has all"] if len(rows) > LINES_SHOWN else [])
