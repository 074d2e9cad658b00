"""The README's generated tables: what is between two marks is written from the project itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from manifests.facts import dataset, encoder, names, split
from prep.formats import format_named, importers, readers
from zoo.experiment.recipe import resolve, shipped

README = Path(__file__).resolve().parents[2] / "README.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def datasets() -> str:
    rows = [
        [
            f"`{d.name}`",
            d.title,
            str(len(d.classes)),
            f"`{d.layout}`",
            f"`{d.preprocessing}`",
            "yes" if d.redistribution else "no",
        ]
        for d in map(dataset, names("datasets"))
    ]
    return table(["name", "data set", "classes", "layout", "default recipe", "may be passed on"], rows)


def forms() -> str:
    raw = [name for name in readers() if name != "own"]
    held = {name: [d for d in names("datasets") if name in dataset(d).readers] for name in raw}
    rows = [[f"`{name}`", f"`{format_named(name).files}`", ", ".join(f"`{d}`" for d in held[name])] for name in raw]
    rows += [[f"`{name}`", f"`{format_named(name).files}`", "`--from`"] for name in importers()]
    return table(["form", "files", "read for"], rows)


def splits() -> str:
    rows = []
    for s in map(split, names("splits")):
        sizes = [len(s.train), len(s.val), len(s.test)]
        if s.draws:
            sizes = [len(s.draws[0].train), 0, len(s.draws[0].test)]
        times = f" ({len(s.draws)} draws)" if s.draws else ""
        clips = str(s.samples_per_class or "all")
        shots = ("official" if s.exemplars else s.choice) if s.protocol == "exemplars" else "drawn"
        sizes_told = " / ".join(map(str, sizes)) + times
        rows.append([f"`{s.name}`", f"`{s.dataset}`", s.protocol, shots, sizes_told, clips])
    return table(["split", "data set", "protocol", "shots", "train / val / test classes", "clips per class"], rows)


def recipes() -> str:
    rows = [
        [f"`{r.name}`", r.title, f"`{r.method.name}`", f"`{r.backbone.name}`", f"`{r.data.split}`", r.source]
        for r in map(resolve, shipped())
    ]
    return table(["recipe", "what", "method", "backbone", "split", "source"], rows)


def encoders() -> str:
    rows = [
        [f"`{e.name}`", e.title, f"`{e.weights}`" if e.weights else "`--weights FILE`", f"`{e.prompts}`", e.licence]
        for e in map(encoder, names("encoders"))
    ]
    return table(["encoder", "what", "weights by default", "prompts", "licence"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "datasets": datasets,
    "forms": forms,
    "splits": splits,
    "recipes": recipes,
    "encoders": encoders,
}


def rewritten(text: str) -> str:
    """The README with every table made anew."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        assert pattern.search(text), f"README.md has no marks for the table `{name}`"
        text = pattern.sub(lambda match, make=make: match[1] + "\n" + make() + "\n\n" + match[2], text)
    return text


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
