"""Raw files to a store: resumable, parallel over any Executor, in bounded memory; the completion mark comes last.

`<out>.building/` holds the parts, then the store while it is assembled, which is renamed to `<out>` when whole. A build
that was killed is continued by the same call. Clips lie in the order of their names, so the digest of a store depends
neither on the number of workers nor on interruptions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from manifests.facts import layout_of
from manifests.strict import hint
from prep.build.assemble import assemble_block, block_tasks, small_arrays, store_info
from prep.build.choose import Bad, choose
from prep.build.job import Job
from prep.build.part import Part, PartDone, bodies_kept, convert
from prep.files import disk_errors, locked
from prep.clip import Source
from prep.errors import PrepError
from prep.formats import Found
from prep.formats import IMPORTED, IMPORTED_ALL, Format, find
from prep.store.manifest import Block
from prep.preprocessing.pipeline import pipeline
from prep.store.write import create, finalise

CLIPS_PER_PART = 128
TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


class BadFiles(PrepError):
    """Some raw files are bad. The others are converted; the store stays unfinished until they are mended or allowed."""

    def __init__(self, message: str, bad: Bad, report: Path) -> None:
        super().__init__(message)
        self.bad, self.report = bad, report


@dataclass(frozen=True)
class Progress:
    """One step of a build: `done` of `total` clips converted, or blocks written; `bad` files so far."""

    stage: str
    done: int
    total: int
    bad: int = 0


def build(job: Job, executor: Executor, window: int) -> Iterator[Progress]:
    """Convert every clip of `job` and finish the store, at most `window` parts in flight.

    Raises PrepError when nothing can be built, and BadFiles after everything else is converted.
    """
    _check(job)
    with locked(job.working), disk_errors(job.working):
        held, found = find(job.form, job.raw, job.dataset, job.options, job.working / "unpacked")
        _check_recipe(job, held)
        sources, absent = choose(job.dataset, job.subset, found.sources)
        parts = _parts(job, held, sources)
        done = yield from _convert_all(parts, executor, window, len(sources))
        bad = _placeless(job, found.bad + absent + tuple(row for part in done.values() for row in part.bad))
        notes = _placeless(job, found.notes + _known_bad(job, found))
        report = _write_report(job, done, bad, notes)
        if bad and not job.allow_bad:
            raise BadFiles(_complaint(job, bad, report), bad, report)
        yield from _assemble(job, held, done, bad, notes, executor, window)
        (job.working / "store").rename(job.out)
        shutil.rmtree(job.working)


def _check(job: Job) -> None:
    known = [*job.dataset.recipes, IMPORTED, IMPORTED_ALL]
    if job.recipe not in known:
        raise PrepError(f"`{job.recipe}` is not a recipe for {job.dataset.name}. {hint(job.recipe, known)}")
    if job.subset and job.subset.dataset != job.dataset.name:
        raise PrepError(f"subset {job.subset.name} belongs to {job.subset.dataset}, not to {job.dataset.name}.")


def _check_recipe(job: Job, held: Format) -> None:
    if held.prepared and job.recipe not in (IMPORTED, IMPORTED_ALL):
        rule = f"clips of the form {held.name} are prepared already, so `{job.recipe}` cannot be applied"
        raise PrepError(f"{job.raw}: {rule}. Take `--recipe {IMPORTED}`.")
    if not held.slots and job.recipe in (IMPORTED, IMPORTED_ALL):
        rule = f"`{job.recipe}` takes bodies by their slots, and the form {held.name} has ids instead"
        raise PrepError(f"{job.raw}: {rule}. Take `--recipe raw`.")


def _parts(job: Job, held: Format, sources: Sequence[Source]) -> list[Part]:
    folder = job.working / "parts"
    folder.mkdir(exist_ok=True)
    for left in folder.glob("*.writing"):
        left.unlink()
    return [
        Part(str(folder), job.dataset, held.name, job.recipe, tuple(sources[start : start + CLIPS_PER_PART]))
        for start in range(0, len(sources), CLIPS_PER_PART)
    ]


def _convert_all(
    parts: Sequence[Part], executor: Executor, window: int, total: int
) -> Generator[Progress, None, dict[str, PartDone]]:
    """Key to report of every part, in the order of `parts`."""
    done = {part.key: PartDone("", 0, 0, ()) for part in parts}
    clips = bad = 0
    for result in _in_flight(executor, convert, parts, window):
        if result.key not in done:
            raise PrepError("A worker runs another version of this program. Install the same one on every machine.")
        done[result.key] = result
        clips, bad = clips + result.clips + len(result.bad), bad + len(result.bad)
        yield Progress("converting", clips, total, bad)
    return done


def _assemble(
    job: Job, held: Format, done: Mapping[str, PartDone], bad: Bad, notes: Bad, executor: Executor, window: int
) -> Iterator[Progress]:
    if not any(part.clips for part in done.values()):
        raise PrepError(f"{job.raw}: no clip could be read, nothing to build. {job.working}/report.json says why.")
    target, folder = job.working / "store", job.working / "parts"
    if target.exists():
        shutil.rmtree(target)
    small = small_arrays(folder, done)
    known = layout_of(job.dataset)
    shape = (bodies_kept(job.dataset, pipeline(job.recipe)), len(known.joints), known.coordinates)
    create(target, store_info(job, held.name, small, bad, notes), int(small["offsets"][-1]), shape)
    tasks = list(block_tasks(target, folder, done))
    blocks: list[Block] = []
    for block in _in_flight(executor, assemble_block, tasks, window):
        blocks.append(block)
        yield Progress("writing", len(blocks), len(tasks), len(bad))
    finalise(target, small, blocks)


def _in_flight(
    executor: Executor, work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], window: int
) -> Iterator[ResultT]:
    """Results as they come, with at most `window` tasks submitted and unfinished."""
    flying: set[Future[ResultT]] = set()
    waiting = iter(tasks)
    try:
        while True:
            while len(flying) < window and (task := next(waiting, None)) is not None:
                flying.add(executor.submit(work, task))
            if not flying:
                return
            landed, flying = wait(flying, return_when=FIRST_COMPLETED)
            for future in landed:
                yield future.result()
    except BrokenExecutor as error:
        raise PrepError(
            "A worker process died, perhaps for want of memory. Run the same command; it continues."
        ) from error
    finally:
        for future in flying:
            future.cancel()


def _placeless(job: Job, rows: Bad) -> Bad:
    """Texts without the folder of the raw files: a store must not depend on where they lay."""
    return tuple((name, text.replace(f"{job.raw}/", "").replace(str(job.raw), job.raw.name)) for name, text in rows)


def _known_bad(job: Job, found: Found) -> Bad:
    """What the data set's facts leave out of the clips found, as notes."""
    there = {source.name for source in found.sources}
    return tuple((name, f"left out: {reason}") for name, reason in job.dataset.known_bad if name in there)


def _write_report(job: Job, done: Mapping[str, PartDone], bad: Bad, notes: Bad) -> Path:
    report = job.working / "report.json"
    content = {
        "dataset": job.dataset.name,
        "raw": str(job.raw),
        "clips": sum(part.clips for part in done.values()),
        "frames": sum(part.frames for part in done.values()),
        "bad": [{"name": name, "reason": reason} for name, reason in bad],
        "notes": [{"name": name, "remark": remark} for name, remark in notes],
    }
    report.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return report


def _complaint(job: Job, bad: Bad, report: Path) -> str:
    rows = "\n".join(f"  {name}: {reason}" for name, reason in bad[:20])
    more = f"\n  ... and {len(bad) - 20} more" if len(bad) > 20 else ""
    return (
        f"{job.raw}: {len(bad)} bad; everything else is converted, the store is not finished.\n{rows}{more}\n"
        f"All reasons: {report}. Mend them and run the same command, or add --allow-bad to finish without them."
    )
