"""fsprep check, diff and merge as a user types them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.shared import shared
from helpers.shell import Shell
from helpers.stores import info, make_store, write_clips

ROOT = Path(__file__).resolve().parents[2]


def flagged(path: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    clip = (rng.standard_normal((20, 3)) * [0.1, 0.5, 0.1] + 0.03 * rng.standard_normal((20, 1, 20, 3))).astype("f4")
    clip[4, 0, 3] = 0
    return write_clips(path, info("nw_ucla", "raw"), ["a01_s01_e00_v01"], [0], [clip])


def test_check_reports_and_is_strict_on_request(shell: Shell, tmp_path: Path) -> None:
    store = flagged(tmp_path / "s.zarr")
    done = shell(f"fsprep check {store}")
    assert done.exit_code == 0
    assert re.search(r"zero +1 +100.00%  joints at zero", done.stdout)
    assert shell(f"fsprep check {store} --strict").exit_code == 3
    assert shell(f"fsprep check {make_store(tmp_path / 'good.zarr')} --strict").exit_code == 0
    record = json.loads(shell(f"fsprep check {store} --json").stdout)
    assert record["flags"][0]["clips"] == ["a01_s01_e00_v01"]


def test_check_leaves_a_folder(shell: Shell, tmp_path: Path) -> None:
    store = flagged(tmp_path / "s.zarr")
    done = shell(f"fsprep check {store} --out {tmp_path / 'report'}")
    assert f"report and figures in {tmp_path / 'report'}" in done.stdout
    assert {"report.md", "report.json", "zero.png"} <= {file.name for file in (tmp_path / "report").rglob("*")}
    again = shell(f"fsprep check {store} --out {tmp_path / 'report'}")
    assert (again.exit_code, again.stdout) == (0, done.stdout.rstrip("\n") + ", there already\n")
    refused = shell(f"fsprep check {store} --out {store}")
    assert refused.exit_code == 2
    assert "holds something else than a report" in refused.stderr


def test_diff_has_the_exit_status_of_diff(shell: Shell, tmp_path: Path) -> None:
    a, b = flagged(tmp_path / "a.zarr"), flagged(tmp_path / "b.zarr", seed=1)
    same = shell(f"fsprep diff {a} {a}")
    assert (same.exit_code, same.stdout.splitlines()[-1]) == (0, "The same content.")
    other = shell(f"fsprep diff {a} {b}")
    assert other.exit_code == 1
    assert "joints: equal in 0 of 1 clips" in other.stdout
    assert "raw bytes (sha256): differs in 1 clips" in other.stdout
    record = json.loads(shell(f"fsprep diff {a} {b} --json").stdout)
    assert (record["same"], record["gaps"][0]["name"]) == (False, "a01_s01_e00_v01")
    names = json.loads(shell(f"fsprep diff {a} {make_store(tmp_path / 'c.zarr')} --json").stdout)
    assert (len(names["only_a"]), len(names["only_b"]), names["both"]) == (1, 192, 0)
    absent = shell(f"fsprep diff {a} {tmp_path / 'nowhere'}")
    assert absent.exit_code == 2
    assert "no store there" in absent.stderr


def test_merge(shell: Shell, tmp_path: Path) -> None:
    a, b = flagged(tmp_path / "a.zarr"), flagged(tmp_path / "b.zarr", seed=1)
    done = shell(f"fsprep merge {a} {a} --out {tmp_path / 'c.zarr'}")
    assert done.exit_code == 0
    assert "1 clips, 20 frames" in done.stdout
    assert shell(f"fsprep diff {a} {tmp_path / 'c.zarr'}").exit_code == 0
    again = shell(f"fsprep merge {a} {a} --out {tmp_path / 'c.zarr'}")
    assert (again.exit_code, again.output) == (0, f"Already merged.\n{done.output}")
    refused = shell(f"fsprep merge {a} {b} --out {tmp_path / 'd.zarr'}")
    assert refused.exit_code == 2
    assert "clips with the same name differ" in refused.stderr
    assert shell(f"fsprep merge {a} --out {tmp_path / 'd.zarr'}").exit_code == 2


@pytest.mark.parametrize("command", ["check", "diff", "merge"])
def test_help_imports_nothing_heavy(command: str) -> None:
    heavy = "{'numpy', 'zarr', 'matplotlib', 'torch'}"
    script = f"import sys, cli.prep.{command}; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


@pytest.mark.slow
def test_the_real_nw_ucla(shell: Shell, home: Path) -> None:
    raw = shared("data/nw_ucla.zip")
    assert shell(f"fsprep build nw_ucla --preprocessing raw --workers 1 --raw {raw}").exit_code == 0
    record = json.loads(shell(f"fsprep check {home / 'stores' / 'nw_ucla-raw.zarr'} --json").stdout)
    assert {flag["name"]: len(flag["clips"]) for flag in record["flags"]} == {"zero": 2, "bone-jump": 13}
    # Views 2 and 3 of 95 recordings of actions 2 and 3 are the same joints in the widespread files of the dataset.
    assert {flag["name"]: len(flag["clips"]) for flag in record["others"]} == {"copies": 95, "one-frame": 2}
