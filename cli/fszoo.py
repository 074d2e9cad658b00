"""fszoo: train, evaluate and compare few-shot methods on stores. A command is a file in cli/zoo."""

from __future__ import annotations

import click

from cli import memory, threads
from cli.group import ZooGroup


@click.group(cls=ZooGroup)
@click.version_option(package_name="fewshot-skeleton")
def main() -> None:
    """Few-shot skeleton methods: one trainer, one protocol, the papers' numbers beside ours."""
    threads.configure()
    memory.configure()


if __name__ == "__main__":
    main()
