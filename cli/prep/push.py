"""fsprep push."""

from __future__ import annotations

import click

from cli import options
from cli.prep._store import moved
from cli.progress import meter

ENVIRONMENT = (
    "S3 is found by AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION; AWS_ENDPOINT_URL names "
    "another server than Amazon's, AWS_SKIP_SIGNATURE=true opens public buckets."
)


@click.command("push", epilog=ENVIRONMENT)
@click.argument("store", type=click.Path())
@click.argument("url", metavar="URL|FOLDER")
@click.option("--jobs", default=4, show_default=True, type=click.IntRange(1, 64), help="Files on their way at once.")
@click.option("--replace", is_flag=True, help="Write over another store that is there.")
@click.option("--i-have-the-right", "have_right", is_flag=True, help="Hand on data whose terms forbid it to others.")
@click.option("--recipe-only", is_flag=True, help="Share what `fsprep rebuild` needs, and no clip.")
@options.as_json
@options.plain_errors
def command(
    store: str, url: str, jobs: int, replace: bool, have_right: bool, recipe_only: bool, json_: bool
) -> None:
    """Send STORE to URL (https, http with PUT, s3) or a folder, with a data card.

    Every file is read back and compared. A push that was stopped is continued by the same command; the store counts
    as one only when its last file, manifest.json, is there.
    """
    from prep.rebuild import push_recipe
    from prep.share import push
    from prep.store import open_store

    opened = open_store(store)
    if recipe_only:
        push_recipe(opened, url, replace)
    else:
        with meter(json_) as bars:
            moved(bars, "sending", push(opened, url, jobs, have_right, replace))
    what = "the recipe of" if recipe_only else "the store with"
    options.emit(json_, {"url": url, "digest": opened.digest}, f"{url} holds {what} digest {opened.digest}")
