"""fsprep as a user types it: arguments, exit status, messages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.shared import shared

from prep.store.read import open_store

ROOT = Path(__file__).resolve().parents[2]


def test_demo_to_store_to_check(shell, in_demo: Path) -> None:
    store = in_demo / "stores" / "demo-agcn.zarr"
    facts = json.loads(shell(f"fsprep info {store} --json").stdout)
    assert (facts["clips"], len(facts["clips_per_class"]), facts["shape"]) == (240, 24, [1, 25, 3])
    assert "all as built" in shell(f"fsprep verify {store}").output
    again = shell("fsprep build demo")
    assert again.exit_code == 0
    assert "Already built" in again.output
    assert str(store) in shell("fsprep list").output
    assert json.loads(shell("fsprep where --json").stdout)["stores"] == str(in_demo / "stores")


def test_the_demo_folder_is_extended_not_mixed(shell, home: Path) -> None:
    assert shell("fsprep demo --clips 24").exit_code == 0
    assert shell("fsprep demo --clips 48").exit_code == 0
    mixed = shell("fsprep demo --clips 48 --seed 1")
    assert mixed.exit_code == 2
    assert str(home / "raw" / "demo") in mixed.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fsprep build ntu12", "`ntu12` is not one of the datasets. Did you mean `ntu120`?"),
        ("fsprep build demo --preprocessing agnc", "`agnc` is not a preprocessing. Did you mean `agcn`?"),
        ("fsprep build ntu120 --subset ntu_x", "`ntu_x` is not one of the splits. Did you mean"),
        ("fsprep build ntu120", "ntu120"),
        ("fsprep info nowhere.zarr", "no store there"),
        ("fsprep verify nowhere.zarr", "no store there"),
    ],
)
def test_errors_are_one_message_without_a_traceback(shell, home: Path, line: str, words: str) -> None:
    done = shell(line)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_an_absent_and_an_empty_raw_folder_say_how_to_get_the_data(shell, home: Path) -> None:
    absent = shell("fsprep build nw_ucla")
    (home / "raw" / "nw_ucla").mkdir(parents=True)
    empty = shell("fsprep build nw_ucla")
    for done in (absent, empty):
        assert done.exit_code == 2
        assert str(home / "raw" / "nw_ucla") in done.stderr


def test_bad_files_exit_three_then_are_fixed_or_allowed(shell, in_demo: Path, tmp_path: Path) -> None:
    raw = Path(shutil.copytree(in_demo / "raw" / "demo", tmp_path / "raw"))
    broken = sorted(raw.rglob("*.skeleton"))[5]
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 3])
    line = f"fsprep build demo --workers 1 --raw {raw} --out {tmp_path / 's.zarr'}"
    bad = shell(line + " --json")
    assert bad.exit_code == 3
    assert [row["name"] for row in json.loads(bad.stdout)["bad"]] == [broken.stem]
    assert "Fix them and run the same command, or add --allow-bad" in bad.stderr
    assert shell(f"fsprep info {tmp_path / 's.zarr'}").exit_code == 2
    allowed = shell(f"fsprep build demo --workers 1 --raw {raw} --out {tmp_path / 'allowed.zarr'} --allow-bad")
    assert allowed.exit_code == 0
    assert f"left out: {broken.stem}" in allowed.output
    broken.write_bytes(whole)
    assert shell(line).exit_code == 0
    assert open_store(tmp_path / "s.zarr").digest == open_store(in_demo / "stores" / "demo-agcn.zarr").digest


def test_another_store_is_not_overwritten(shell, in_demo: Path) -> None:
    store = in_demo / "stores" / "demo-agcn.zarr"
    done = shell(f"fsprep build demo --preprocessing raw --out {store}")
    assert done.exit_code == 2
    assert "Choose another --out" in done.stderr


def test_a_damaged_store_fails_its_check(shell, in_demo: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(in_demo / "stores" / "demo-agcn.zarr", tmp_path / "s.zarr"))
    shard = next(file for file in (store / "joints" / "c").rglob("*") if file.is_file())
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    done = shell(f"fsprep verify {store}")
    assert done.exit_code == 2
    assert "`joints`" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["where", "--json"]])
def test_the_module_is_a_program(home: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.fsprep", *words], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ("Usage:" if words == ["--help"] else str(home / "stores")) in done.stdout


def test_real_ntu_files(shell, home: Path) -> None:
    raw = shared("data/ntu/nturgb+d_skeletons")
    done = shell(f"fsprep build ntu120 --workers 1 --raw {raw} --json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["clips"], facts["several_bodies"], facts["info"]["preprocessing"]) == (7, 1, "ctrgcn")
    store = open_store(home / "stores" / "ntu120-ctrgcn.zarr")
    assert store.info.classes[int(store.label[store.names.index("S001C003P008R002A058")])] == "handshaking"
    subset = shell(f"fsprep build ntu120 --subset ntu_t --workers 1 --raw {raw}")
    assert subset.exit_code == 3
    assert "class 0 (drink water): 1 clips found, ntu_t takes 30" in subset.stderr


@pytest.mark.slow
def test_real_nw_ucla(shell, home: Path) -> None:
    done = shell(f"fsprep build nw_ucla --workers 1 --raw {shared('data/nw_ucla.zip')} --json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["clips"] == 1484
