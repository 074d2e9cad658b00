"""Long work in a thread of its own, whose progress is asked for."""

from __future__ import annotations

from threading import Thread
from typing import Generic, TypeVar

from prep.progress import Step, Work

T = TypeVar("T")


class Background(Generic[T]):
    """Work that starts at once and ends with the program."""

    def __init__(self, work: Work[T], total: int) -> None:
        self._step = Step(0, total)
        self._error: Exception | None = None
        self._made: tuple[T] | None = None
        Thread(target=self._run, args=(work,), daemon=True).start()

    def _run(self, work: Work[T]) -> None:
        try:
            while True:
                self._step = next(work)
        except StopIteration as stop:
            self._made = (stop.value,)
        except Exception as error:  # raised again where it is seen
            self._error = error

    def state(self) -> T | Step:
        """What was made, or how far the work is. Raises the error that ended it."""
        if self._error is not None:
            raise self._error
        return self._made[0] if self._made else self._step
