"""What push, pull and rebuild share: the option --jobs, the bar in kB, and how S3 is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.bars import Meter

if TYPE_CHECKING:
    from prep.sharing.transfer import Moved

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
ENVIRONMENT = (
    "S3 is found by AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION; AWS_ENDPOINT_URL names "
    "another server than Amazon's, AWS_SKIP_SIGNATURE=true opens public buckets."
)


def jobs(command: CommandT) -> CommandT:
    """--jobs: how many files are on their way at once."""
    text = "Files on their way at once."
    return click.option("--jobs", default=4, show_default=True, type=click.IntRange(1, 64), help=text)(command)


def show(bars: Meter, name: str, records: Iterator[Moved]) -> bool:
    """Draw bytes on their way, in kB. Returns whether there was anything to move."""
    record = None
    for record in records:
        bars.show(f"{name}, kB", record.done // 1000, record.total // 1000)
    return record is not None
