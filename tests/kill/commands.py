"""The client of server.py: runs one command in a folder, to its end or to a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (-9: killed), output, and the events that it reported."""

    status: int
    output: str
    events: tuple[str, ...]

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.status == -signal.SIGKILL

    def points(self) -> list[tuple[str, int]]:
        """Every event as (name, how many of this name came before)."""
        seen: Counter[str] = Counter()
        found = []
        for event in self.events:
            found.append((event, seen[event]))
            seen[event] += 1
        return found


@dataclass(frozen=True)
class Running:
    """A command that runs."""

    pid: int
    folder: Path
    began: float


class Commands:
    """Runs commands in processes of their own; `scratch` holds their outputs and logs."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(scratch)}
        self._server = subprocess.Popen(
            [sys.executable, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=scratch,
        )

    def __enter__(self) -> Commands:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=30)
        assert self._server.stdout is not None
        self._server.stdout.close()

    def start(
        self,
        folder: Path,
        line: str,
        kill: tuple[str, int] | None = None,
        after: bool = False,
        power: bool = False,
        breakage: str = "",
    ) -> Running:
        """Start a command line in `folder`; see `Points` for the kill."""
        number = time.monotonic_ns()
        order = {
            "folder": str(folder),
            "words": line.split(),
            "output": str(self._scratch / f"{number}.out"),
            "log": str(self._scratch / f"{number}.log"),
            "kill": kill,
            "after": after,
            "power": power,
            "breakage": breakage,
        }
        pid = self._ask({"start": order})["pid"]
        self._files = {**getattr(self, "_files", {}), pid: number}
        return Running(pid, folder, time.monotonic())

    def wait(self, running: Running) -> Ended:
        """Wait for its end."""
        status = self._ask({"wait": running.pid})["status"]
        stem = self._scratch / str(self._files.pop(running.pid))
        output, log = stem.with_suffix(".out"), stem.with_suffix(".log")
        texts = [path.read_text(errors="replace") if path.exists() else "" for path in (output, log)]
        for path in (output, log):
            path.unlink(missing_ok=True)
        return Ended(status, texts[0], tuple(texts[1].splitlines()))

    def run(self, folder: Path, line: str, **options: object) -> Ended:
        """Start and wait."""
        return self.wait(self.start(folder, line, **options))  # type: ignore[arg-type]

    def run_for(self, folder: Path, line: str, seconds: float) -> Ended:
        """Kill the command after so many seconds, unless it has ended."""
        running = self.start(folder, line)
        time.sleep(seconds)
        os.kill(running.pid, signal.SIGKILL)  # its process is there until it is waited for
        return self.wait(running)

    def _ask(self, request: object) -> dict[str, int]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer: dict[str, int] = json.loads(self._server.stdout.readline())
        return answer
