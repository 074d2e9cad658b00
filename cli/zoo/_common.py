"""What several commands of fszoo share: the store of a recipe, and the wording of a result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cli.workspace import WorkspaceError, find_store, workspace

if TYPE_CHECKING:
    from prep.store.read import Store
    from zoo.experiment.recipe import Recipe
    from zoo.experiment.result import Result


def store_of(recipe: Recipe, store: str | None) -> Store:
    """The store that the user names, or the one in the workspace for the recipe's split."""
    from prep.store.read import open_store

    return open_store(store or _in_workspace(recipe))


def _in_workspace(recipe: Recipe) -> Path:
    from manifests.facts import dataset, names, split

    chosen = split(recipe.data.split)
    if chosen.dataset not in names("datasets"):
        raise WorkspaceError(f"{chosen.dataset} is a custom dataset: name its store with --store.")
    data = dataset(chosen.dataset)
    whole = recipe.data.clip_seed >= 0 or recipe.data.clips_per_class > chosen.samples_per_class
    subset = chosen.name if chosen.samples_per_class and not whole else ""
    return find_store(workspace(), data.name, subset, recipe.data.preprocessing or data.preprocessing)


def describe(result: Result) -> str:
    """A result in words; warnings come last."""
    if result.accuracy is None:
        text = f"{result.recipe} on {result.split}: pre-trained on {result.trained:,} clips; no test accuracy"
        return f"{text}\n  start a method from it with --set init.source=RUN"
    chance = 100 / result.way
    lines = [
        f"{result.recipe} on {result.split}, {result.way}-way {result.shot}-shot after {result.trained:,} episodes: "
        f"{result.accuracy:.2f} % ± {result.interval:.2f} (95 %), chance {chance:.1f} %",
        f"  {result.queries:,} queries in {result.episodes:,} tasks, test seed {result.test_seed}, seed {result.seed}",
    ]
    lines += _untrained(result)
    if result.validation is not None:
        lines.append(f"  best validation accuracy {result.validation:.2f} %")
    return "\n".join([*lines, *(f"Warning: {warning}." for warning in result.warnings)])


def _untrained(result: Result) -> list[str]:
    """The line of the best untrained recipe on the same tasks, and whether training was worth it."""
    if result.untrained is None:
        return []
    verdict = "" if result.beats_untrained else "; training does not beat it by more than the interval"
    interval = result.untrained_interval or 0.0
    return [f"  best untrained: {result.untrained_recipe} {result.untrained:.2f} % ± {interval:.2f}{verdict}"]
