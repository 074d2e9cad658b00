"""A store shared as its recipe: checked by itself, rebuilt bit-identical, differences listed."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifests.facts import dataset
from prep.building.build import build
from prep.building.job import Job
from prep.demo.generate import generate
from prep.sharing.rebuild import RebuildError, StoreRecipe, check_same, job_of, push_recipe, read_recipe, recipe_json
from prep.sharing.transfer import ShareError
from prep.store.read import Store, open_store
from prep.workers import Workers


def built(job: Job) -> Store:
    with ThreadPoolExecutor(1) as pool:
        for _ in build(job, Workers(pool, 1)):
            continue
    return open_store(job.out)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "demo"
    for _ in generate(folder, 24, 0, False):
        continue
    return folder


@pytest.fixture(scope="module")
def store(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return built(Job(dataset("demo"), "agcn", raw, tmp_path_factory.mktemp("stores") / "demo.zarr"))


@pytest.fixture
def folder(store: Store, tmp_path: Path) -> Path:
    push_recipe(store, str(tmp_path / "folder"))
    return tmp_path / "folder"


def test_the_same_raw_files_give_the_same_store(store: Store, folder: Path, raw: Path, tmp_path: Path) -> None:
    recipe = read_recipe(str(folder))
    assert recipe == read_recipe(str(folder / "recipe.json"))
    assert list(recipe.clips) == list(store.names)
    again = built(job_of(recipe, raw, tmp_path / "again.zarr"))
    check_same(recipe, again)
    assert again.digest == store.digest
    assert "fsprep rebuild" in (folder / "card.md").read_text()
    assert sorted(file.name for file in folder.iterdir()) == ["card.md", "recipe.json"]


def test_differences_are_listed(folder: Path, raw: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    files = sorted(raw.rglob("*.skeleton"))
    for file in files:
        (mine / file.name).write_bytes(file.read_bytes())
    (mine / files[0].name).unlink()
    (mine / files[1].name).write_bytes(files[1].read_bytes().replace(b"\n", b"\r\n"))
    extra = files[2].stem.replace("R001", "R009")
    (mine / f"{extra}.skeleton").write_bytes(files[2].read_bytes())
    recipe = read_recipe(str(folder))
    with pytest.raises(RebuildError) as caught:
        check_same(recipe, built(job_of(recipe, mine, tmp_path / "mine.zarr")))
    text = str(caught.value)
    assert f"1 clips that the raw files lack: {files[0].stem}\n" in text
    assert f"1 clips that only the raw files have: {extra}\n" in text
    assert f"1 clips whose raw bytes differ: {files[1].stem}\n" in text
    assert "arrays that differ: " in text
    assert "source_digest" in text


def test_long_lists_are_cut_short(store: Store, folder: Path) -> None:
    recipe = read_recipe(str(folder))
    with pytest.raises(RebuildError, match=r"24 clips that the raw files lack: (\w+, ){19}\w+ and 4 more"):
        check_same(replace(recipe, digest="0" * 64), _without_clips(store))


def _without_clips(store: Store) -> Any:
    class Nothing:
        digest, array_digests, info, names, source = "1", store.array_digests, store.info, (), ()

    return Nothing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"preprocessing_version": 99},
            "agcn version 99, this installation has .* It was built by fewshot-skeleton",
        ),
        ({"format": 1}, "has format 1, this version writes 4"),
        ({"dataset": "mine"}, "is a custom dataset. Ask its author for the dataset file"),
        ({"made_from": ("a", "b")}, "merged from others. Share the recipe of each"),
        ({"unit": "foot", "classes": ("a",)}, "The facts about demo have changed since: unit, classes"),
    ],
)
def test_a_store_that_this_version_would_build_differently_is_refused(
    store: Store, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    recipe = StoreRecipe(1, replace(store.info, **change), store.digest, store.array_digests, "", "")
    with pytest.raises(RebuildError, match=words):
        job_of(recipe, tmp_path, tmp_path / "out.zarr")


def _bomb(value: dict[str, Any]) -> None:
    value["names"] = base64.b64encode(zlib.compress(b"a" * 10**8)).decode()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda value: value.update(format=2), "it has format 2, this version reads 1"),
        (lambda value: value.update(digest="0" * 64), "its parts do not make its digest"),
        (lambda value: value["arrays"].update(joints="0" * 64), "its parts do not make its digest"),
        (lambda value: value["info"].update(preprocessing="raw"), "its parts do not make its digest"),
        (lambda value: value.update(source=base64.b64encode(b"x" * 32 * 24).decode()), "its source do not make"),
        (lambda value: value.update(source="AAAA"), "do not fit together"),
        (lambda value: value.update(names="no base64!"), "damaged"),
        (lambda value: value.update(names=base64.b64encode(b"no zlib").decode()), "damaged"),
        (_bomb, "do not fit together"),
        (lambda value: value.update(strange=1), "`strange` is not a key of StoreRecipe"),
        (lambda value: value.pop("info"), "info"),
    ],
)
def test_a_damaged_recipe_is_refused(folder: Path, damage: Callable[[dict[str, Any]], None], words: str) -> None:
    value = json.loads((folder / "recipe.json").read_text())
    damage(value)
    (folder / "recipe.json").write_text(json.dumps(value))
    with pytest.raises(RebuildError, match=words):
        read_recipe(str(folder))


@pytest.mark.parametrize("text", ["", "[]", "{", "7", '{"format": 1}'])
def test_other_content_is_refused(folder: Path, text: str) -> None:
    (folder / "recipe.json").write_text(text)
    with pytest.raises(RebuildError, match="recipe.json is damaged or of another version"):
        read_recipe(str(folder))


def test_an_absent_recipe_is_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(RebuildError, match=r"no recipe.json there. `fsprep push --recipe-only` makes one"):
        read_recipe(str(tmp_path))


def test_another_recipe_is_not_overwritten(store: Store, folder: Path) -> None:
    push_recipe(store, str(folder))
    (folder / "recipe.json").write_text("{}")
    with pytest.raises(ShareError, match="holds the recipe of another store. Choose another URL, or --replace it"):
        push_recipe(store, str(folder))
    push_recipe(store, str(folder), replace=True)
    assert (folder / "recipe.json").read_bytes() == recipe_json(store)
