"""A Dask cluster of processes that tests may kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DASK = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
WORKER = [sys.executable, "-m", "distributed.cli.dask_worker", "--nworkers", "1", "--nthreads", "1", "--no-dashboard"]


class Cluster:
    """A scheduler and workers in separate processes, started like `dask scheduler` and `dask worker`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.processes = folder, folder / "scheduler.json", []
        command = [*DASK, "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file)]
        self.scheduler = self._start(command, "scheduler.log")
        until(lambda: self.file.exists() and self.file.stat().st_size > 0)
        self.address = json.loads(self.file.read_text())["address"]

    def worker(self, *more: str) -> subprocess.Popen[bytes]:
        command = [*WORKER, "--scheduler-file", str(self.file), *(more or ["--no-nanny"])]
        self.processes.append(self._start(command, f"worker{len(self.processes)}.log"))
        return self.processes[-1]

    def _start(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        """A process that can import the tests, whose functions are its tasks."""
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        with (self.folder / log).open("w") as file:
            return subprocess.Popen(command, stdout=file, stderr=file, env=environment)

    def ready(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def fsprep(self, *words: str | Path) -> subprocess.Popen[str]:
        """fsprep in its own process, with its tasks on this cluster."""
        program = [sys.executable, "-c", "from cli.fsprep import main; main()"]
        command = [*program, *map(str, words), "--scheduler", self.address]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self) -> None:
        for process in (*self.processes, self.scheduler):
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
