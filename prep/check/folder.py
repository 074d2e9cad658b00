"""A report as a folder: report.md, report.json, and the figures in a folder that report.md names.

The folder of the figures has a digest of the report in its name, so a new report overwrites no figure of an earlier
one. report.md is replaced last, and then the earlier figures are deleted. After a kill or a full disk report.md shows
the earlier report or the new one, complete, and the same command writes the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from manifests.digest import digest_of, short
from prep.check.charts import caption, draw_bones, draw_classes, draw_lengths
from prep.check.flag_location import clip_detections, locate_flag
from prep.check.gallery import Example, draw_gallery, example_clips, frames_of
from prep.check.measures import as_recorded
from prep.check.report import Finding, Report, as_markdown
from prep.check.skeletons import Strip, draw_strip
from prep.errors import PrepError
from prep.files import LOCK, WRITING, atomic_write, disk_errors, locked, remove, writing
from prep.preprocessing import quality
from prep.progress import Step, Work
from prep.store.read import Store

RECORD, PAGE = "report.json", "report.md"
_FIGURES = re.compile(r"figures-[0-9a-f]{12}")

Figure = tuple[str, str, Callable[[Path], None]]  # caption, file name, function that writes the file


def write_report(store: Store, report: Report, folder: Path) -> Work[bool]:
    """Write the report and draw its figures into `folder`, in place of an earlier report; a step per file.

    Returns False if the same report is there already. Raises PrepError if `folder` is a file or holds anything else
    than a report, if another command is writing there, or if the disk is full.
    """
    _check_folder(folder)
    with disk_errors(folder), locked(folder):
        _check_folder(folder)  # again: another command may have written to it before the lock was taken
        text = json.dumps(record(report), indent=1)
        figures = [*_charts(report), *_examples(store, report), *(_strip(store, finding) for finding in report.flags)]
        place = folder / f"figures-{short(digest_of(record(report)))}"
        page = as_markdown(report, [(title, f"{place.name}/{file}") for title, file, _ in figures])
        done, total = 0, len(figures) + 2
        written = not _is_written(folder, {PAGE: page, RECORD: text}, [place / file for _, file, _ in figures])
        if written:
            place.mkdir(exist_ok=True)
            for done, (_, file, draw) in enumerate(figures, 1):
                with writing(place / file) as temporary:
                    draw(temporary)
                yield Step(done, total, note=file)
            atomic_write(folder / RECORD, text)
            yield Step(done + 1, total, note=RECORD)
            atomic_write(folder / PAGE, page)
        for earlier in folder.iterdir():
            if _FIGURES.fullmatch(earlier.name) and earlier != place:
                remove(earlier)
    yield Step(total, total, note=PAGE)
    return written


def _is_written(folder: Path, texts: Mapping[str, str], figures: Sequence[Path]) -> bool:
    """Whether a folder holds these texts and files."""
    there = all((folder / name).is_file() for name in texts) and all(path.is_file() for path in figures)
    return there and all((folder / name).read_bytes() == text.encode() for name, text in texts.items())


def record(report: Report) -> dict[str, object]:
    """The report as a JSON object; JSON has no NaN, so a bone that no clip has gets null."""
    bones = [[name, *(None if np.isnan(value) else value for value in values)] for name, *values in report.bones]
    return {**asdict(report), "bones": bones, "flagged": report.flagged}


def _charts(report: Report) -> list[Figure]:
    charts: list[Figure] = [
        ("Frames per clip", "lengths.png", lambda path: draw_lengths(report, path)),
        ("Clips per class", "classes.png", lambda path: draw_classes(report, path)),
        ("Bones", "bones.png", lambda path: draw_bones(report, path)),
    ]
    return charts if report.clips else []


def _examples(store: Store, report: Report) -> list[Figure]:
    """One clip of each class, drawn whatever the flags are."""
    lengths, flagged = np.diff(store.offsets), {name for finding in report.flags for name in finding.clips}
    filled = np.flatnonzero(lengths)
    chosen = example_clips(store.label[filled], np.array([store.names[clip] in flagged for clip in filled], np.int64))

    def draw(path: Path) -> None:
        draw_gallery([_example(store, int(filled[position])) for position in chosen], store.info.layout, path)

    return [("One clip of each class", "examples.png", draw)] if chosen else []


def _example(store: Store, clip: int) -> Example:
    start, stop = (int(frame) for frame in store.offsets[clip : clip + 2])
    frames, rows = frames_of(stop - start), slice(start, stop)
    label = int(store.label[clip])
    title = f"{label} {store.info.classes[label]}: {store.names[clip]}"
    return Example(title, store.read("joints", rows)[frames], store.read("body_mask", rows)[frames])


def _strip(store: Store, finding: Finding) -> Figure:
    clip = store.names.index(finding.worst)
    flag = next(flag for flag in quality.FLAGS if flag.name == finding.name)

    def draw(path: Path) -> None:
        rows = slice(int(store.offsets[clip]), int(store.offsets[clip + 1]))
        class_name = store.info.classes[int(store.label[clip])]
        title = caption(f"{flag.name}: {finding.worst} ({class_name}), {rows.stop - rows.start} frames")
        joints, mask = store.read("joints", rows), store.read("body_mask", rows)
        bodies = clip_detections(joints, mask, store.info.layout)
        location = locate_flag(flag.bit, bodies, mask, as_recorded(store))
        draw_strip(Strip(f"{title}\n{flag.meaning}", joints, mask, store.info.layout, location), path)

    return f"{flag.name}: {finding.worst}", f"{flag.name}.png", draw


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise PrepError(f"{folder}: is a file. Give --out a folder.")
    if not folder.is_dir() or any((folder / name).exists() for name in (RECORD, PAGE)):
        return
    # What a command that was killed before its first file leaves behind is not something else.
    others = [path for path in folder.iterdir() if path.name != LOCK and path.suffix != WRITING]
    others = [path for path in others if not _FIGURES.fullmatch(path.name)]
    if others:
        raise PrepError(f"{folder}: holds something else than a report, `{others[0].name}`. Give --out a new folder.")
