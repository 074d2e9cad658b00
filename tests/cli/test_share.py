"""push, pull, rebuild and training from a URL, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from helpers.servers import nginx
from helpers.shell import Shell
from helpers.stores import make_store

from prep.store.manifest import store_digest
from prep.store.read import open_store


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    with nginx(tmp_path / "www") as url:
        yield url, tmp_path / "www"


@pytest.fixture
def demo(in_demo: Path) -> Path:
    return next((in_demo / "stores").glob("*.zarr"))


def test_push_pull_verify(shell: Shell, web: tuple[str, Path], demo: Path, home: Path, tmp_path: Path) -> None:
    pushed = shell(f"fsprep push {demo} {web[0]}/demo.zarr --jobs 2")
    assert pushed.exit_code == 0, pushed.output
    assert f"{web[0]}/demo.zarr holds the store with digest {open_store(demo).digest}" in pushed.output
    pulled = shell(f"fsprep pull {web[0]}/demo.zarr --json")
    assert pulled.exit_code == 0, pulled.output
    facts = json.loads(pulled.stdout)
    assert facts["digest"] == open_store(demo).digest
    assert facts["path"] == str(home / "stores" / demo.name)
    assert shell(f"fsprep verify {facts['path']}").exit_code == 0
    again = shell(f"fsprep pull {web[0]}/demo.zarr")
    assert again.output.startswith("Already fetched.")
    for line in ("fsprep info", "fsprep verify"):
        assert open_store(demo).digest in shell(f"{line} {web[0]}/demo.zarr").output


@pytest.mark.slow
def test_training_straight_from_a_url(shell: Shell, web: tuple[str, Path], in_demo: Path, tmp_path: Path) -> None:
    make_store(web[1] / "demo.zarr", clips_per_class=8)
    keys = ("budget.episodes=1", "budget.validation_episodes=0", "budget.test_episodes=1", "backbone.name=stgcn")
    small = " ".join(f"--set {key}" for key in keys)
    line = f"fszoo train protonet --data demo --store {web[0]}/demo.zarr {small} --out {tmp_path / 'run'} --json"
    done = shell(line)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["episodes"] == 1
    assert "/demo.zarr/joints/c/0" in (web[1].with_name("www.nginx") / "access.log").read_text()


def test_a_recipe_is_shared_and_rebuilt(
    shell: Shell, web: tuple[str, Path], demo: Path, in_demo: Path, tmp_path: Path
) -> None:
    assert shell(f"fsprep push {demo} {web[0]}/recipe --recipe-only").exit_code == 0
    refused = shell(f"fsprep pull {web[0]}/recipe")
    assert refused.exit_code == 2
    assert (
        f"holds the recipe of a store, not a store. Make it from raw files: `fsprep rebuild {web[0]}" in refused.output
    )
    raw = in_demo / "raw" / "demo"
    done = shell(f"fsprep rebuild {web[0]}/recipe --raw {raw} --out {tmp_path / 'again.zarr'} --workers 1 --json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["digest"] == open_store(demo).digest
    assert (
        "Already there, and bit-identical to the shared store"
        in shell(f"fsprep rebuild {web[0]}/recipe --raw {raw} --out {tmp_path / 'again.zarr'}").output
    )


def test_a_rebuilt_store_that_differs_is_set_aside(shell: Shell, demo: Path, in_demo: Path, tmp_path: Path) -> None:
    assert shell(f"fsprep push {demo} {tmp_path / 'recipe'} --recipe-only").exit_code == 0
    mine = tmp_path / "mine"
    mine.mkdir()
    for number, file in enumerate(sorted((in_demo / "raw" / "demo").rglob("*.skeleton"))):
        if number:
            (mine / file.name).write_bytes(file.read_bytes())
        else:
            absent = file.stem
    line = f"fsprep rebuild {tmp_path / 'recipe'} --raw {mine} --out {tmp_path / 'mine.zarr'} --workers 1"
    done = shell(line)
    assert done.exit_code == 2
    assert f"{tmp_path / 'mine.zarr.differs'}: is not the store of the recipe" in done.output
    assert f"1 clips that the raw files lack: {absent}" in done.output
    assert not (tmp_path / "mine.zarr").exists()
    assert len(open_store(tmp_path / "mine.zarr.differs")) == 239
    assert "exists from an earlier attempt" in shell(line).output


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fsprep push {nw} {out}", "may not be redistributed. Its terms: for research use; no redistribution"),
        ("fsprep push {demo} ftp://host/s", "`ftp` is not a scheme for stores"),
        ("fsprep push {out} {out}", "no store there"),
        ("fsprep pull {out}", "no store there"),
        ("fsprep pull {demo} --out {nw}", "exists, and is not the store at"),
        ("fsprep rebuild {demo} --raw {out}", "no recipe.json there"),
    ],
)
def test_refusals(shell: Shell, home: Path, tmp_path: Path, line: str, words: str) -> None:
    made = {
        "nw": make_store(tmp_path / "nw.zarr", clips_per_class=1, name="nw_ucla"),
        "demo": make_store(tmp_path / "demo.zarr", clips_per_class=1),
    }
    done = shell(line.format(out=tmp_path / "out", **made))
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "out").exists()


def renamed(path: Path, dataset: str) -> Path:
    """A store whose metadata name another dataset, with all digests as if it had been built so."""
    header = json.loads((path / "zarr.json").read_text())
    header["attributes"]["dataset"] = dataset
    content = json.dumps(header).encode()
    (path / "zarr.json").write_bytes(content)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["zarr.json"] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
    manifest["digest"] = store_digest(header["attributes"], manifest["arrays"])
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_a_renamed_store_goes_into_the_workspace(shell: Shell, home: Path, tmp_path: Path) -> None:
    store = renamed(make_store(tmp_path / "served" / "s.zarr", clips_per_class=1), "mine")
    assert shell(f"fsprep pull {store}").exit_code == 0
    assert [path.name for path in (home / "stores").iterdir()] == ["mine-agcn.zarr"]


@pytest.mark.parametrize("name", ["{outside}/evil", "../../x", "a/b", "a\n\x1b[2Jb", "b" * 300, "..", ""])
def test_a_hostile_store_does_not_choose_its_folder(shell: Shell, home: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    store = renamed(make_store(tmp_path / "served" / "s.zarr", clips_per_class=1), name.format(outside=outside))
    before = files(tmp_path)
    done = shell(["fsprep", "pull", str(store)])
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("Error: ")
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert files(tmp_path) == before


@pytest.mark.parametrize("command", ["push", "pull", "rebuild"])
def test_help_names_the_environment_variables_of_s3(shell: Shell, command: str) -> None:
    assert "AWS_ENDPOINT_URL" in shell(f"fsprep {command} --help").output
