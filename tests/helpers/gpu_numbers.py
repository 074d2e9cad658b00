"""What a GPU does with this project, as one Markdown table: `PYTHONPATH=tests python tests/helpers/gpu_numbers.py`.

Episodes served against the speed of a plain copy; training steps launched one by one and replayed as a CUDA graph, with
the share of time in which the GPU is idle; the minutes of DASTM's published budget; soft-DTW's kernels against the
sweep. Clips are random: nothing here depends on their values. It takes some five minutes
and needs no store. `make bench` prints it too, where there is a GPU.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from helpers.fakes import even_store
from torch import Tensor

from episodes.draw import Classes
from episodes.loader import EpisodeLoader
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.sampler import EpisodicSampler
from episodes.transform import ClipTransform
from manifests.facts import layout
from zoo.engine.evaluate import evaluation_mode, measure
from zoo.engine.optimiser import make_optimiser, make_schedule
from zoo.engine.ranks import ALONE
from zoo.engine.step import Trainer, Unit, forward_backward, set_float32, take_step, unit_seed
from zoo.engine.train import Plan
from zoo.experiment.prepare import make_learner
from zoo.experiment.resolve import resolve
from zoo.learner import Known
from zoo.parts import soft_dtw as by_sweep
from zoo.parts import soft_dtw_triton
from zoo.runs.scoring import quick_scorer

Capture = Callable[[Trainer, Any, Plan], Unit]


@dataclass(frozen=True)
class Sizes:
    """How much is measured: seconds for each number, clips of the pool, frames, queries, tasks of a validation."""

    seconds: float = 3.0
    classes: int = 20
    clips_per_class: int = 100
    frames: int = 30
    queries: tuple[int, ...] = (1, 10)
    served_at_once: tuple[int, ...] = (1, 32)
    validation: int = 500
    alignments: tuple[tuple[int, int], ...] = ((250, 8), (2500, 15))
    recipes: tuple[str, ...] = ("protonet", "dtw", "dastm")
    backbone: str = "stgcn"


@dataclass(frozen=True)
class Steps:
    """Training steps in one way: how long one takes, what the device did meanwhile, and the memory that was held."""

    seconds: float
    busy: float
    kernels: float
    memory: int

    def text(self, device: torch.device) -> str:
        """One cell of the table."""
        rate = f"{1 / self.seconds:.1f} steps/s"
        if device.type != "cuda":
            return rate
        idle = 100 * max(0.0, 1 - self.busy / self.seconds)
        return f"{rate}, GPU idle {idle:.0f} %, {self.kernels:.0f} kernels, {self.memory / 2**30:.2f} GiB"


def rows(device: torch.device, sizes: Sizes, capture: Capture | None) -> Iterator[tuple[str, str, str]]:
    """(what, plain, captured) row by row; without `capture` the last column is empty."""
    pool = Pool.load(even_store(sizes.classes, sizes.clips_per_class, 30, 300), device=device)
    yield from _serving(pool, sizes)
    for queries in sizes.queries:
        for name in sizes.recipes:
            plain = _steps(pool, sizes, name, queries, None)
            replayed = None if capture is None else _steps(pool, sizes, name, queries, capture)
            faster = "" if replayed is None else f" ({plain.seconds / replayed.seconds:.1f} x)"
            cells = plain.text(device), "" if replayed is None else replayed.text(device) + faster
            yield (f"{name}, {sizes.backbone}, {queries} queries per class", *cells)
            if name == "dastm":
                validation = _validation(pool, sizes, queries)
                minutes = ["" if s is None else f"{_minutes(s, validation):.0f} min" for s in (plain, replayed)]
                yield (f"100 x (1,000 + 500) episodes of dastm, {queries} queries", minutes[0], minutes[1])
    for pairs, frames in sizes.alignments:
        yield (
            f"soft-DTW forward and backward, {pairs} pairs of {frames} frames",
            *_alignments(device, sizes, pairs, frames),
        )


def _loader(pool: Pool, sizes: Sizes, queries: int, batch: int = 1, train: bool = True) -> EpisodeLoader:
    task, episodes = Task(5, 1, queries), 10**6 if train else sizes.validation
    sampler = EpisodicSampler(Classes.of(pool, range(sizes.classes)), task, 0, episodes, batch)
    return EpisodeLoader(ClipTransform(pool, layout("ntu25"), Sampling(sizes.frames), train=train), sampler)


def _serving(pool: Pool, sizes: Sizes) -> Iterator[tuple[str, str, str]]:
    for batch in sizes.served_at_once:
        loader = _loader(pool, sizes, 10, batch)
        seconds = _per_call(loader.at, pool.device, sizes.seconds)
        episode = loader.at(0)
        served = episode.support.nbytes + episode.query.nbytes
        source = torch.empty(served // 4, device=pool.device)
        copied = _per_call(lambda _, source=source: source.clone(), pool.device, sizes.seconds / 3)
        yield (
            f"serving 5-way 1-shot, 10 queries, {batch} at once",
            f"{batch / seconds:,.0f} episodes/s, {served / seconds / 1e9:.2f} GB/s",
            f"(a plain copy of as much: {served / copied / 1e9:.2f} GB/s)",
        )


def _trainer(pool: Pool, sizes: Sizes, name: str) -> Trainer:
    recipe = resolve(name, settings=[f"backbone.name={sizes.backbone}"])
    bodies, _, joints, channels = _loader(pool, sizes, 1).at(0).query.shape[2:]
    learner = make_learner(recipe, layout("ntu25"), (bodies, joints, channels), Known(layout("ntu25")))
    learner.to(pool.device).train()
    optimiser = make_optimiser(recipe.optimiser, learner)
    return Trainer(learner, optimiser, make_schedule(recipe.optimiser, optimiser, 1e-5))


def _steps(pool: Pool, sizes: Sizes, name: str, queries: int, capture: Capture | None) -> Steps:
    """Whole training steps: serving, forward, backward, optimiser."""
    device, cuda = pool.device, pool.device.type == "cuda"
    plan = Plan(0, 1, 1, 10**6, 1000, 1000, 0, "float32", 0.0)
    set_float32(plan.precision)
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    trainer, loader = _trainer(pool, sizes, name), _loader(pool, sizes, queries)
    unit = _eager(trainer, plan) if capture is None else capture(trainer, loader.at(0), plan)

    def step(number: int) -> None:
        take_step(trainer, range(number, number + 1), loader.at, unit, ALONE)

    seconds = _per_call(step, device, sizes.seconds)
    memory = torch.cuda.max_memory_reserved(device) if cuda else 0
    busy, kernels = _busy(step) if cuda else (0.0, 0.0)
    return Steps(seconds, busy, kernels, memory)


def _eager(trainer: Trainer, plan: Plan) -> Unit:
    return lambda served, number: forward_backward(trainer.learner, served, unit_seed(0, number), plan.precision)


def _busy(step: Callable[[int], None], count: int = 10) -> tuple[float, float]:
    """Seconds in which a step's kernels ran, and their number. The profiler slows the host, but not the kernels."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for number in range(count):
            step(number)
        torch.cuda.synchronize()
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profiled.events()
        if event.device_type == DeviceType.CUDA and not getattr(event, "is_user_annotation", False)
    ]
    return covered(spans) / 1e6 / count, len(spans) / count


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """The length of the union of intervals.

    >>> covered([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0)])
    4.0
    """
    total, end = 0.0, -float("inf")
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def _validation(pool: Pool, sizes: Sizes, queries: int) -> float:
    """Seconds of one validation, in which every clip is embedded once."""
    learner, loader = _trainer(pool, sizes, "dastm").learner, _loader(pool, sizes, queries, train=False)
    with evaluation_mode([learner]):
        for work in (measure(quick_scorer(learner, loader), (loader,)) for _ in range(2)):
            start = time.perf_counter()
            for _ in work:
                continue
    return time.perf_counter() - start


