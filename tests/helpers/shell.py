"""Running the commands as a user types them, without a process of their own."""

from __future__ import annotations

from click.testing import CliRunner, Result

from cli.fsprep import main as fsprep
from cli.fszoo import main as fszoo

TOOLS = {"fsprep": fsprep, "fszoo": fszoo}


class Shell:
    """Call it with a command line; it returns exit code and output."""

    def __call__(self, line: str | list[str]) -> Result:
        words = line.split() if isinstance(line, str) else line
        return CliRunner().invoke(TOOLS[words[0]], words[1:])
