"""fsprep: raw skeleton files to stores. A command is a file in cli/prep, found by its name."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

EPILOG = "Raw files are expected in FSPREP_HOME/raw/<data set>; `fsprep where` shows that folder."
_ROOM = Path(__file__).parent / "prep"


class _Folder(click.Group):
    """Commands by file name; only what is asked for is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(path.stem.replace("_", "-") for path in _ROOM.glob("*.py") if not path.stem.startswith("_"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        found: click.Command = importlib.import_module(f"cli.prep.{name.replace('-', '_')}").command
        return found


@click.group(cls=_Folder, epilog=EPILOG)
@click.version_option(package_name="fewshot-skeleton")
def main() -> None:
    """Raw skeleton recordings become stores that episodes are served from."""