def _minutes(steps: Steps, validation: float) -> float:
    return 100 * (1000 * steps.seconds + validation) / 60


def _alignments(device: torch.device, sizes: Sizes, pairs: int, frames: int) -> tuple[str, str]:
    """(the sweep on the CPU and on the device, the kernels)."""
    cost = torch.rand(pairs, frames, frames, generator=torch.Generator().manual_seed(0))

    def both(aligned: Callable[[Tensor, float], Tensor], where: torch.device) -> float:
        given = cost.to(where).requires_grad_()
        return _per_call(lambda _: torch.autograd.grad(aligned(given, 0.01).sum(), given), where, sizes.seconds / 3)

    def sweep(costs: Tensor, gamma: float) -> Tensor:
        return by_sweep._SoftDTW.apply(costs, gamma, sum(costs.shape[1:]))

    cpu, here = both(sweep, torch.device("cpu")), both(sweep, device)
    text = f"sweep: CPU {cpu * 1e3:.2f} ms, {device.type} {here * 1e3:.2f} ms"
    if device.type != "cuda":
        return text, ""
    if not soft_dtw_triton.usable(device):
        return text, "Triton is not installed, or does not run"
    kernel = both(by_sweep.soft_dtw, device)
    return text, f"kernels: {kernel * 1e3:.3f} ms ({cpu / kernel:.0f} x the CPU, {here / kernel:.1f} x the sweep here)"


def _per_call(call: Callable[[int], object], device: torch.device, seconds: float) -> float:
    """Wall seconds of one call: the median of five rounds that together take about `seconds`."""

    def timed(first: int, count: int) -> float:
        _wait(device)
        start = time.perf_counter()
        for number in range(first, first + count):
            call(number)
        _wait(device)
        return (time.perf_counter() - start) / count

    timed(0, 3)
    count = max(1, int(seconds / 5 / timed(3, 3)))
    return statistics.median(timed(6 + count * number, count) for number in range(5))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def title(device: torch.device) -> str:
    """The device and the versions that the numbers belong to."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return f"{name}, torch {torch.__version__}, float32 without TF32, {torch.get_num_threads()} threads"


def markdown(device: torch.device, sizes: Sizes, capture: Capture | None) -> Iterator[str]:
    """The lines of the table, each as soon as it is measured."""
    yield f"| {title(device)} | plain | captured |"
    yield "|---|---|---|"
    for cells in rows(device, sizes, capture):
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure on the first GPU and print the table."""
    from zoo.engine.capture import captured_unit

    if not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device: these numbers are about one.")
    for line in markdown(torch.device("cuda", 0), Sizes(), captured_unit):
        print(line, flush=True)


if __name__ == "__main__":
    main()
