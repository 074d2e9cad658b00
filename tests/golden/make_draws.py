"""Writes draws.json: which clips and frames are drawn, which names are chosen. Whole numbers, so equal everywhere.

Run `python tests/golden/make_draws.py` only when a draw is changed on purpose: it changes every published number.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from helpers.stores import make_store

from episodes.counter import Stream, fold_in
from episodes.counter import split as split_key
from episodes.draw import Classes, draw
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling, sample
from episodes.sampler import ExemplarSampler
from manifests.split_file import split
from prep.store.read import open_store

FILE = Path(__file__).with_name("draws.json")


def drawn() -> dict[str, Any]:
    """Everything that is frozen."""
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool.load(open_store(make_store(Path(folder) / "s.zarr", clips_per_class=9)))
    classes = Classes.of(pool, split("demo").test)
    episode = draw(classes, Task(way=5, shot=2, queries_per_class=3), seed=7, step=11)
    length = torch.tensor([5, 30, 97])
    key = split_key(fold_in(3, Stream.FRAMES), torch.arange(3))
    names = {0: [f"S001C001P{i:03d}R001A001" for i in range(100)], 5: [f"S002C002P{i:03d}R002A006" for i in range(100)]}
    return {
        "support": episode.support.tolist(),
        "query": episode.query.tolist(),
        "class_id": episode.class_id.tolist(),
        "frames": {
            rule: sample(length, key, Sampling(8, rule), True).tolist() for rule in ("segments", "sorted_random")
        },
        "exemplars": ExemplarSampler(pool, classes, shot=2, seed=1).names,
        "chosen": sorted(split("ntu_t").chosen(names)),
        "nw_ucla": [draw.test for draw in split("nw_ucla").draws],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(drawn(), indent=1) + "\n", encoding="utf-8")
