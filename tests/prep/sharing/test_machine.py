"""A state machine: stores are built, embedded, merged, pushed and pulled on disks and storages that fail anywhere.

The model is a dictionary from a place to what lies there. A command that ends well leaves what the same command left
before from the same input; one that was stopped leaves what was there, or that; the next one continues it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from helpers.faulty_storage import Fault, FaultyFolder, Killed, faulty_disk
from helpers.stores import embed
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import prep.sharing.pull as pulling
import prep.sharing.push as pushing
from manifests.facts import dataset
from prep.building.build import build
from prep.building.job import Job
from prep.curate.merge import merge
from prep.curate.verify import verify
from prep.errors import PrepError
from prep.progress import result
from prep.store.keep_embedding import locked_store
from prep.store.manifest import StoreError
from prep.store.read import open_store
from prep.workers import Workers

State = tuple[str, tuple[tuple[str, str], ...]]  # the digest of the clips, and of each part of an embedding
ON_DISK: st.SearchStrategy[Fault] = st.sampled_from(["none", "kill", "disk full"])
ANY_FAULT: st.SearchStrategy[Fault] = st.sampled_from(["none", "kill", "disk full", "drop", "repeat", "delay", "full"])
NUMBER, WHEN = st.integers(0, 2), st.integers(1, 60)
SETTINGS = {
    "derandomize": True,
    "deadline": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


def state(path: Path) -> State | None:
    """What lies at a place; None where there is no store. Everything that opens is verified."""
    try:
        store = open_store(path)
    except StoreError:
        return None
    result(verify(store))
    return store.digest, tuple(sorted((key, entry.digest) for key, entry in store.manifest.embedded.items()))


class Machine(RuleBasedStateMachine):
    """Places a to e here, and r, s in storages."""

    results: ClassVar[dict[Any, State]] = {}  # what each command made of its input, in all runs

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[str, State | None] = dict.fromkeys("abcders")
        for view in (1, 2):
            raw = self.folder / f"raw{view}"
            raw.mkdir()
            for action in (1, 2):
                clip = f"a0{action}_s01_e00_v0{view}"
                joints = np.random.default_rng([view, action]).standard_normal((6, 20, 3)).round(4).tolist()
                content = {"file_name": clip, "skeletons": joints, "label": action}
                (raw / f"{clip}.json").write_text(json.dumps(content))

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(fault=ON_DISK, when=WHEN)
    def two_stores(self, fault: Fault, when: int) -> None:
        """One build is stopped, and continued by the next."""
        self.build("a", 1, fault, when)
        self.build("a", 1, "none", 1)
        self.build("b", 2, "none", 1)

    def build(self, place: str, view: int, fault: Fault, when: int) -> None:
        job = Job(dataset("nw_ucla"), "ctrgcn", self.folder / f"raw{view}", self.folder / place)

        def work() -> None:
            with ThreadPoolExecutor(1) as pool:
                result(build(job, Workers(pool, 1)))

        self.command(place, ("build", view), work, fault, when)

    @rule(number=NUMBER, seed=st.integers(0, 1), fault=ON_DISK, when=WHEN)
    def embed(self, number: int, seed: int, fault: Fault, when: int) -> None:
        place = self.one("abc", number)

        def work() -> None:
            with locked_store(open_store(self.folder / place)):
                embed(self.folder / place, "xclip", seed, texts=False)

        self.command(place, ("embed", seed, self.model[place]), work, fault, when)

    @precondition(lambda self: self.model["c"] is None)
    @rule(fault=ON_DISK, when=WHEN)
    def merge(self, fault: Fault, when: int) -> None:
        def work() -> None:
            result(merge([open_store(self.folder / place) for place in "ab"], self.folder / "c"))

        self.command("c", ("merge", self.model["a"], self.model["b"]), work, fault, when)

    @rule(number=NUMBER, there=st.sampled_from("rs"), fault=ANY_FAULT, when=WHEN)
    def push(self, number: int, there: str, fault: Fault, when: int) -> None:
        place = self.one("abc", number)

        def work() -> None:
            result(pushing.push(open_store(self.folder / place), str(self.folder / there), 2, have_right=True))

        self.command(there, ("share", self.model[place], self.model[there]), work, fault, when)

    @precondition(lambda self: self.model["r"] or self.model["s"])
    @rule(number=NUMBER, here=st.sampled_from("abcde"), fault=ANY_FAULT, when=WHEN)
    def pull(self, number: int, here: str, fault: Fault, when: int) -> None:
        source = self.one("rs", number)

        def work() -> None:
            result(pulling.pull(str(self.folder / source), self.folder / here, 2))

        self.command(here, ("share", self.model[source], self.model[here]), work, fault, when)

    def one(self, places: str, number: int) -> str:
        """One of the places at which a store lies."""
        full = [place for place in places if self.model[place]]
        return full[number % len(full)]

    def command(self, place: str, key: Any, work: Callable[[], Any], fault: Fault, when: int) -> None:
        """Run one command; the model has its result, or what was there before."""
        before = self.model[place]
        failure = self.attempt(work, fault, when)
        after = self.model[place] = state(self.folder / place)
        if failure is None:
            assert after is not None
            assert self.results.setdefault(key, after) == after, key
        elif "Choose another" in str(failure):  # another store is there
            assert after == before
        else:
            assert fault != "none", failure
            withdrawn = after is None and place in "rs"
            assert withdrawn or after in (before, self.results.get(key, after)), (key, fault, when)

    def attempt(self, work: Callable[[], Any], fault: Fault, when: int) -> Exception | None:
        """Run work once, on a disk and with storages that have the fault; the error that stopped it."""
        storages: list[FaultyFolder] = []

        def storage_at(location: Path | str) -> FaultyFolder:
            storages.append(FaultyFolder(Path(location), fault, when))
            return storages[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pushing, "storage_at", storage_at)
            patch.setattr(pulling, "storage_at", storage_at)
            try:
                with faulty_disk(fault, when):
                    work()
            except (Killed, PrepError, OSError) as error:
                return error
            finally:
                for storage in storages:
                    storage.arrive()
        return None

    @invariant()
    def nothing_is_lost(self) -> None:
        for place, content in self.model.items():
            if content is not None:
                assert open_store(self.folder / place).digest == content[0]


def test_a_short_course_with_faults() -> None:
    machine = Machine()
    try:
        machine.two_stores("kill", 10)
        for fault, when in (("disk full", 9), ("none", 1)):
            machine.embed(0, 0, fault, when)
        machine.merge("none", 1)
        for fault, when in (("kill", 30), ("drop", 3), ("none", 1)):
            machine.push(2, "r", fault, when)
        for fault, when in (("repeat", 4), ("none", 1)):
            machine.pull(0, "d", fault, when)
        assert machine.model["d"] == machine.model["r"] == machine.model["c"]
        assert len({machine.model[place] for place in "abc"}) == 3
        machine.push(1, "r", "none", 1)  # refused: another store is there
        assert machine.model["r"] == machine.model["c"]
    finally:
        machine.teardown()


@pytest.mark.slow
def test_many_commands_with_faults() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=5, stateful_step_count=16, **SETTINGS))
