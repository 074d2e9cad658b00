"""The commands that the campaign kills: what lies there before, the command line, and what lies there afterwards."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from helpers.build_jobs import write_raw
from helpers.small_run import SMALL
from helpers.stores import embed, make_store
from kill.commands import Commands

from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import result
from prep.store.read import open_store

Facts = dict[str, Any]
EMBED = "fsprep embed-videos --encoder tiny --store s.zarr --frames 4 --batch 8 --workers 1"
TRAIN = "fszoo train protonet --data demo --store s.zarr --out run --device cpu"


@dataclass(frozen=True)
class Scenario:
    """`prepare` fills an empty folder; `line` is the command that is killed in a copy of it."""

    name: str
    line: str
    prepare: Callable[[Commands, Path, Path], None]

    @property
    def target(self) -> str:
        """The name of what the command writes."""
        words = self.line.split()
        return words[words.index("--out") + 1] if "--out" in words else {"push": "there"}.get(words[1], "s.zarr")


def _demo(commands: Commands, base: Path) -> Path:
    """A small demo with videos and its store, made once."""
    home = base / "demo"
    if not home.exists():
        home.mkdir()
        _do(commands, home, "fsprep demo --clips 24 --videos --out raw")
        _do(commands, home, "fsprep build demo --raw raw --out s.zarr --workers 1")
    return home


def _do(commands: Commands, folder: Path, line: str) -> None:
    ended = commands.run(folder, line)
    assert ended.status == 0, f"{line}: {ended.output}"


def _build(commands: Commands, base: Path, folder: Path) -> None:
    write_raw(folder / "raw", clips=30)


def _store(commands: Commands, base: Path, folder: Path) -> None:
    shutil.copytree(_demo(commands, base) / "s.zarr", folder / "s.zarr")


def _videos(commands: Commands, base: Path, folder: Path) -> None:
    _store(commands, base, folder)
    shutil.copytree(_demo(commands, base) / "raw", folder / "raw")


def _half_embedded(commands: Commands, base: Path, folder: Path) -> None:
    """A third of the videos is embedded already."""
    _videos(commands, base, folder)
    shutil.copytree(folder / "raw", folder / "some")
    for video in sorted((folder / "some").rglob("*.avi"))[8:]:
        video.unlink()
    _do(commands, folder, f"{EMBED} --videos some")
    shutil.rmtree(folder / "some")


def _vectors(commands: Commands, base: Path, folder: Path) -> None:
    _store(commands, base, folder)
    store, rng = open_store(folder / "s.zarr"), np.random.default_rng(0)
    for name in ("x.npz", "y.npz"):
        video, text = (rng.standard_normal((rows, 5)).astype("f4") for rows in (len(store), len(store.info.classes)))
        np.savez(folder / name, names=np.array(store.names), video=video, text=text)


def _imported(commands: Commands, base: Path, folder: Path) -> None:
    _vectors(commands, base, folder)
    _do(commands, folder, "fsprep import-embeddings x.npz --name x --store s.zarr")


def _embedded(commands: Commands, base: Path, folder: Path) -> None:
    _imported(commands, base, folder)
    for file in folder.glob("*.npz"):
        file.unlink()


def _lacking(commands: Commands, base: Path, folder: Path) -> None:
    """A store there with an embedding, and here the same store without it."""
    _embedded(commands, base, folder)
    (folder / "s.zarr").rename(folder / "there")
    _store(commands, base, folder)


def _there(commands: Commands, base: Path, folder: Path) -> None:
    _embedded(commands, base, folder)
    (folder / "s.zarr").rename(folder / "there")


def _two_stores(commands: Commands, base: Path, folder: Path) -> None:
    make_store(folder / "a.zarr", clips_per_class=2, frames=(4, 9), name="nw_ucla", preprocessing="raw")
    make_store(folder / "b.zarr", clips_per_class=3, frames=(4, 9), name="nw_ucla", preprocessing="raw", skip={0: 2})
    shutil.rmtree(folder / "b.zarr")
    shutil.copytree(folder / "a.zarr", folder / "b.zarr")
    embed(folder / "a.zarr", "x")
    embed(folder / "b.zarr", "x")


def _checked(commands: Commands, base: Path, folder: Path) -> None:
    """A report on another store, to be replaced."""
    make_store(folder / "old.zarr", clips_per_class=1, frames=(4, 9))
    _do(commands, folder, "fsprep check old.zarr --out report")
    make_store(folder / "s.zarr", clips_per_class=2, frames=(4, 9), seed=1)


def _training(commands: Commands, base: Path, folder: Path) -> None:
    make_store(folder / "s.zarr", clips_per_class=6, separable=0.2)


_SETTINGS = " ".join(f"--set {setting}" for setting in SMALL)
SCENARIOS = [
    Scenario("build", "fsprep build nw_ucla --preprocessing raw --raw raw --out new.zarr --workers 1", _build),
    Scenario("embed", f"{EMBED} --videos raw", _videos),
    Scenario("re-embed", f"{EMBED} --videos raw", _half_embedded),
    Scenario("embed-text", "fsprep embed-text --encoder tiny --store s.zarr", _store),
    Scenario("import", "fsprep import-embeddings x.npz --name x --store s.zarr", _vectors),
    Scenario("re-import", "fsprep import-embeddings y.npz --name x --store s.zarr --replace", _imported),
    Scenario("train", f"{TRAIN} {_SETTINGS}", _training),
    Scenario("push", "fsprep push s.zarr there", _embedded),
    Scenario("pull", "fsprep pull there --out new.zarr", _there),
    Scenario("pull-embeddings", "fsprep pull there --out s.zarr", _lacking),
    Scenario("merge", "fsprep merge a.zarr b.zarr --out new.zarr", _two_stores),
    Scenario("export-hdf5", "fsprep export s.zarr --format hdf5 --out new", _store),
    Scenario("export-npz", "fsprep export s.zarr --format npz --out new", _store),
    Scenario("export-npy", "fsprep export s.zarr --format npy --out new", _store),
    Scenario("check", "fsprep check s.zarr --out report", _store),
    Scenario("re-check", "fsprep check s.zarr --out report", _checked),
]


def facts(folder: Path) -> Facts:
    """What a folder holds, entry by entry; equal facts are equal results."""
    return {path.name: _fact(path) for path in sorted(folder.iterdir()) if path.name != "home"}


def _fact(path: Path) -> Any:
    if (path / "manifest.json").is_file():
        return _store_facts(path)
    if (path / "checkpoint.safetensors").is_file():
        return _run_facts(path)
    if path.is_dir():
        return {str(file.relative_to(path)): _sha(file) for file in sorted(path.rglob("*")) if file.is_file()}
    return _sha(path)


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _store_facts(path: Path) -> Facts:
    """Digests of the clips and embeddings, recomputed, and files that do not belong to the store."""
    try:
        store = open_store(path)
        result(verify(store))
    except PrepError as error:
        return {"error": str(error)}
    files = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}
    extra = sorted(files - set(store.files) - {"manifest.json"})
    embedded = {key: entry.digest for key, entry in store.manifest.embedded.items()}
    return {"digest": store.digest, "embedded": embedded, "extra": extra}


def _run_facts(path: Path) -> Facts:
    """A run's weights and result, without times, their file, and the order of metadata in a header.

    cost.json counts the time of sittings that end; one that is killed adds nothing, and may leave a run without it.
    """
    from safetensors.torch import load_file

    files = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.name != "cost.json"]
    names = sorted(re.sub("[0-9a-f]{32}", "*", name) for name in files)
    found: Facts = {"files": names}
    for file in sorted(path.glob("*.safetensors")):
        tensors = load_file(file)
        found[file.name] = hashlib.sha256(b"".join(tensors[key].numpy().tobytes() for key in sorted(tensors)))
        found[file.name] = found[file.name].hexdigest()[:16]
    if (path / "result.json").is_file():
        content = json.loads((path / "result.json").read_text())
        found["result"] = {key: value for key, value in content.items() if "second" not in key and key != "software"}
    return found


def lost(scenario: Scenario, before: Facts, now: Facts, final: Facts) -> list[str]:
    """What was there before a kill, or is half there after it: every entry must be the old one or the final one."""
    wrong = []
    for name, old in before.items():
        if name == scenario.target and name != "report":
            wrong += [] if _kept(old, now.get(name, {}), final[name]) else [f"{name} is neither old nor new"]
        elif name != scenario.target and now.get(name) != old:
            wrong.append(f"{name} was changed")
    appeared = now.get(scenario.target) if scenario.target not in before else None
    partial = ("there", "report", "run")  # these are filled in place, and tell by a file that is written last
    if appeared is not None and scenario.target not in partial and appeared != final[scenario.target]:
        wrong.append(f"{scenario.target} is there and not complete")
    return wrong


def _kept(old: Mapping[str, Any], now: Mapping[str, Any], final: Mapping[str, Any]) -> bool:
    """Whether a store has its clips, and of each embedding the old or the new version."""
    if "digest" not in old:
        return now in (old, final)
    if now.get("digest") != old["digest"]:
        return False
    return all(
        now["embedded"].get(key) in (digest, final["embedded"].get(key)) for key, digest in old["embedded"].items()
    )
