"""Kill every command at its named points and at random times, run it again, and compare with the undisturbed result.

By hand: `make kill KILLS=1000`. Every trial begins with a fresh copy and a fresh process. After every kill nothing that
was there before may be lost, and the same command must end with status 0 in the undisturbed result, without left-overs.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from kill.commands import Commands, Ended
from kill.scenarios import SCENARIOS, Facts, Scenario, facts, lost

COMMIT = re.compile(r"(rename|remove|rmdir|rmtree|fsync) .*")


@dataclass
class Site:
    """A scenario that is prepared: the folder to copy, its facts, and the undisturbed run."""

    scenario: Scenario
    folder: Path
    before: Facts
    final: Facts
    points: list[tuple[str, int]]
    seconds: float


@dataclass
class Tally:
    """The outcome of trials."""

    trials: int = 0
    kills: int = 0
    points: set[tuple[str, str, int]] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


def prepare(commands: Commands, base: Path, scenario: Scenario) -> Site:
    """Run the scenario undisturbed; the same command once more changes nothing and has status 0."""
    folder = base / scenario.name
    folder.mkdir(parents=True)
    scenario.prepare(commands, base, folder)
    copy = base / f"{scenario.name}-undisturbed"
    shutil.copytree(folder, copy, symlinks=True)
    before, began = facts(folder), time.monotonic()
    ended = commands.run(copy, scenario.line)
    seconds, final = time.monotonic() - began, facts(copy)
    assert ended.status == 0, f"{scenario.name}: {ended.output}"
    again = commands.run(copy, scenario.line)
    assert again.status == 0, f"{scenario.name}, again: {again.output}"
    assert facts(copy) == final, f"{scenario.name}, again: {facts(copy)} instead of {final}"
    return Site(scenario, folder, before, final, ended.points(), seconds)


def differences(site: Site, folder: Path) -> list[str]:
    """Entries of a folder that are not those of the undisturbed run."""
    now, final = facts(folder), site.final
    return [
        f"{name}: {now.get(name)!s:.300} instead of {final.get(name)!s:.300}"
        for name in sorted(now.keys() | final.keys())
        if now.get(name) != final.get(name)
    ]


class Trial:
    """One copy of a site, in which the command is killed and run again."""

    def __init__(self, commands: Commands, site: Site, folder: Path, tally: Tally) -> None:
        self._commands, self._site, self._tally = commands, site, tally
        self._folder = folder
        shutil.copytree(site.folder, folder, symlinks=True)

    def killed(self, ended: Ended, how: str) -> bool:
        """Note a kill, and what is lost after it."""
        if not ended.killed:
            self._expect(ended, f"was not reached by {how}")
            return False
        self._tally.kills += 1
        self._fail(lost(self._site.scenario, self._site.before, facts(self._folder), self._site.final), how)
        return True

    def finish(self, how: str) -> None:
        """Run the command until it is done, and compare."""
        self._tally.trials += 1
        self._expect(self._commands.run(self._folder, self._site.scenario.line), f"continued after {how}")
        self._fail(differences(self._site, self._folder), f"continued after {how}")
        shutil.rmtree(self._folder)

    def _expect(self, ended: Ended, how: str) -> None:
        if ended.status != 0:
            self._fail([f"status {ended.status}: {ended.output[-600:]}"], how)

    def _fail(self, wrong: list[str], how: str) -> None:
        self._tally.failures += [f"{self._site.scenario.name}, {how}: {text}" for text in wrong]


def at_point(commands: Commands, site: Site, folder: Path, tally: Tally, point: tuple[str, int], power: bool) -> None:
    """One trial: killed just before one event."""
    how = f"a {'power cut' if power else 'kill'} before `{point[0]}` number {point[1]}"
    trial = Trial(commands, site, folder, tally)
    kill = (re.escape(point[0]), point[1])
    if trial.killed(commands.run(folder, site.scenario.line, kill=kill, power=power), how):
        tally.points.add((site.scenario.name, *point))
    trial.finish(how)


def at_random(commands: Commands, site: Site, folder: Path, tally: Tally, rng: random.Random) -> None:
    """One trial: killed up to three times, each after a random time."""
    trial, times = Trial(commands, site, folder, tally), []
    for _ in range(rng.randint(1, 3)):
        times.append(round(rng.uniform(0, site.seconds), 4))
        if not trial.killed(commands.run_for(folder, site.scenario.line, times[-1]), f"kills after {times} s"):
            break
    trial.finish(f"kills after {times} s")


def chosen_points(site: Site, rng: random.Random) -> Iterator[tuple[str, int]]:
    """Points in random order, those of the commit (rename, remove, flush) first, each name once before any twice."""
    points = list(site.points)
    rng.shuffle(points)
    yield from sorted(points, key=lambda point: (point[1] > 0, not COMMIT.fullmatch(point[0])))


def campaign(
    commands: Commands, sites: Sequence[Site], base: Path, kills: int, seed: int = 0, seconds: float = float("inf")
) -> Iterator[Tally]:
    """Kill in turn in every scenario, half at points and half at random times; gives the total after each round.

    It ends after so many kills or seconds, whichever comes first, but not before the second round.
    """
    rng, total, end = random.Random(seed), Tally(), time.monotonic() + seconds
    points = {site.scenario.name: chosen_points(site, rng) for site in sites}
    for turn in count():
        if turn > 1 and (total.kills >= kills or time.monotonic() > end):
            return
        for site in sites:
            folder = base / f"trial-{turn}-{site.scenario.name}"
            point = next(points[site.scenario.name], None) if turn % 2 == 0 else None
            if point:
                at_point(commands, site, folder, total, point, power=rng.random() < 0.5)
            else:
                at_random(commands, site, folder, total, rng)
        yield total


def _report(total: Tally, sites: list[Site]) -> None:
    named = Counter(name for name, *_ in total.points)
    for site in sites:
        name = site.scenario.name
        print(f"{name:<16} {named[name]:>4} of {len(site.points):>4} points, {site.seconds:.2f} s undisturbed")
    print(f"{total.trials} trials, {total.kills} kills, {len(total.failures)} failures")


def main() -> None:
    """`python tests/kill/campaign.py --kills 1000`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--only", nargs="*", default=[scenario.name for scenario in SCENARIOS])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base, total, shown = Path(folder), Tally(), 0
        with Commands(base / "scratch") as commands:
            sites = [prepare(commands, base, scenario) for scenario in SCENARIOS if scenario.name in options.only]
            for total in campaign(commands, sites, base, options.kills, options.seed, 60 * options.minutes):
                print("\n".join([*total.failures[shown:], f"{total.kills} kills"]), flush=True)
                shown = len(total.failures)
        _report(total, sites)
    sys.exit(bool(total.failures))


if __name__ == "__main__":
    main()
