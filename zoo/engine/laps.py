"""Laps: where the time of an epoch goes. Nothing here reads a clock; the command line hands one in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zoo.engine.step import Lap, no_lap


@dataclass
class Laps:
    """Seconds by name, over the measured steps of an epoch.

    `clock` gives seconds (None: nothing is measured). `synchronise` waits until the device has finished; since waiting
    costs time, only the steps after which a loss is read anyway are measured, and the shares stand for all.
    """

    clock: Callable[[], float] | None = None
    synchronise: Callable[[], None] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float | None = None

    @contextmanager
    def step(self, measured: bool) -> Iterator[Lap]:
        """The lap function of one step."""
        if self.clock is None or not measured:
            self._last = None
            yield no_lap
            return
        self._last = self._now()
        yield self.lap
        self._last = None

    def lap(self, name: str) -> None:
        """The time since the last lap of this step went into `name`."""
        if self._last is None:
            return
        now = self._now()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now

    def take(self) -> dict[str, float] | None:
        """The seconds so far, and start again; None where nothing was measured."""
        taken, self.seconds = self.seconds, {}
        return taken or None

    def _now(self) -> float:
        assert self.clock is not None
        if self.synchronise is not None:
            self.synchronise()
        return self.clock()
