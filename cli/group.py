"""A program whose commands are the files of a folder: a command is found by its file's name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from cli.interrupt import interruptible
from manifests.folder import stems


class FolderGroup(click.Group):
    """Commands by file name; only the command that runs is imported. A leading `_` marks a file that is none."""

    folder = ""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the folder's files, sorted, with dashes."""
        return [name.replace("_", "-") for name in stems(Path(__file__).parent / self.folder, ".py")]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name; None where there is no such file."""
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"cli.{self.folder}.{name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Import and run the command; Ctrl-C ends it with one line."""
        with interruptible():
            return super().invoke(ctx)


class ZooGroup(FolderGroup):
    """The commands in cli/zoo."""

    folder = "zoo"


class PrepGroup(FolderGroup):
    """The commands in cli/prep."""

    folder = "prep"
