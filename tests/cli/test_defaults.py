"""Defaults alone, on the demo and on two custom datasets: trained beats untrained, in minutes of one core."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.shell import Shell
from helpers.synthetic_people import write_gym, write_street

from zoo.runs.result import Result

MINUTES = 3
SETS = ("demo", "gym", "street")


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The splits of three datasets, built in one workspace; values of --data."""
    root = tmp_path_factory.mktemp("defaults")
    gym, street = write_gym(root / "gym"), write_street(root / "street")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FSPREP_HOME", str(root / "home"))
        for line in (
            "fsprep demo",
            "fsprep build demo",
            f"fsprep build {gym.dataset}",
            f"fsprep build {street.dataset}",
        ):
            done = Shell()(line)
            assert done.exit_code == 0, done.output
    return {"home": str(root / "home"), "demo": "demo", "gym": str(gym.split), "street": str(street.split)}


@pytest.fixture
def trained(splits: dict[str, str], monkeypatch: pytest.MonkeyPatch, shell: Shell):
    """Train a recipe with its defaults alone: the result, and the seconds of processor time."""

    def train(recipe: str, name: str) -> tuple[Result, float]:
        monkeypatch.setenv("FSPREP_HOME", splits["home"])
        start = time.process_time()
        done = shell(f"fszoo train {recipe} --data {splits[name]} --json")
        assert done.exit_code == 0, done.output
        values: dict[str, Any] = json.loads(done.stdout)
        assert Path(values.pop("run")).is_dir()
        return Result(**{**values, "warnings": tuple(values["warnings"])}), time.process_time() - start

    return train


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_protonet_beats_the_best_untrained_recipe(trained, name: str) -> None:
    result, seconds = trained("protonet", name)
    assert result.beats_untrained, (result.accuracy, result.untrained, result.untrained_recipe, result.gain_interval)
    assert seconds < 60 * MINUTES
    # The line beside it is the best of the three recipes that a user can run on its own.
    best, _ = trained(result.untrained_recipe, name)
    assert best.accuracy == result.untrained
