"""fszoo list."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

import click

from cli import options
from cli.workspace import workspace

WIDTH = 110


@click.command("list")
@options.as_json
@options.plain_errors
def command(json_: bool) -> None:
    """List the recipes, methods, stages, backbones and splits that ship, and the runs in your workspace.

    Methods, stages and backbones are listed with their papers, variants of a recipe below it. Runs that are not
    finished are marked with the episodes of their last checkpoint, failed ones with their error.
    """
    from manifests.facts import names
    from zoo.experiment.library import papers, recipes
    from zoo.runs.status import runs_in, status

    states = {str(path): status(path) for path in runs_in(workspace().runs)}
    kinds = {kind: papers(kind) for kind in ("methods", "pretrain", "backbones")}
    lines = ["recipes", *_recipes()]
    lines += [line for kind, members in kinds.items() for line in ("", kind, *_entries(members))]
    lines += ["", "splits", *_wrapped(", ".join(names("splits")), "  ", "  "), "", "runs"]
    runs = [path if state.state == "finished" else f"{path}  {state}" for path, state in states.items()]
    open_runs = {path: vars(state) for path, state in states.items() if state.state != "finished"}
    shipped = {"recipes": recipes(), **kinds, "splits": names("splits")}
    known = {**shipped, "runs": list(states), "unfinished": open_runs}
    options.emit(json_, known, "\n".join([*lines, *(runs or ["no runs yet"])]))


def _recipes() -> list[str]:
    """Each recipe with its title, and below it, indented, those that build on it."""
    from zoo.experiment.library import listed

    lines = []
    for entry in listed():
        if len(entry.names) > 1:
            lines += _wrapped(f"{entry.title}: {', '.join(entry.names)}", " " * 4, " " * 6)
            continue
        name = f"{'    ' if entry.variant else '  '}{entry.names[0]}"
        lines += _wrapped(entry.title, f"{name:32} ", " " * 33)
    return lines


def _entries(members: Mapping[str, str]) -> list[str]:
    """Names with what they are, in two lines at most; --json has all of it."""
    return [line for name, text in members.items() for line in _wrapped(text, f"  {name:18} ", " " * 21, most=2)]


def _wrapped(text: str, first: str, later: str, most: int | None = None) -> list[str]:
    """The text in at most `most` lines of WIDTH columns, indented by `first` and `later`."""
    return wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" ...",
    )
