"""Named points of a command: every change of a file below one folder, as Python's audit events and os.fsync report it.

A point is (name, number): the `number`-th event of this name, for example ("rename s.zarr.building/store", 0). A kill
happens just before its event. With `power`, what was renamed but not flushed is emptied first, as after a power cut.
Nothing here is imported by production code.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

_RANDOM = re.compile(r"[0-9a-f]{32}|tmp[a-z0-9_]{8}")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ONE_PATH = {"os.remove": "remove", "os.rmdir": "rmdir", "os.mkdir": "mkdir", "shutil.rmtree": "rmtree"}


class Points:
    """Counts the events of this process below `folder`, writes them to `log`, and kills the process at one of them.

    `kill` is (regular expression, number): at the `number`-th event whose name it matches fully; None: never.
    """

    def __init__(self, folder: Path, log: Path, kill: tuple[str, int] | None, after: bool, power: bool) -> None:
        self._root = os.path.realpath(folder)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._kill, self._after, self._power = kill, after, power
        self._counts: Counter[str] = Counter()
        self._matched = 0
        self._due = False
        self._busy = threading.RLock()
        self._inside = False
        self.flushed: set[str] = set()
        self.unflushed: set[str] = set()

    def install(self) -> None:
        """From now on every event counts. There is no way back: audit hooks stay until the process ends."""
        real = os.fsync

        def fsync(descriptor: int) -> None:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            self.event("fsync", path)
            real(descriptor)
            self.note_flush(path)

        os.fsync = fsync
        sys.addaudithook(self._hook)

    def note_flush(self, path: str) -> None:
        """The file has reached the disk."""
        with self._busy:
            self.flushed.add(path)
            self.unflushed.discard(path)

    def event(self, kind: str, path: str) -> None:
        """Count one event; the process may end here."""
        if not (path == self._root or path.startswith(f"{self._root}/")):
            return
        with self._busy:
            if self._inside:
                return
            name = f"{kind} {_RANDOM.sub('*', path[len(self._root) + 1 :] or '.')}"
            if self._due:
                self._end(name)
            os.write(self._log, f"{name}\n".encode())
            if self._kill and re.fullmatch(self._kill[0], name):
                if self._matched == self._kill[1]:
                    self._due = self._after
                    if not self._after:
                        self._end(name)
                self._matched += 1

    def _end(self, name: str) -> None:
        self._inside = True
        if self._power:
            for path in self.unflushed:
                if os.path.isfile(path):
                    os.truncate(path, 0)
        os.write(self._log, f"killed before {name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename":
            source, target = _path(arguments[0], arguments[2]), _path(arguments[1], arguments[3])
            self.event("rename", target)
            self._moved(source, target)
        elif event in _ONE_PATH:
            descriptor = arguments[1] if event in ("os.remove", "os.rmdir") else -1
            self.event(_ONE_PATH[event], _path(arguments[0], descriptor))
        elif event == "open" and isinstance(arguments[0], str | bytes) and int(arguments[2] or 0) & _WRITES:
            path = _path(arguments[0], -1)
            self.event("open", path)
            with self._busy:
                self.flushed.discard(path)

    def _moved(self, source: str, target: str) -> None:
        """Files keep their state under their new names; what was never flushed is unflushed from now on."""
        with self._busy:
            if self._inside:
                return
            below = [source]
            if os.path.isdir(source):
                below = [os.path.join(folder, file) for folder, _, files in os.walk(source) for file in files]
            for path in below:
                renamed = target + path[len(source) :]
                (self.flushed if path in self.flushed else self.unflushed).add(renamed)
                (self.unflushed if path in self.flushed else self.flushed).discard(renamed)
                self.flushed.discard(path)
                self.unflushed.discard(path)


def _path(path: Any, descriptor: Any) -> str:
    text = os.fsdecode(path) if not isinstance(path, int) else os.readlink(f"/proc/self/fd/{path}")
    if isinstance(descriptor, int) and descriptor >= 0:
        return os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), text)
    return os.path.abspath(text)
