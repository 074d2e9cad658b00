"""fszoo: train, evaluate and compare few-shot methods on stores."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import options
from cli.bars import meter
from cli.workspace import WorkspaceError, find_store, workspace

if TYPE_CHECKING:
    from manifests.split import Split
    from zoo.experiment.prepare import Setup
    from zoo.experiment.recipe import Recipe
    from zoo.experiment.run import Result


@click.group()
@click.version_option(package_name="fewshot-skeleton")
def main() -> None:
    """Few-shot skeleton methods: one trainer, one protocol, the papers' numbers beside ours."""


@main.command()
@click.argument("recipe", metavar="RECIPE|FILE")
@click.option("--data", default="", metavar="SPLIT", help="Another split than the recipe's own, for example demo.")
@options.store_path
@options.settings
@options.device
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run [default: in the workspace].")
@options.as_json
@options.plain_errors
def train(
    recipe: str, data: str, store: str | None, settings: tuple[str, ...], device: str, out: Path | None, json_: bool
) -> None:
    """Train RECIPE and measure it on the test classes. A run that was stopped is continued by the same command."""
    from zoo.experiment.recipe import resolve
    from zoo.experiment.run import Run, execute, finish

    resolved = resolve(recipe, data, settings)
    run = Run(out or workspace().runs / resolved.run_name)
    if (done := run.result()) is not None and done.recipe_digest == resolved.digest:
        options.emit(json_, {"run": str(run.path), **asdict(done)}, f"Already finished: {run.path}\n{_told(done)}")
        return
    setup = _setup(resolved, store, device)
    with meter(json_) as bars:
        for record in execute(setup, run, bars.watch("validating")):
            note = f"loss {record.loss:.3f}  accuracy {100 * record.accuracy:.1f} %"
            bars.show(f"training {resolved.name}", record.done, record.total, note)
        result = finish(setup, run, bars.watch("testing"))
    options.emit(json_, {"run": str(run.path), **asdict(result)}, f"{run.path}\n{_told(result)}")


@main.command("eval")
@click.argument("run", type=click.Path(path_type=Path))
@options.store_path
@options.settings
@options.device
@click.option("--untrained", is_flag=True, help="Measure the network as it was before training, for comparison.")
@options.as_json
@options.plain_errors
def evaluate(
    run: Path, store: str | None, settings: tuple[str, ...], device: str, untrained: bool, json_: bool
) -> None:
    """Measure the trained RUN again: accuracy with its 95 % interval, episodes and seeds."""
    from zoo.experiment.recipe import resolve
    from zoo.experiment.run import Run
    from zoo.experiment.run import evaluate as measure
    from zoo.experiment.run import untrained as measure_untrained

    folder = Run(run)
    folder.recipe()
    resolved = resolve(str(run), settings=settings)
    setup = _setup(resolved, store, device)
    with meter(json_) as bars:
        watch = bars.watch("testing")
        result = measure_untrained(setup, watch) if untrained else measure(setup, folder, watch)
    options.emit(json_, {"run": str(run), **asdict(result)}, _told(result))


@main.command("list")
@options.as_json
@options.plain_errors
def list_(json_: bool) -> None:
    """The recipes, methods and backbones that ship, the splits they run on, and the runs of the workspace."""
    from manifests.facts import names
    from zoo import registry
    from zoo.experiment.recipe import resolve, shipped

    runs = sorted(str(path.parent) for path in workspace().runs.glob("*/recipe.toml"))
    known = {
        "recipes": list(shipped()),
        "methods": list(registry.names("methods")),
        "backbones": list(registry.names("backbones")),
        "splits": names("splits"),
    }
    lines = [f"{name:16} {resolve(name).title}" for name in known["recipes"]]
    lines += ["", *(f"{room:10} {', '.join(members)}" for room, members in known.items() if room != "recipes"), ""]
    options.emit(json_, {**known, "runs": runs}, "\n".join(lines + (runs or ["no runs yet"])))


@main.command()
@click.argument("recipe", metavar="RECIPE|FILE|RUN")
@click.option("--data", default="", metavar="SPLIT", help="As this split would have it.")
@options.settings
@options.as_json
@options.plain_errors
def show(recipe: str, data: str, settings: tuple[str, ...], json_: bool) -> None:
    """Print a recipe with every choice resolved, as TOML that `fszoo train` takes."""
    from zoo.experiment.recipe import resolve, to_toml

    resolved = resolve(recipe, data, settings)
    options.emit(json_, asdict(resolved), to_toml(resolved))


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.as_json
@options.plain_errors
def compare(runs: tuple[Path, ...], json_: bool) -> None:
    """A table of finished RUNs beside the papers' numbers; runs that differ only in seed or class draw are averaged."""
    from zoo.experiment.compare import Row
    from zoo.experiment.compare import compare as rows_of
    from zoo.experiment.run import Run, RunError

    results = []
    for path in runs:
        result = Run(path).result()
        if result is None:
            raise RunError(
                f"{path}: no result.json, so the run is not finished. Run `fszoo train` again; it continues."
            )
        results.append(result)
    rows: list[Row] = rows_of(results)
    lines = [f"{'split':20} {'method':18} {'backbone':8} {'task':10} {'runs':>4} {'ours':>15}  {'paper':24} {'gap':>6}"]
    for row in rows:
        paper = row.papers[0] if row.papers else None
        said = f"{paper.accuracy:.1f} ({paper.backbone}, {paper.table})" if paper else "-"
        gap = f"{row.gap:+.1f}" if row.gap is not None else ""
        ours = f"{row.accuracy:.1f} ± {row.interval:.1f}"
        task = f"{row.way}w{row.shot}s"
        lines.append(
            f"{row.split:20} {row.method:18} {row.backbone:8} {task:10} {row.runs:>4} {ours:>15}  {said:24} {gap:>6}"
        )
    options.emit(json_, [asdict(row) for row in rows], "\n".join(lines))


def _setup(recipe: Recipe, store: str | None, device: str) -> Setup:
    from cli.device import choose
    from manifests.facts import split
    from prep.store.read import open_store
    from zoo.experiment.prepare import prepare

    path = store or _built(recipe, split(recipe.data.split))
    return prepare(recipe, open_store(path), choose(device))


def _built(recipe: Recipe, chosen: Split) -> Path:
    """The store in the workspace of the split, or of the whole data set."""
    from manifests.facts import dataset, names

    if chosen.dataset not in names("datasets"):
        raise WorkspaceError(f"{chosen.dataset} is a data set of your own: name its store with --store.")
    data = dataset(chosen.dataset)
    subset = chosen.name if chosen.samples_per_class else ""
    return find_store(workspace(), data.name, subset, recipe.data.preparation or data.preprocessing)


def _told(result: Result) -> str:
    chance = 100 / result.way
    return (
        f"{result.recipe} on {result.split}, {result.way}-way {result.shot}-shot after {result.trained:,} episodes: "
        f"{result.accuracy:.2f} % ± {result.interval:.2f} (95 %), chance {chance:.1f} %\n"
        f"  {result.queries:,} queries in {result.episodes:,} tasks, test seed {result.test_seed}, seed {result.seed}"
    )
