"""fsprep push."""

from __future__ import annotations

import click

from cli import options
from cli.prep._sharing import ENVIRONMENT, jobs, run_transfer


@click.command("push", epilog=ENVIRONMENT)
@click.argument("store", type=click.Path())
@click.argument("url", metavar="URL|FOLDER")
@jobs
@click.option("--replace", is_flag=True, help="Overwrite another store at URL.")
@click.option("--i-have-the-right", "have_right", is_flag=True, help="Send data whose terms forbid redistribution.")
@click.option("--recipe-only", is_flag=True, help="Send only what `fsprep rebuild` needs, without any clip.")
@options.as_json
@options.plain_errors
def command(store: str, url: str, jobs: int, replace: bool, have_right: bool, recipe_only: bool, json_: bool) -> None:
    """Verify STORE and send it to URL (https, http with PUT, s3) or to a folder, with a data card.

    Every file is read back and compared. The same command continues a push that was stopped. The files at URL become a
    store when the last one, manifest.json, has arrived.
    """
    from prep.sharing.push import push
    from prep.sharing.rebuild import push_recipe
    from prep.store.read import open_store

    opened = open_store(store)
    if recipe_only:
        sent = push_recipe(opened, url, replace)
    else:
        sent = run_transfer(push(opened, url, jobs, have_right, replace), "sending", json_)
    content = "the recipe of the store" if recipe_only else "the store"
    record = {"url": url, "digest": opened.digest, "recipe_only": recipe_only, "sent": sent}
    there = "" if sent else "Already there.\n"
    options.emit(json_, record, f"{there}{url} holds {content} with digest {opened.digest}")
