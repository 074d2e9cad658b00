"""What the commands that embed share: their options, the store meant, and a loaded encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.device import choose
from cli.workspace import WorkspaceError, workspace

if TYPE_CHECKING:
    from collections.abc import Callable

    from prep.embedding.job import Model
    from prep.encoders._encoder import Precision
    from prep.store.read import Store

CommandT = TypeVar("CommandT", bound="Callable[..., Any]")

_OPTIONS = (
    click.option("--encoder", required=True, metavar="NAME|FILE.py", help="`fsprep list` has them; or one's own."),
    click.option("--weights", default="", metavar="PATH|NAME", help="A folder, file or name [default: the paper's]."),
    click.option("--name", default="", help="Name in the store [default: the encoder's]."),
    click.option(
        "--precision",
        default="float32",
        show_default=True,
        type=click.Choice(["float32", "bfloat16"]),
        help="What the encoder computes in.",
    ),
    click.option(
        "--stored",
        default="float32",
        show_default=True,
        type=click.Choice(["float32", "float16"]),
        help="What is kept.",
    ),
    click.option("--replace", is_flag=True, help="Put these in place of others under the name."),
)


def options_of_encoders(command: CommandT) -> CommandT:
    """--encoder, --weights, --name, --precision, --stored, --replace."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def the_store(where: str | None) -> Store:
    """The store named, or the only one of the workspace. Raises WorkspaceError."""
    from prep.store.read import open_store

    if where:
        return open_store(where)
    held = sorted(workspace().stores.glob("*.zarr"))
    if len(held) != 1:
        known = ", ".join(path.name for path in held) or "none"
        raise WorkspaceError(f"{workspace().stores}: name the store with --store; there are: {known}.")
    return open_store(held[0])


def model(encoder: str, weights: str, device: str, precision: Precision) -> Model:
    """The encoder, loaded."""
    from prep.embedding.job import Model
    from prep.encoders._encoder import encoder as kind_of

    kind = kind_of(encoder)
    loaded = kind.load(weights, str(choose(device)), precision)
    return Model(kind.facts, loaded, _without_folders(weights) or kind.facts.weights, precision)


def _without_folders(weights: str) -> str:
    """What a store may say of weights: a name of the hub as it is, of a file or folder here the last part alone."""
    model, sign, path = weights.rpartition("=")
    return f"{model}{sign}{Path(path).name}" if sign or Path(path).exists() else weights


def in_workspace(path: Path | None, dataset: str) -> Path:
    """A folder given, or the data set's raw folder."""
    return (path or workspace().raw(dataset)).absolute()
