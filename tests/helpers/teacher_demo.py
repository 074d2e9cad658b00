"""A demo of a few classes with videos, drawn quickly: what a teacher is trained on and what it must not open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from manifests.split import Split
from prep.demo.generate import SKELETONS, VIDEOS, plan
from prep.demo.simulation import Key, simulate
from prep.demo.skeleton_file import skeleton_text
from prep.demo.video import write_video
from prep.progress import result
from prep.teacher.job import TeacherJob, TeacherResult, train_teacher
from prep.workers import Workers

JUMP, SQUAT, BOW = 10, 9, 11
SPLIT = Split("two", "demo", "Two base classes", "a test", "episodic", 0, train=(JUMP, SQUAT), test=(BOW,))


def draw(raw: Path, classes: Sequence[int], each: int) -> Path:
    """The first `each` clips of these classes of the demo with seed 0, as `fsprep demo --videos` writes them."""
    for folder in (SKELETONS, VIDEOS):
        (raw / folder).mkdir(parents=True, exist_ok=True)
    for name in plan(24 * each):
        key = Key(*(int(name[at + 1 : at + 4]) for at in range(0, 20, 4)))
        if key.action - 1 in classes:
            clip = simulate(0, key)
            write_video(raw / VIDEOS / f"{name}_rgb.avi", clip, 0, key)
            (raw / SKELETONS / f"{name}.skeleton").write_text(skeleton_text(clip))
    (raw / ".demo.json").write_text(json.dumps({"version": 1, "seed": 0, "videos": True}))
    return raw


def run(job: TeacherJob) -> TeacherResult:
    """Train to the end, with a decoder in this process."""
    with ThreadPoolExecutor(1) as pool:
        return result(train_teacher(job, Workers(pool, 1, (ChildProcessError,))))


def video(raw: Path, name: str) -> Path:
    """The file of a clip's video."""
    return raw / VIDEOS / f"{name}_rgb.avi"
