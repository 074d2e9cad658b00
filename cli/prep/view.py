"""fsprep view."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from cli import options

PORT = 8750


@click.command("view")
@click.argument("stores", metavar="STORE|URL [OTHER]", nargs=-1, required=True)
@click.option("--videos", type=click.Path(path_type=Path, exists=True), help="Folder or zip of the clips' videos.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes any free port.")
@click.option("--split", "split_name", default="", metavar="NAME|FILE", help="The split that is offered first.")
@click.option(
    "--marks",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the marked clips, a split that excludes them [default: STORE-marked.toml].",
)
@click.option(
    "--confusion",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="confusion.json of a run: a cell of its confusion matrix lists the query clips in it.",
)
@options.plain_errors
def command(
    stores: tuple[str, ...],
    videos: Path | None,
    port: int,
    split_name: str,
    marks: Path | None,
    confusion: Path | None,
) -> None:
    """Browse the clips of a store in a web browser and play them, on this machine only; Ctrl-C ends it.

    Two stores are shown beside each other. The printed address opens the page; it holds a token that keeps other users
    of the machine out.
    """
    import secrets

    from cli.workers import decoding_workers
    from prep.viewer.server import ViewerServer
    from prep.viewer.session import Session

    if len(stores) > 2:
        raise click.UsageError(f"{len(stores)} stores are given. Name one, or two to compare.")
    marks = marks or Path(f"{Path(stores[0].rstrip('/')).stem}-marked.toml")
    with decoding_workers(1) as workers:
        session = Session(stores, marks, split_name, videos, workers, confusion)
        with ViewerServer(session, port, secrets.token_urlsafe(24)) as server:
            click.echo(f"{server.address}\nOpen this address in a browser. Ctrl-C ends the viewer.")
            with suppress(KeyboardInterrupt):
                for view in session.views:
                    view.warm_up()
                server.serve_forever()
    click.echo("The viewer has ended.")
