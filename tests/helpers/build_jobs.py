"""Builds of synthetic NW-UCLA files, run in this process."""

from __future__ import annotations

import json
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from manifests.facts import dataset
from prep.building import build as building
from prep.building.job import Job
from prep.progress import Step
from prep.store.read import Store, open_store
from prep.workers import Workers

ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)


def write_raw(folder: Path, clips: int = 60, frames: int = 6, seed: int = 0) -> Path:
    """NW-UCLA JSON files with synthetic joints."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(clips):
        label = index % len(ACTIONS)
        name = f"a{ACTIONS[label]:02d}_s{index // 10 % 10 + 1:02d}_e{index // 100:02d}_v01"
        skeletons = rng.standard_normal((frames + index % 5, 20, 3)).round(4).tolist()
        (folder / f"{name}.json").write_text(
            json.dumps({"file_name": name, "skeletons": skeletons, "label": label + 1})
        )
    return folder


def job(raw: Path, out: Path, **more: object) -> Job:
    """A build of these files without preprocessing."""
    return Job(dataset=dataset("nw_ucla"), preprocessing="raw", raw=raw, out=out, **more)  # type: ignore[arg-type]


def run(task: Job, executor: Executor | None = None, *died: type[Exception]) -> list[Step]:
    """Run a build to its end; gives its steps."""
    with executor or ThreadPoolExecutor(1) as pool:
        return list(building.build(task, Workers(pool, 1, died)))


def built(task: Job) -> Store:
    """Run a build and open its store."""
    run(task)
    return open_store(task.out)
