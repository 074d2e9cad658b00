"""How cost grows: a training step against the sizes of an episode, and a build against the number of clips.

`make growth` draws zoo/growth.png and prep/growth.png and prints the exponents in Markdown. Seconds are processor time
on one thread. Memory is that of the tensors which a step adds, at its highest: torch's profiler lists each allocation
and release, so it is exact to the byte and the same on every run; the libraries' own scratch is not in it.
A few minutes; `python tests/helpers/growth.py zoo` or `prep` draws one of them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from helpers import growth_figures as figures
from helpers import synthetic_ntu
from helpers.learners import episode_of
from torch.profiler import ProfilerActivity, profile

from episodes.episode import Episode
from manifests.layout import Layout
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.ranks import ALONE
from zoo.engine.step import Trainer, forward_backward, take_step, unit_seed
from zoo.experiment.prepare import make_learner
from zoo.experiment.resolve import resolve
from zoo.learner import Known, Losses

ROOT = Path(__file__).resolve().parents[2]
METHODS, BACKBONES = ("protonet", "dtw", "dastm"), ("stgcn", "tcn")
SETTINGS = {"stgcn": ["backbone.name=stgcn", "backbone.options.blocks=4"], "tcn": ["backbone.name=tcn"]}
# Q is counted in queries of each class: N * Q of an episode.
BASE = {"B": 1, "N": 5, "K": 1, "Q": 1, "T": 16, "V": 25}
RANGES = {
    "B": (1, 2, 4, 8),
    "N": (2, 5, 10, 20),
    "K": (1, 2, 4, 8),
    "Q": (1, 2, 4, 8),
    "T": (8, 16, 32, 64),
    "V": (10, 20, 40, 80),
}
CLIPS = (100, 200, 400, 800, 1600, 3200)
STEPS, TEXTS, FRAMES = 2, 32, 80


@dataclass(frozen=True)
class Point:
    """A step to measure: one size differs from BASE."""

    method: str
    backbone: str
    axis: str
    size: int


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time and, of a step, the bytes of tensors that it adds at most."""

    seconds: float
    memory: float


def points() -> list[Point]:
    """All steps, sizes in turn, so that a machine that becomes busy does not bend one line alone."""
    series = [(method, backbone) for method in METHODS for backbone in BACKBONES]
    return [
        Point(method, backbone, axis, RANGES[axis][place])
        for axis in RANGES
        for place in range(len(RANGES[axis]))
        for method, backbone in series
    ]


def star(joints: int) -> Layout:
    """A skeleton of `joints` joints: five limbs from joint 0."""
    names, bones = (f"joint {i}" for i in range(joints)), ((i, max(0, i - 5)) for i in range(1, joints))
    parts = {"body": tuple(range(joints))}
    return Layout("star", tuple(names), tuple(bones), parts, (), 0, 0, 0, (0,), "y", "metre", 3)


def episode(way: int, shot: int, queries: int, frames: int, joints: int) -> Episode:
    """Random clips of one body."""
    draw = torch.Generator().manual_seed(0)
    support = torch.randn(1, way, shot, 1, frames, joints, 3, generator=draw)
    query = torch.randn(1, way * queries, 1, frames, joints, 3, generator=draw)
    return episode_of(support, query, torch.arange(way).repeat(1, queries))


def step_cost(point: Point) -> Cost:
    """The peak of one step, and the fastest of STEPS more."""
    size = BASE | {point.axis: point.size}
    layout, recipe = star(size["V"]), resolve(point.method, settings=SETTINGS[point.backbone])
    learner = make_learner(recipe, layout, (1, size["V"], 3), Known(layout))
    optimiser = make_optimiser(recipe.optimiser, learner.train())
    trainer = Trainer(learner, optimiser, make_schedule(recipe.optimiser, optimiser, 1e-5))
    given = [episode(*(size[name] for name in "NKQTV")) for _ in range(size["B"])]
    # Makes the optimiser's state, which a step does not add, and loads code.
    train(trainer, [episode(2, 1, 1, 8, size["V"])])
    optimiser.zero_grad()
    memory, seconds = peak(lambda: train(trainer, given)), []
    for _ in range(STEPS):
        start = time.process_time()
        train(trainer, given)
        seconds.append(time.process_time() - start)
    return Cost(min(seconds), memory)


