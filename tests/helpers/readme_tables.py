"""The generated tables of the READMEs: what stands between two markers is written from the project itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from manifests.facts import dataset, encoder, names
from manifests.split_file import split
from prep.formats import format_named, importers, readers
from zoo.experiment.library import listed
from zoo.experiment.recipe import Recipe
from zoo.experiment.resolve import resolve

ROOT = Path(__file__).resolve().parents[2]


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
    return table(["name", "dataset", "classes", "layout", "default preprocessing", "may be passed on"], rows)


def formats() -> str:
    raw = [name for name in readers() if name != "own"]
    used_by = {name: [d for d in names("datasets") if name in dataset(d).readers] for name in raw}
    rows = [[f"`{name}`", f"`{format_named(name).files}`", ", ".join(f"`{d}`" for d in used_by[name])] for name in raw]
    rows += [[f"`{name}`", f"`{format_named(name).files}`", "`--from`"] for name in importers()]
    return table(["format", "files", "read for"], rows)


def splits() -> str:
    rows = []
    for s in map(split, names("splits")):
        sizes = [len(s.train), len(s.val), len(s.test)]
        if s.draws:
            sizes = [len(s.draws[0].train), 0, len(s.draws[0].test)]
        times = f" ({len(s.draws)} class splits)" if s.draws else ""
        shots = ("official" if s.exemplars else s.choice) if s.protocol == "exemplars" else "drawn"
        classes = " / ".join(map(str, sizes)) + times
        rows.append([f"`{s.name}`", f"`{s.dataset}`", s.protocol, shots, classes, str(s.samples_per_class or "all")])
    return table(["split", "dataset", "protocol", "shots", "train / val / test classes", "clips per class"], rows)


def recipes() -> str:
    rows = [recipe_row([resolve(name) for name in line.names], line.title) for line in listed()]
    return table(["recipe", "what", "method or stage", "starts from", "split", "source"], rows)


def recipe_row(members: Sequence[Recipe], title: str) -> list[str]:
    first = members[0]
    start = f"`{first.init.source}`" if first.init.source else ""
    names = ", ".join(f"`{r.name}`" for r in members)
    return [names, title, f"`{first.method.name}`", start, f"`{first.data.split}`", first.source]


def encoders() -> str:
    rows = [
        [f"`{e.name}`", e.title, f"`{e.weights}`" if e.weights else "`--weights FILE`", f"`{e.prompts}`", e.licence]
        for e in map(encoder, names("encoders"))
    ]
    return table(["encoder", "what", "weights by default", "prompts", "licence"], rows)


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "datasets": ("prep/README.md", datasets),
    "formats": ("prep/README.md", formats),
    "encoders": ("prep/README.md", encoders),
    "splits": ("manifests/README.md", splits),
    "recipes": ("zoo/README.md", recipes),
}


def rewritten(readme: str) -> str:
    """The text of one README with every table made anew."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    for name, (place, make) in TABLES.items():
        if place != readme:
            continue
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        assert pattern.search(text), f"{readme} has no markers for the table `{name}`"
        made = make()
        text = pattern.sub(lambda match, made=made: match[1] + "\n" + made + "\n\n" + match[2], text)
    return text


if __name__ == "__main__":
    for readme in sorted({place for place, _ in TABLES.values()}):
        (ROOT / readme).write_text(rewritten(readme), encoding="utf-8")
