"""Raw files to a store: resumable, parallel over any Executor, in bounded memory.

`<out>.building/` holds the parts, then the store while it is assembled; the finished store is renamed to `<out>`. The
same call continues a build that was killed. Clips are sorted by name, so the digest of a store depends neither on the
number of workers nor on interruptions.
"""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeVar

from manifests.facts import layout_of
from manifests.strict import hint
from prep.building.assemble import assemble_block, block_tasks, small_arrays, store_info
from prep.building.choose import Bad, choose
from prep.building.convert import bodies_kept
from prep.building.job import Job
from prep.building.part import PartResult, PartTask, convert_part, part_key
from prep.building.reasons import folded
from prep.clip import Source
from prep.errors import PrepError
from prep.files import atomic_write, clear, disk_errors, locked, publish
from prep.formats import IMPORTED, IMPORTED_ALL, FindResult, Format, detect_format
from prep.preprocessing.pipeline import pipeline
from prep.progress import Step, Work
from prep.store.info import is_name
from prep.store.manifest import BlockDigests
from prep.store.read import open_store
from prep.store.write import create, finalise
from prep.untrusted.files import location
from prep.workers import Workers

CLIPS_PER_PART = 128
SHOWN = 20  # reasons in a message
# More files that end their worker than this are the machine's fault, not theirs.
MOST_CRASHES = 20
CRASHED = "its worker process ended in every attempt: the file crashes its reader, or memory was short. Fetch it again."
TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


class BadFiles(PrepError):
    """Some raw files are bad. All others are converted; the store stays unfinished until the bad ones are corrected.

    `bad` lists (name, reason), and `report` is the file with all of them.
    """

    def __init__(self, message: str, bad: Bad, report: Path) -> None:
        super().__init__(message)
        self.bad, self.report = bad, report


def build(job: Job, workers: Workers) -> Work[str]:
    """Convert every clip of `job`, finish the store and return its digest; two parts per worker are in flight.

    A store at `job.out` is kept; the caller checks that it is the one wanted. Raises PrepError if nothing can be built.
    Raises BadFiles, after everything else is converted, unless `job.allow_bad`: then the store lists the bad files in
    `left_out`.
    """
    _check(job)
    with disk_errors(job.working), locked(job.working):
        # Another build may have finished before the lock was taken, or have been killed before it cleared its parts.
        if job.out.exists():
            clear(job.working)
            return open_store(job.out).digest
        file_format, search = detect_format(
            job.file_format, job.raw, job.dataset, job.options, job.working / "unpacked"
        )
        _check_preprocessing(job, file_format)
        choice = choose(job.dataset, job.subset, search.sources)
        sources, remarks = choice.sources, _without_raw(job, (*search.remarks, *choice.remarks))
        for remark in remarks:
            yield Step(0, len(sources), "converting", line=f"Note: {remark}")
        parts, crashed = yield from _convert(_part_tasks(job, file_format, sources), workers)
        bad = search.bad + choice.too_small + tuple(row for part in parts.values() for row in part.bad) + crashed
        bad, notes = _without_folder(job, bad), _without_folder(job, search.notes + _known_bad(job, search))
        report = _write_report(job, parts, bad, notes, remarks)
        if bad and not job.allow_bad:
            raise BadFiles(_bad_files_message(job, bad, report), bad, report)
        digest = yield from _assemble(job, file_format, parts, bad, notes, workers)
        publish(job.working / "store", job.out)
        clear(job.working)
        return digest


def _check(job: Job) -> None:
    names = [*job.dataset.preprocessings, IMPORTED, IMPORTED_ALL]
    if job.preprocessing not in names:
        rule = f"is not a preprocessing for {job.dataset.name}. {hint(job.preprocessing, names)}"
        raise PrepError(f"`{job.preprocessing}` {rule}")
    if job.subset and job.subset.dataset != job.dataset.name:
        raise PrepError(f"subset {job.subset.name} belongs to {job.subset.dataset}, not to {job.dataset.name}.")
    for name in (job.dataset.name, *([job.subset.name] if job.subset else [])):
        if not is_name(name):
            raise PrepError(f"{name}: a store's name has 1 to 64 letters, digits, _ and -. Rename the .toml file.")


def _check_preprocessing(job: Job, file_format: Format) -> None:
    if file_format.prepared and job.preprocessing not in (IMPORTED, IMPORTED_ALL):
        rule = f"{file_format.name} holds preprocessed clips, so `{job.preprocessing}` cannot be applied"
        raise PrepError(f"{job.raw}: {rule}. Take `--preprocessing {IMPORTED}`.")
    if not file_format.slots and job.preprocessing in (IMPORTED, IMPORTED_ALL):
        rule = f"`{job.preprocessing}` selects bodies by slot, and {file_format.name} identifies them by id"
        raise PrepError(f"{job.raw}: {rule}. Take `--preprocessing raw`.")


def _part_tasks(job: Job, file_format: Format, sources: Sequence[Source]) -> list[PartTask]:
    folder = job.working / "parts"
    folder.mkdir(exist_ok=True)
    return [
        PartTask(
            str(folder),
            job.dataset,
            file_format.name,
            job.preprocessing,
            tuple(sources[start : start + CLIPS_PER_PART]),
        )
        for start in range(0, len(sources), CLIPS_PER_PART)
    ]


