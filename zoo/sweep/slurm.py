"""A Slurm job array of a sweep: one run per task, as the text of a script."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from manifests.strict import InvalidValue
from zoo.experiment.identity import recipe_digest
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve
from zoo.sweep.grid import as_toml, choices

Words = Sequence[str]


def array_script(first: Sequence[Words], then: Sequence[Words], table: Words, environment: Mapping[str, str]) -> str:
    """A bash script for `sbatch`: task i runs command i of `first`, then of `then`.

    `first` are runs that several others start from, which have to be finished before those begin. `table` is the
    command that prints the table afterwards. `environment` is exported. Every word is quoted.
    """
    count = len(first) + len(then)
    if not then:
        raise InvalidValue("a job array without runs: every axis needs a value.")
    tasks = [f"  {place}) {shlex.join(words)} ;;" for place, words in enumerate([*first, *then])]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return "\n".join(
        [
            "#!/bin/bash",
            "#SBATCH --job-name=fszoo",
            f"#SBATCH --array=0-{count - 1}",
            "#SBATCH --output=fszoo-%A-%a.log",
            *_usage(len(first), count),
            "# A task that was killed continues when the same script is submitted again; finished runs cost nothing.",
            f"# The table afterwards: {_in_comment(table)}",
            "set -euo pipefail",
            *exports,
            'case "${SLURM_ARRAY_TASK_ID:?this script is a job array: submit it with sbatch}" in',
            *tasks,
            f'  *) echo "task $SLURM_ARRAY_TASK_ID: the tasks are 0 to {count - 1}" >&2; exit 2 ;;',
            "esac",
        ]
    )


def train_words(recipe: Recipe, base: str, data: str = "") -> list[str]:
    """`fszoo train` with every setting by which a recipe differs from its base on `data`.

    Raises InvalidValue where these settings do not resolve to the same recipe.
    """
    plain = choices(resolve(base, data))
    wanted = choices(recipe)
    names = [key for key in ("method.name", "backbone.name") if plain.get(key) != wanted[key]]
    renamed = tuple(f"{name.partition('.')[0]}.options." for name in names)
    other = [key for key, value in wanted.items() if key not in names and (plain.get(key, ...) != value)]
    # A new name starts from fresh options, so all of them are written.
    other += [key for key in wanted if renamed and key.startswith(renamed) and key not in other]
    settings = [f"{key}={as_toml(wanted[key])}" for key in [*names, *other]]
    if recipe_digest(resolve(base, data, settings)) != recipe_digest(recipe):
        raise InvalidValue(f"{base}: its recipe cannot be written as settings of `fszoo train`. Save it in a file.")
    words = ["fszoo", "train", base, *(["--data", data] if data else [])]
    return words + [word for setting in settings for word in ("--set", setting)]


def _usage(first: int, count: int) -> list[str]:
    if not first:
        return ["# Submit: sbatch THIS_FILE"]
    return [
        f"# Tasks 0-{first - 1} are runs that the others start from. Submit them first, then the others:",
        f"#   FIRST=$(sbatch --parsable --array=0-{first - 1} THIS_FILE)",
        f"#   sbatch --dependency=afterok:$FIRST --array={first}-{count - 1} THIS_FILE",
    ]


def _in_comment(words: Words) -> str:
    """A command on one line; a line break inside a word would end the comment."""
    return shlex.join(words).replace("\n", " ").replace("\r", " ")
