"""Threads: what the user sets stays; quota, cores and load of others decide otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import threads


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({}, {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "0"}),
        ({"KMP_BLOCKTIME": "9"}, {"KMP_BLOCKTIME": "9", "OMP_WAIT_POLICY": "PASSIVE"}),
    ],
)
def test_waiting_threads_sleep_unless_the_user_says_otherwise(own: dict[str, str], wanted: dict[str, str]) -> None:
    environment = {**own, "OMP_NUM_THREADS": "3"}
    threads.configure(environment)
    assert environment == {**wanted, "OMP_NUM_THREADS": "3"}


def test_threads_are_the_processors_that_others_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(threads, "cores", lambda processors: len(list(processors)))
    monkeypatch.setattr(threads, "_affinity", lambda: range(8))
    for load, limit, mask, expected in (
        (0.0, 0.0, 8, 8),
        (1.2, 0.0, 8, 7),
        (9.0, 0.0, 8, 1),
        (0.3, 2.0, 8, 2),
        (3.0, 6.0, 8, 5),
        (0.0, 0.4, 8, 1),
        (3.0, 0.0, 4, 4),
    ):
        monkeypatch.setattr(threads, "_others", lambda load=load: load)
        monkeypatch.setattr(threads, "quota", lambda *_, limit=limit: limit)
        monkeypatch.setattr(threads, "_affinity", lambda mask=mask: range(mask))
        environment: dict[str, str] = {}
        threads.configure(environment)
        assert environment["OMP_NUM_THREADS"] == str(expected)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_smallest_quota_above_a_process_counts(tmp_path: Path) -> None:
    groups, membership = tmp_path / "cgroup", tmp_path / "membership"
    write(membership, "4:memory:/x\n0::/a/b\n")
    assert threads.quota(membership, groups) == 0
    write(groups / "a/b/cpu.max", "max 100000\n")
    assert threads.quota(membership, groups) == 0
    write(groups / "a/cpu.max", "150000 100000\n")
    assert threads.quota(membership, groups) == 1.5
    write(groups / "cpu.max", "400000 100000\n")
    assert threads.quota(membership, groups) == 1.5
    assert threads.quota(tmp_path / "none", groups) == 0


def test_a_quota_of_version_1(tmp_path: Path) -> None:
    groups, membership = tmp_path / "cgroup", tmp_path / "membership"
    write(membership, "2:cpuacct:/x\n1:cpu,cpuacct:/docker/77\n")
    # In a container the cgroup's path is that of the host, and its files are at the root.
    write(groups / "cpu/cpu.cfs_quota_us", "200000\n")
    write(groups / "cpu/cpu.cfs_period_us", "100000\n")
    assert threads.quota(membership, groups) == 2
    write(groups / "cpu/cpu.cfs_quota_us", "-1\n")
    assert threads.quota(membership, groups) == 0


def test_hardware_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for number, pair in enumerate(("0,2", "1,3", "0,2", "1,3")):
        write(tmp_path / f"cpu{number}/topology/thread_siblings_list", pair + "\n")
    assert threads.cores(range(4), tmp_path) == 2
    assert threads.cores([0, 1], tmp_path) == 2
    assert threads.cores(range(4), tmp_path / "unknown") == 4


def test_what_runs_now_counts_and_not_what_ran_in_the_last_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The load average remembers a build that has just ended, and does not know a neighbour that has just begun."""
    stat = iter(["cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 \ncpu1 ", "cpu  1 0 0 19 0 0 0 0 0 0\ncpu0 \ncpu1 ", "", ""])
    monkeypatch.setattr(threads, "_text", lambda _: next(stat))
    monkeypatch.setattr(threads, "SAMPLE", 0)
    monkeypatch.setattr(threads.os, "getloadavg", lambda: (1.8, 0.0, 0.0), raising=False)
    assert threads._others() == pytest.approx(0.1)
    assert threads._others() == 1.8
    monkeypatch.setattr(threads.os, "getloadavg", lambda: (0.04, 0.0, 0.0), raising=False)
    assert threads._others() == 0.04


@pytest.mark.parametrize("program", ["fszoo", "fsprep"])
def test_programs_settle_it_before_torch_is_loaded(program: str) -> None:
    script = (
        "import os, sys\n"
        f"from cli.{program} import main\n"
        "try: main(['list', '--json'])\n"
        "except SystemExit: pass\n"
        "print([os.environ[key] for key in ('OMP_WAIT_POLICY', 'OMP_NUM_THREADS')], 'torch' in sys.modules)"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "KMP_"))}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=clean)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("['PASSIVE', '")
    assert last.endswith("False")
