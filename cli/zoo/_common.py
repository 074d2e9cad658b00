"""What several commands of fszoo share: the store of a recipe, and the wording of a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.workspace import WorkspaceError, find_store, workspace
from manifests.text import plain

if TYPE_CHECKING:
    import torch

    from prep.store.info import StoreInfo
    from prep.store.read import Store
    from zoo.experiment.recipe import Recipe
    from zoo.runs.result import Result


def recipe_and_store(
    recipe: str, data: str, settings: Sequence[str], store: str | None
) -> tuple[Recipe, Store, tuple[str, ...]]:
    """The recipe that the words of a command name, its store, and remarks on its settings.

    The settings for a custom split are fitted to the skeleton of the store.
    """
    from zoo.experiment.resolve import resolve_with_remarks

    resolved = resolve_with_remarks(recipe, data, settings)
    opened = store_of(resolved.recipe, store)
    if resolved.remarks:
        resolved = resolve_with_remarks(recipe, data, settings, layout=opened.info.layout, names=opened.info.classes)
    return resolved.recipe, opened, resolved.remarks


def store_of(recipe: Recipe, store: str | None) -> Store:
    """The store that the user names, or the one in the workspace for the recipe's split."""
    from prep.store.read import open_store

    return open_store(store or _in_workspace(recipe))


def _in_workspace(recipe: Recipe) -> Path:
    from manifests.facts import dataset, names
    from manifests.split_file import split

    chosen = split(recipe.data.split)
    whole = recipe.data.clip_seed >= 0 or recipe.data.clips_per_class > chosen.samples_per_class
    subset = chosen.name if chosen.samples_per_class and not whole else ""
    if chosen.dataset not in names("datasets"):
        return _custom_store(chosen.dataset, subset, recipe.data.preprocessing)
    data = dataset(chosen.dataset)
    return find_store(workspace(), data.name, subset, recipe.data.preprocessing or data.preprocessing)


def _custom_store(dataset: str, subset: str, preprocessing: str) -> Path:
    """The one store of a custom dataset in the workspace; one that was built for the split comes before the whole.

    Its preprocessing is known to its stores alone.
    """
    home, found = workspace(), dict[str, list[Path]]()
    for path in sorted(home.stores.glob(f"{dataset}-*.zarr")):
        info = _info(path)
        if info is not None and info.dataset == dataset and preprocessing in ("", info.preprocessing):
            found.setdefault(info.subset, []).append(path)
    fitting = found.get(subset) or found.get("", [])
    if len(fitting) == 1:
        return fitting[0]
    listed = "".join(f"\n  {path}" for path in fitting)
    if fitting:
        remedy = "Choose one with --set data.preprocessing=NAME, or with --store"
        raise WorkspaceError(f"{dataset} has {len(fitting)} stores in the workspace. {remedy}:{listed}")
    wanted = f" with preprocessing `{preprocessing}`" if preprocessing else ""
    absent = f"no store of {dataset}{wanted} in {home.stores}"
    raise WorkspaceError(
        f"{absent}. Build it from its dataset file: `fsprep build {dataset}.toml`, or name one with --store."
    )


def _info(path: Path) -> StoreInfo | None:
    """Metadata of a store; None for one that is not finished, or of an older format."""
    from prep.storage.address import storage_at
    from prep.store.info import read_info
    from prep.store.manifest import StoreError

    try:
        return read_info(storage_at(path))[1]
    except StoreError:
        return None


def slow_precision(recipe: Recipe, device: torch.device) -> list[str]:
    """A remark where training in half precision is slower than in float32."""
    from cli.device import bfloat16_is_slow

    if recipe.precision == "float16" and device.type == "cpu":
        return ["precision is float16: on a processor it is several times slower than float32. Set precision=float32"]
    if recipe.precision != "bfloat16" or not bfloat16_is_slow(device):
        return []
    rule = "this processor has no instructions for it (AVX512-BF16 or AMX), so training is about 35 times slower"
    return [f"precision is bfloat16: {rule}. Set precision=float32"]


def warn(remarks: Iterable[str], word: str = "Note") -> None:
    """Print remarks on standard error, one per line."""
    for remark in remarks:
        click.echo(plain(f"{word}: {remark}."), err=True)


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
    """The line of the best untrained recipe on the same tasks, and what training gained."""
    if result.accuracy is None or result.untrained is None:
        return []
    line = (
        f"  best untrained: {result.untrained_recipe} {result.untrained:.2f} % ± {result.untrained_interval or 0.0:.2f}"
    )
    gain = f"gain {result.accuracy - result.untrained:+.2f} ± {result.gain_interval or 0.0:.2f} on the same tasks"
    return [f"{line}; {gain}{'' if result.beats_untrained else ': not more than the interval'}"]
