"""Cost of a run: sittings add up, stopped ones too; measured by a gauge that is handed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.runs.cost import FILE, Cost, CostError, Gauge, metered, read_cost


def gauge(*seconds: float, memory: int = 100) -> Gauge:
    """A gauge that shows these seconds, one after the other."""
    shown: Iterator[float] = iter(seconds)
    return lambda: Cost(next(shown), memory, 7, "toy")


def test_sittings_add_up_also_those_that_are_stopped(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").touch()
    with pytest.raises(KeyboardInterrupt), metered(tmp_path, gauge(10.0, 12.5)):
        raise KeyboardInterrupt
    assert read_cost(tmp_path) == Cost(2.5, 100, 7, "toy")
    with metered(tmp_path, gauge(0.0, 1.0, memory=60)):
        pass
    assert read_cost(tmp_path) == Cost(3.5, 100, 7, "toy")


def test_without_a_gauge_or_a_run_nothing_is_written(tmp_path: Path) -> None:
    with metered(tmp_path, gauge(0.0, 1.0)):
        pass
    (tmp_path / "recipe.toml").touch()
    with metered(tmp_path, None):
        pass
    assert read_cost(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "Expecting property name"),
        ('{"seconds": -1, "memory": 1, "device_memory": 0, "device": ""}', "seconds is -1"),
        ('{"seconds": NaN, "memory": 1, "device_memory": 0, "device": ""}', "seconds is nan"),
        ('{"seconds": 1}', "memory"),
    ],
)
def test_a_damaged_file_is_refused(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(CostError, match=rf"cost\.json: damaged .*{words}.*Delete it; the run is then shown without"):
        read_cost(tmp_path)
