"""MSR Action Pairs and PKU-MMD from end to end: raw files with simulated people, a store, a row of a paper's table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.shell import Shell
from helpers.simulated_recordings import write_msr_pairs, write_pku_mmd

SMALL = ("backbone.name=tcn", "budget.test_episodes=40", "budget.episodes=40", "budget.exemplar_draws=1")
QUICK = " ".join(["--quick --class-splits 1", *(f"--set {setting}" for setting in SMALL)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "write", "clips", "classes", "table", "way"),
    [
        ("msr_pairs", lambda root: write_msr_pairs(root, subjects=4, repetitions=2), 96, 12, "VI", 6),
        ("pku_mmd", lambda root: write_pku_mmd(root, subjects=2), 306, 51, "IV", 11),
    ],
)
def test_raw_files_become_a_row_beside_the_papers(
    shell: Shell,
    home: Path,
    dataset: str,
    write: Callable[[Path], Path],
    clips: int,
    classes: int,
    table: str,
    way: int,
) -> None:
    write(home / "raw" / dataset)
    built = shell(f"fsprep build {dataset} --workers 1 --json")
    assert built.exit_code == 0, built.output
    said = json.loads(built.stdout)
    assert (said["clips"], len(said["clips_per_class"]), said["info"]["unverified"] != "") == (clips, classes, True)
    line = f"fszoo bench --json {QUICK} --only method=protonet --only shot=1 --out {home / 'tables'}"
    measured = shell([*line.split(), f"Cross-modal Table {table}"])
    assert measured.exit_code == 0, measured.output
    (row,) = json.loads(measured.stdout)["rows"]
    assert (row["published"]["method"], row["published"]["way"], row["split"].startswith(dataset)) == (
        "protonet",
        way,
        True,
    )
    assert row["ours"]["accuracy"] > 1.5 / way
