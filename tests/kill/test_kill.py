"""A bounded kill campaign, each breakage and its trial, and two writers at once; `make kill KILLS=1000` kills more."""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kill.breakages import BREAKAGES
from kill.campaign import Site, campaign, differences, prepare
from kill.commands import Commands, Ended
from kill.scenarios import SCENARIOS, facts, lost

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kill")


@pytest.fixture(scope="module")
def commands(base: Path) -> Iterator[Commands]:
    with Commands(base / "scratch") as running:
        yield running


@pytest.fixture(scope="module")
def sites(commands: Commands, base: Path) -> dict[str, Site]:
    """Every scenario, run undisturbed once and repeated once."""
    return {name: prepare(commands, base, scenario) for name, scenario in BY_NAME.items()}


def test_whatever_is_killed_ends_in_the_undisturbed_result(
    commands: Commands, sites: dict[str, Site], tmp_path: Path
) -> None:
    *_, total = campaign(commands, list(sites.values()), tmp_path, kills=40, seconds=30)
    assert total.kills >= len(sites)
    assert not total.failures, "\n".join(total.failures)


@dataclass(frozen=True)
class Broken:
    """A trial that one breakage turns red: the scenario, the event of the kill, and what happens before the next run.

    `after` kills at the event that follows, `power` empties what was not flushed.
    """

    scenario: str
    event: str
    after: bool = False
    power: bool = False
    damage: Callable[[Path], None] = lambda folder: None


def _tear(folder: Path) -> None:
    """The last byte of the largest partial file is not what was sent."""
    partial = max((folder / "new.zarr.pulling").rglob("*.partial"), key=lambda file: file.stat().st_size)
    content = partial.read_bytes()
    partial.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


TRIALS = {
    # The earlier vectors are deleted: the new manifest and its arrays must be on the disk.
    "no fsync": Broken("re-import", r"remove s\.zarr/embeddings/x/\w+/zarr\.json", power=True),
    # While the manifest is replaced there is the earlier one, whole.
    "no rename": Broken("re-import", r"(half of|rename) s\.zarr/manifest\.json"),
    # With the new manifest there are the new arrays.
    "manifest first": Broken("re-import", r"rename s\.zarr/manifest\.json", after=True),
    # What a kill left of a file counts only if its bytes are right.
    "digest unchecked": Broken("pull", r"rename new\.zarr\.pulling/store/joints/c/.*", damage=_tear),
}


def outcome(commands: Commands, site: Site, trial: Broken, breakage: str, folder: Path) -> list[str]:
    """What is wrong after a kill with this breakage and the same command again, with the same breakage."""
    shutil.copytree(site.folder, folder)
    line = site.scenario.line
    killed = commands.run(folder, line, kill=(trial.event, 0), after=trial.after, power=trial.power, breakage=breakage)
    assert killed.killed, killed.output
    wrong = lost(site.scenario, site.before, facts(folder), site.final)
    trial.damage(folder)
    again = commands.run(folder, line, breakage=breakage)
    wrong += [again.output] if again.status else []
    return wrong + differences(site, folder)


@pytest.mark.parametrize("breakage", ["", *BREAKAGES])
def test_each_breakage_turns_its_own_trial_red(
    commands: Commands, sites: dict[str, Site], tmp_path: Path, breakage: str
) -> None:
    wrong = {
        name: outcome(commands, sites[trial.scenario], trial, breakage, tmp_path / name.replace(" ", "-"))
        for name, trial in TRIALS.items()
    }
    assert {name for name, found in wrong.items() if found} == ({breakage} if breakage else set()), wrong


REFUSED = re.compile(r"^Error: .*: (another command is writing here, process \d+ on .*|.* meanwhile)\. ", re.MULTILINE)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_of_two_writers_one_is_right_and_the_other_is_refused(
    commands: Commands, sites: dict[str, Site], tmp_path: Path, name: str
) -> None:
    """PAIRS=20 makes 20 trials of every command."""
    site, rng = sites[name], random.Random(name)
    for number in range(int(os.environ.get("PAIRS", "2"))):
        folder = tmp_path / str(number)
        shutil.copytree(site.folder, folder)
        ended = two_at_once(commands, folder, site.scenario.line, rng.uniform(0, site.seconds) if number else 0)
        statuses = sorted(end.status for end in ended)
        assert statuses in ([0, 2], [0, 0]), [end.output for end in ended]
        assert all(REFUSED.search(end.output) for end in ended if end.status), [end.output for end in ended]
        assert not differences(site, folder)
        shutil.rmtree(folder)


def two_at_once(commands: Commands, folder: Path, line: str, apart: float) -> list[Ended]:
    """The same command twice, the second begun `apart` seconds after the first."""
    first = commands.start(folder, line)
    time.sleep(apart)
    second = commands.start(folder, line)
    return [commands.wait(first), commands.wait(second)]
