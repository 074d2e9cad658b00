"""fsprep: raw skeleton files to stores. A command is a file in cli/prep, found by its name."""

from __future__ import annotations

import click

from cli import threads
from cli.group import PrepGroup

EPILOG = "Raw files are expected in FSPREP_HOME/raw/<dataset>; `fsprep where` shows that folder."


@click.group(cls=PrepGroup, epilog=EPILOG)
@click.version_option(package_name="fewshot-skeleton")
def main() -> None:
    """Convert raw skeleton recordings to stores for few-shot episodes; check, compare, embed and share them."""
    threads.configure()


if __name__ == "__main__":
    main()
