"""fszoo import-weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import options
from cli.workspace import WorkspaceError, workspace

if TYPE_CHECKING:
    from zoo.engine.header import Imported


@click.command("import-weights")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("backbone", metavar="BACKBONE|FILE.py")
@click.option("--layout", default="ntu25", show_default=True, help="Skeleton of the clips that FILE was trained on.")
@click.option("--bodies", default=2, show_default=True, type=click.IntRange(1), help="Bodies of these clips.")
@click.option("--channels", type=click.IntRange(1), help="Channels of these clips [default: the layout's coordinates].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of the backbone; may repeat.")
@click.option("--out", type=click.Path(path_type=Path), help="File of the weights [default: in the workspace].")
@options.as_json
@options.plain_errors
def command(
    file: Path,
    backbone: str,
    layout: str,
    bodies: int,
    channels: int | None,
    settings: tuple[str, ...],
    out: Path | None,
    json_: bool,
) -> None:
    """Make initial weights of FILE, a checkpoint that the authors of BACKBONE released.

    FILE is of torch.save (.pt, .pth) or .safetensors; no code in it is executed; that of a
    BACKBONE in a file of your own is. The classifier is left out. Train from
    the result with `--set backbone.name=BACKBONE --set init.source=OUT`. Which classes the authors trained on is not
    known here, and every result says so.
    """
    from manifests.facts import layout as layout_of
    from zoo.engine.imported import save_imported
    from zoo.experiment.import_weights import Target, import_weights

    skeleton = layout_of(layout)
    chosen = Target(backbone, _options(backbone, settings), skeleton, channels or skeleton.coordinates, bodies)
    weights, about = import_weights(file, chosen)
    path = _free(out or workspace().weights / f"{file.stem}-{about.backbone}.safetensors", about)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_imported(path, weights, about)
    left_out = ", ".join(about.left_out) or "nothing"
    start = f"start with --set backbone.name={backbone} --set init.source={path}"
    options.emit(json_, {"weights": str(path), **asdict(about)}, f"{path}: {chosen}\n  left out: {left_out}\n  {start}")


def _options(backbone: str, settings: tuple[str, ...]) -> Any:
    from zoo.experiment.recipe import Choice
    from zoo.experiment.resolve import options as options_of
    from zoo.experiment.settings import parsed_setting

    values: dict[str, Any] = {}
    for text in settings:
        values |= parsed_setting(text)
    return options_of(Choice(backbone, values), "backbones")


def _free(path: Path, about: Imported) -> Path:
    """The same path. Raises WorkspaceError where it holds anything but these weights: a run may start from them."""
    from zoo.engine.imported import SUFFIX, read_imported

    if path.suffix != SUFFIX:
        raise WorkspaceError(f"--out {path}: imported weights are a {SUFFIX} file. Give it that ending.")
    if path.exists() and read_imported(path) != about:
        raise WorkspaceError(f"{path}: exists and holds other weights. Choose another file with --out, or delete it.")
    return path