def peak(work: Callable[[], object]) -> int:
    """The most bytes that tensors take during `work`, beyond those before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled:
        work()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = sorted((event.start_ns(), event.nbytes()) for event in events)
    return int(np.cumsum([size for _, size in changes]).max())


def train(trainer: Trainer, given: Sequence[Episode]) -> None:
    """One step of the loop, an episode a unit."""

    def unit(served: Episode, number: int) -> Losses:
        return forward_backward(trainer.learner, served, unit_seed(0, number))

    take_step(trainer, range(len(given)), given.__getitem__, unit, ALONE)


def build_costs(folder: Path) -> Iterator[tuple[int, Cost]]:
    """`fsprep build` with one worker, from nothing, for each number of CLIPS; the worker's time is included."""
    texts = [synthetic_ntu.text([[(1, pose)] for pose in synthetic_ntu.person(i, FRAMES)]) for i in range(TEXTS)]
    for index, text in enumerate(texts):
        (folder / f"{index}.text").write_bytes(text)
    for clips in CLIPS:
        raw = folder / f"raw{clips}"
        raw.mkdir()
        for clip in range(clips):
            os.link(folder / f"{clip % TEXTS}.text", raw / f"{clip_name(clip)}.skeleton")
        command = [sys.executable, "-m", "cli.fsprep", "build", "ntu60", "--raw", str(raw), "--workers", "1"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "--out", str(folder / f"{clips}.zarr")], check=True, cwd=ROOT, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield clips, Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 0.0)


def clip_name(clip: int) -> str:
    """A file name of NTU: 60 actions, three cameras, and as many people as are needed."""
    action, rest = clip % 60, clip // 60
    return f"S{1 + rest % 5:03d}C{1 + rest // 5 % 3:03d}P{1 + rest // 15:03d}R001A{1 + action:03d}"


def exponent(sizes: Iterable[float], costs: Iterable[float]) -> float:
    """The slope of the line through the logarithms of the last three points, where fixed costs are least.

    >>> round(exponent([1, 2, 4, 8], [9, 4, 16, 64]), 6)
    2.0
    """
    last = slice(-3, None)
    return float(np.polyfit(np.log(list(sizes)[last]), np.log(np.maximum(list(costs), 1)[last]), 1)[0])


def step_figure() -> None:
    """zoo/growth.png and its table."""
    torch.set_num_threads(1)
    costs = {point: step_cost(point) for point in points()}
    lines: list[figures.Line] = []
    for axis, sizes in RANGES.items():
        for method in METHODS:
            for backbone in BACKBONES:
                found = [costs[Point(method, backbone, axis, size)] for size in sizes]
                for what in figures.QUANTITIES:
                    values = tuple(getattr(cost, what) * figures.QUANTITIES[what].scale for cost in found)
                    slope = exponent(sizes, [1e6 * value for value in values])
                    lines.append(figures.Line(what, axis, method, backbone, sizes, values, slope))
    figures.draw_steps(lines, ROOT / "zoo" / "growth.png", BASE)
    print("| time, memory ~ size^ | " + " | ".join(RANGES) + " |\n|---|" + "---|" * len(RANGES))
    for method in METHODS:
        for backbone in BACKBONES:
            print(f"| {method}, {backbone} | " + " | ".join(cells(lines, method, backbone)) + " |")


def cells(lines: Sequence[figures.Line], method: str, backbone: str) -> Iterator[str]:
    """The exponents of time and memory along each axis."""
    for axis in RANGES:
        mine: Mapping[str, float] = {
            line.what: line.slope
            for line in lines
            if (line.axis, line.method, line.backbone) == (axis, method, backbone)
        }
        yield ", ".join(f"{mine[what] + 0.0:.1f}".replace("-0.0", "0.0") for what in ("seconds", "memory"))


def build_figure() -> None:
    """prep/growth.png and its line."""
    with tempfile.TemporaryDirectory() as folder:
        costs = dict(build_costs(Path(folder)))
    seconds = [cost.seconds for cost in costs.values()]
    per_clip, fixed = np.polyfit(list(costs), seconds, 1, w=1 / np.array(seconds))
    slope = exponent(costs, [1e6 * value for value in seconds])
    figures.draw_build(list(costs), seconds, fixed, per_clip, slope, ROOT / "prep" / "growth.png", FRAMES)
    print(f"| build, clips | {' | '.join(f'{clips:,}' for clips in costs)} |\n|---|{'---|' * len(costs)}")
    print(f"| processor seconds | {' | '.join(f'{value:.1f}' for value in seconds)} |")
    print(f"\n{fixed:.1f} s + {1e3 * per_clip:.2f} ms per clip of {FRAMES} frames; exponent at the right {slope:.2f}")


if __name__ == "__main__":
    for name, draw in {"zoo": step_figure, "prep": build_figure}.items():
        if name in (sys.argv[1:] or ("zoo", "prep")):
            draw()
