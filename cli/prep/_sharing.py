"""Shared by push, pull and rebuild: the option --jobs, the bar in kB, and the environment variables for S3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.bars import meter

if TYPE_CHECKING:
    from prep.progress import Work

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
T = TypeVar("T")
KB = 1_000
ENVIRONMENT = (
    "S3 credentials are read from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION. Set "
    "AWS_ENDPOINT_URL for a server other than Amazon's, AWS_SKIP_SIGNATURE=true for public buckets."
)


def jobs(command: CommandT) -> CommandT:
    """--jobs: how many files are transferred at once."""
    text = "Files transferred at once."
    return click.option("--jobs", default=4, show_default=True, type=click.IntRange(1, 64), help=text)(command)


def run_transfer(work: Work[T], name: str, quiet: bool) -> T:
    """Run work whose steps count bytes, with a bar in kB."""
    with meter(quiet) as bars:
        return bars.run(work, f"{name}, kB", scale=KB)
