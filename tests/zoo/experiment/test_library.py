"""The recipes that ship, and the papers of methods and backbones, by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zoo import registry
from zoo.experiment import library
from zoo.experiment.library import FOLDER, families, lineage, listed, papers, recipes, shipped


def test_every_recipe_is_listed_once_after_the_one_that_it_builds_on() -> None:
    names = [name for entry in listed() for name in entry.names]
    assert sorted(names) == sorted(shipped()) == sorted(recipes())
    assert all(names.index(lineage(name)[-1]) <= names.index(name) for name in names)
    assert {entry.names[0] for entry in listed() if not entry.variant} == set(families())
    assert all(len(entry.names) == 1 or entry.variant for entry in listed())


def test_many_variants_whose_titles_begin_alike_share_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    titles = {"a": "A", "a_1": "A Table 2: x", "a_2": "A Table 2: y", "a_3": "A Table 2: z", "b": "B", "b_1": "B: x"}
    monkeypatch.setattr(library, "recipes", lambda: titles)
    monkeypatch.setattr(library, "families", lambda: {"a": ("a_1", "a_2", "a_3"), "b": ("b_1",)})
    assert [(entry.names, entry.title) for entry in listed()] == [
        (("a",), "A"),
        (("a_1", "a_2", "a_3"), "A Table 2"),
        (("b",), "B"),
        (("b_1",), "B: x"),
    ]


@pytest.mark.parametrize(
    ("kind", "name", "begins", "paper"),
    [
        ("methods", "dastm", "DASTM (Ma et al., ECCV 2022): rank", "ECCV 2022"),
        (
            "methods",
            "finetuned_cosine",
            "Cosine classifier, fine-tuned on the support set at test time. Also",
            "ICLR 2019",
        ),
        ("methods", "dtw", "Class means aligned with queries", "Cuturi and Blondel, 2017"),
        ("backbones", "tcn", "Temporal convolutional network", "Kim and Reiter"),
        ("backbones", "stgcn", "ST-GCN (Yan et al., AAAI 2018): a spatial", "AAAI 2018"),
    ],
)
def test_a_file_is_listed_with_its_first_sentence_and_its_paper(kind: str, name: str, begins: str, paper: str) -> None:
    text = papers(kind)[name]
    assert text.startswith(begins)
    assert paper in text
    assert text.endswith(".")
    assert "Few, narrow" not in text


@pytest.mark.parametrize("kind", ["methods", "pretrain", "backbones"])
def test_all_files_of_a_kind_are_there_and_torch_is_not_loaded(kind: str) -> None:
    assert list(papers(kind)) == list(registry.names(kind))
    script = f"import sys; from zoo.experiment.library import papers; papers({kind!r}); print('torch' in sys.modules)"
    root = FOLDER.parents[1]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["False"]
