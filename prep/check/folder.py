"""A report as a folder: report.json, report.md, and its pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from prep.check.chart import draw_bones, draw_classes, draw_lengths
from prep.check.flagged import clip_detections, find_marks
from prep.check.measures import as_recorded
from prep.check.report import Finding, Report, markdown
from prep.check.skeletons import Strip, draw_strip
from prep.errors import PrepError
from prep.preprocessing import quality
from prep.store.read import Store


@dataclass(frozen=True)
class Written:
    """One step of `write_folder`: a file."""

    done: int
    total: int
    file: str


def write_folder(store: Store, found: Report, folder: Path) -> Iterator[Written]:
    """Draw and write everything. Raises PrepError where `folder` is a file, or holds something else than a report."""
    _check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for flag in quality.FLAGS:  # an earlier report may have found more
        (folder / f"{flag.name}.png").unlink(missing_ok=True)
    pictures = [*_charts(found), *(_strip(store, finding) for finding in found.flags)]
    captions = []
    for done, (caption, file, draw) in enumerate(pictures, 1):
        draw(folder / file)
        captions.append((caption, file))
        yield Written(done, len(pictures) + 2, file)
    (folder / "report.md").write_text(markdown(found, captions), encoding="utf-8")
    yield Written(len(pictures) + 1, len(pictures) + 2, "report.md")
    (folder / "report.json").write_text(json.dumps(record(found), indent=1), encoding="utf-8")
    yield Written(len(pictures) + 2, len(pictures) + 2, "report.json")


def record(found: Report) -> dict[str, object]:
    """A report as plain values for JSON, which has no NaN: a bone never seen has null."""
    bones = [[name, *(None if np.isnan(each) else each for each in numbers)] for name, *numbers in found.bones]
    return {**asdict(found), "bones": bones, "flagged": found.flagged}


Picture = tuple[str, str, Callable[[Path], None]]


def _charts(found: Report) -> list[Picture]:
    charts: list[Picture] = [
        ("Frames per clip", "lengths.png", lambda path: draw_lengths(found, path)),
        ("Clips per class", "classes.png", lambda path: draw_classes(found, path)),
        ("Bones", "bones.png", lambda path: draw_bones(found, path)),
    ]
    return charts if found.clips else []


def _strip(store: Store, finding: Finding) -> Picture:
    clip = store.names.index(finding.worst)
    flag = next(flag for flag in quality.FLAGS if flag.name == finding.name)

    def draw(path: Path) -> None:
        where = slice(int(store.offsets[clip]), int(store.offsets[clip + 1]))
        label = store.info.classes[int(store.label[clip])]
        title = f"{flag.name}: {finding.worst} ({label}), {where.stop - where.start} frames\n{flag.meaning}"
        joints, mask = store.read("joints", where), store.read("body_mask", where)
        bodies = clip_detections(joints, mask, store.info.layout)
        marks = find_marks(flag.bit, bodies, mask, as_recorded(store))
        draw_strip(Strip(title, joints, mask, store.info.layout, marks), path)

    return f"{flag.name}: {finding.worst}", f"{flag.name}.png", draw


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise PrepError(f"{folder}: is a file. Give --out a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "report.md").exists():
        raise PrepError(f"{folder}: holds something else than a report. Give --out a new folder.")