def _convert(tasks: Sequence[PartTask], workers: Workers) -> Work[tuple[dict[str, PartResult], Bad]]:
    """The report on every part by its key, in the order of the clips, and a row for each file that ends its worker.

    A part whose worker ended is halved until the file that ends it is alone.
    """
    order = {source: place for place, source in enumerate(chain.from_iterable(task.sources for task in tasks))}
    parts: dict[int, PartResult] = {}
    crashed: list[tuple[str, str]] = []
    clips = bad = 0
    waiting = deque(tasks)
    for task, future in _in_flight(workers, convert_part, waiting):
        first, *others = task.sources
        try:
            result = future.result()
        except workers.died:
            if others:
                middle = len(task.sources) // 2
                waiting += [replace(task, sources=half) for half in (task.sources[:middle], task.sources[middle:])]
                continue
            crashed.append((first.name, f"{location(first)}: {CRASHED}"))
            _check_crashes(crashed)
            clips, bad = clips + 1, bad + 1
        else:
            if result.key != part_key(task):
                raise PrepError("A worker runs another version of this program. Install the same one on every machine.")
            parts[order[first]] = result
            clips, bad = clips + result.clips + len(result.bad), bad + len(result.bad)
        yield Step(clips, len(order), "converting", f"{bad} bad" if bad else "")
    return {parts[place].key: parts[place] for place in sorted(parts)}, tuple(sorted(crashed))


def _check_crashes(crashed: Sequence[tuple[str, str]]) -> None:
    if len(crashed) > MOST_CRASHES:
        names = f"{crashed[0][0]} and {len(crashed) - 1} others"
        raise PrepError(
            f"{names}: each ended its worker process. Perhaps memory is short: take fewer --workers and run the same "
            "command; it continues."
        )


def _assemble(
    job: Job,
    file_format: Format,
    parts: Mapping[str, PartResult],
    bad: Bad,
    notes: Bad,
    workers: Workers,
) -> Work[str]:
    if not any(part.clips for part in parts.values()):
        reasons = "\n  ".join([f"{job.raw}: no clip could be read, nothing to build.", *folded(bad, SHOWN)])
        raise PrepError(f"{reasons}\nAll reasons: {job.working}/report.json.")
    target, folder = job.working / "store", job.working / "parts"
    if target.exists():
        shutil.rmtree(target)
    small = small_arrays(folder, parts)
    layout = layout_of(job.dataset)
    shape = (bodies_kept(job.dataset, pipeline(job.preprocessing)), len(layout.joints), layout.coordinates)
    create(target, store_info(job, file_format.name, small, bad, notes), int(small["offsets"][-1]), shape)
    tasks = list(block_tasks(target, folder, parts))
    blocks: list[BlockDigests] = []
    try:
        for _, future in _in_flight(workers, assemble_block, deque(tasks)):
            blocks.append(future.result())
            yield Step(len(blocks), len(tasks), "writing", f"{len(bad)} bad" if bad else "")
    except workers.died as error:
        rule = "a worker process ended while it wrote the store, perhaps for want of memory"
        raise PrepError(f"{target}: {rule}. Take fewer --workers and run the same command; it continues.") from error
    return finalise(target, small, blocks)


def _in_flight(
    workers: Workers, work: Callable[[TaskT], ResultT], waiting: deque[TaskT]
) -> Iterator[tuple[TaskT, Future[ResultT]]]:
    """Each task with its finished future, in order of completion, two tasks per worker submitted at a time.

    Tasks that are added to `waiting` meanwhile are done as well.
    """
    pending: dict[Future[ResultT], TaskT] = {}
    try:
        while waiting or pending:
            while waiting and len(pending) < 2 * workers.at_once:
                task = waiting.popleft()
                pending[workers.executor.submit(work, task)] = task
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                yield pending.pop(future), future
    finally:
        for future in pending:
            future.cancel()


def _without_folder(job: Job, rows: Bad) -> Bad:
    """The rows without the folder of the raw files, so that a store does not depend on it."""
    return tuple(zip((name for name, _ in rows), _without_raw(job, [text for _, text in rows]), strict=True))


def _without_raw(job: Job, texts: Sequence[str]) -> list[str]:
    return [text.replace(f"{job.raw}/", "").replace(str(job.raw), job.raw.name) for text in texts]


def _known_bad(job: Job, search: FindResult) -> Bad:
    """Notes on the clips found that the dataset lists as bad."""
    names = {source.name for source in search.sources}
    return tuple((name, f"left out: {reason}") for name, reason in job.dataset.known_bad if name in names)


def _write_report(job: Job, parts: Mapping[str, PartResult], bad: Bad, notes: Bad, remarks: Sequence[str]) -> Path:
    report = job.working / "report.json"
    content = {
        "dataset": job.dataset.name,
        "raw": str(job.raw),
        "clips": sum(part.clips for part in parts.values()),
        "frames": sum(part.frames for part in parts.values()),
        "bad": [{"name": name, "reason": reason} for name, reason in bad],
        "notes": [{"name": name, "remark": remark} for name, remark in notes],
        "left_out": list(remarks),
    }
    atomic_write(report, json.dumps(content, indent=1))
    return report


def _bad_files_message(job: Job, bad: Bad, report: Path) -> str:
    rows = "\n".join(f"  {line}" for line in folded(bad, SHOWN))
    return (
        f"{job.raw}: {len(bad)} bad; everything else is converted, the store is not finished.\n{rows}\n"
        f"All reasons: {report}. Fix them and run the same command, or add --allow-bad to finish without them."
    )
