"""fsprep push."""

from __future__ import annotations

import click

from cli import options
from cli.bars import meter
from cli.prep._sharing import ENVIRONMENT, jobs, show


@click.command("push", epilog=ENVIRONMENT)
@click.argument("store", type=click.Path())
@click.argument("url", metavar="URL|FOLDER")
@jobs
@click.option("--replace", is_flag=True, help="Write over another store that is there.")
@click.option("--i-have-the-right", "have_right", is_flag=True, help="Hand on data though their terms forbid it.")
@click.option("--recipe-only", is_flag=True, help="Share what `fsprep rebuild` needs, and no clip.")
@options.as_json
@options.plain_errors
def command(store: str, url: str, jobs: int, replace: bool, have_right: bool, recipe_only: bool, json_: bool) -> None:
    """Send STORE to URL (https, http with PUT, s3) or a folder, with a data card.

    Every file is read back and compared. A push that was stopped is continued by the same command; what is there counts
    as a store only when the last file, manifest.json, has come.
    """
    from prep.sharing.rebuild import push_recipe
    from prep.sharing.share import push
    from prep.store.read import open_store

    opened = open_store(store)
    if recipe_only:
        push_recipe(opened, url, replace)
    else:
        with meter(json_) as bars:
            show(bars, "sending", push(opened, url, jobs, have_right, replace))
    what = "the recipe of the store" if recipe_only else "the store"
    record = {"url": url, "digest": opened.digest, "recipe_only": recipe_only}
    options.emit(json_, record, f"{url} holds {what} with digest {opened.digest}")
