"""PKU-MMD, phases 1 and 2: untrimmed recordings, one clip per line of their label files.

Skeletons: one line per frame of 150 numbers, x y z in metres (Kinect v2 camera space) of 25 joints of body A, then of
body B; 75 zeros are an absent body. There are no ids: `body_id` is the slot, 0 for A and 1 for B, and two people may
swap slots from one frame to the next. Labels: lines `action,start,end,confidence` of integers, actions from 1 on. A
skeleton file and its label file have the same name, `XXXX-V.txt` (phase 1) or `AaaNnn-V.txt` (phase 2). The first line
tells them apart, and must not contradict a folder whose name contains label or skeleton.

A clip is named by the file and its line in the label file, without counting blank lines: `0002-L_003` is the third of
0002-L. Camera is 1, 2, 3 for view L, M, R; `setup` is the sequence XXXX or the scene aa, `subject` nn.

Which frames a line denotes is documented nowhere, so the option `cut` decides. With start 10 and end 20 they are,
counted from 1, 10 to 20 (one_based_inclusive, as in github.com/cseeyangchen/STAR_pp), 11 to 20 (zero_based_half_open,
as in MAMP) or 11 to 21 (zero_based_inclusive).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from manifests.dataset import Dataset
from manifests.pattern import match_name
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.untrusted.files import load_head, load_text, location, walk, without_mark

CAMERAS = {"L": 1, "M": 2, "R": 3}
BODIES, JOINTS = 2, 25
NUMBERS = BODIES * JOINTS * 3
MOST_LABELS = 2**16  # bytes; twenty lines are usual
HEAD = 512
MIN_LINE = 2 * NUMBERS  # a digit and a blank each
MOST_COVERED = 4  # lines of a label file may share frames, but do not name the whole recording again and again

# Added to start and end, which gives start : stop counted from 0.
_CUTS = {"one_based_inclusive": (-1, 0), "zero_based_half_open": (0, 0), "zero_based_inclusive": (0, 1)}


@dataclass(frozen=True)
class Options:
    """Which frames a line of a label file denotes."""

    cut: Literal["one_based_inclusive", "zero_based_half_open", "zero_based_inclusive"] = "one_based_inclusive"


@dataclass(frozen=True)
class _Instance:
    """One usable line of a label file: action `label` in frames start : stop, both counted from 0."""

    name: str
    label: int
    start: int
    stop: int
    remark: str = ""


def find(request: FindRequest) -> FindResult:
    """Every line of every label file that has a skeleton file, in folders and zips; skeleton files are not read.

    Unusable: invalid lines (not four integers, unknown action, reversed), files in the wrong folder, and label files
    without a skeleton file or with lines that name the same frames again and again. Noted: skeleton files without
    labels, lines that share frames, and a confidence other than 1 or 2. Raises PrepError for two files of one kind and
    name, and if there are no labels.
    """
    skeletons, labels, bad = _skeletons_and_labels(request)
    if skeletons and not labels and not bad:
        what = f"holds {len(skeletons)} skeleton files and no label file"
        raise PrepError(f"{request.raw}: {what}. Add the folder of label files.")
    options = request.options or Options()
    sources: list[Source] = []
    notes = [(name, "has no label file, so no clip is cut from it") for name in sorted(skeletons.keys() - labels)]
    for name in sorted(labels):
        if name not in skeletons:
            bad.append((name, f"{location(labels[name])}: there is no skeleton file with that name. Add it."))
            continue
        instances, wrong = _instances(labels[name], request.data, _CUTS[options.cut])
        if reason := _repeated(labels[name], instances, skeletons[name].size // MIN_LINE):
            instances, wrong = [], [(name, reason)]
        bad += wrong
        notes += [(instance.name, instance.remark) for instance in instances if instance.remark]
        notes += _overlaps(instances)
        sources += [_clip(skeletons[name], instance) for instance in instances]
    seen = frozenset(map(location, (*skeletons.values(), *labels.values())))
    return FindResult(tuple(sorted(sources, key=lambda source: source.name)), tuple(bad), tuple(notes), seen)


def load(source: Source) -> bytes:
    """The clip's lines of its skeleton file. Raises BadFile if the file is unreadable or too short."""
    data, starts = _file(source.path, source.member, source.size, source.stamp)
    first, stop = source.rows
    if stop >= len(starts):
        what = f"the label file names frames {first + 1} to {stop}, the skeleton file has {len(starts) - 1}"
        raise BadFile(f"{source.name}: {location(source)}: {what}. Fix the label file or try another `--option cut=`.")
    return data[starts[first] : starts[stop]]


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """Parse the clip's lines to a Recording in metres; frames without bodies are kept.

    Raises BadFile if a line is not 150 finite numbers; the message gives the line.
    """
    from prep.readers._lines import read_lines

    match = match_name(facts.pattern, source.name)
    if match is None or not 0 <= source.label < len(facts.classes):
        raise BadFile(
            f"{source.name}: the name or label {source.label} does not belong to {facts.name}. Move the file away."
        )
    lines = read_lines(data, lambda row: _line(source, row))
    for row in np.flatnonzero(lines.per_line != NUMBERS)[:1]:
        what = f"{lines.per_line[row]} numbers; a frame has {NUMBERS}"
        raise BadFile(f"{_line(source, row)}: {what}. Fetch the file again.")
    numbers = lines.numbers.reshape(-1, NUMBERS)
    for row in np.flatnonzero(~np.isfinite(numbers).all(axis=1))[:1]:
        raise BadFile(f"{_line(source, row)}: a number is not finite. Fetch the file again.")
    joints = numbers.reshape(-1, BODIES, JOINTS, 3)
    present = joints.any(axis=(2, 3))
    groups = match.groupdict()
    return Recording(
        name=source.name,
        label=source.label,
        bodies_per_frame=present.sum(axis=1),
        body_id=np.nonzero(present)[1],
        joints=joints[present],
        subject=int(groups.get("subject", -1)),
        camera=CAMERAS[groups["camera"]],
        setup=int(groups["setup"]),
    )


FORMAT = Format(
    files="skeletons and labels XXXX-V.txt or AaaNnn-V.txt", find=find, read=read, load=load, options=Options
)


def _skeletons_and_labels(request: FindRequest) -> tuple[dict[str, Source], dict[str, Source], list[tuple[str, str]]]:
    """(skeleton files, label files) by name, and (name, reason) of files in the wrong folder. Raises PrepError."""
    kinds: dict[str, dict[str, Source]] = {"skeleton": {}, "label": {}}
    bad = []
    for source in walk(request.raw, ".txt"):
        if match_name(request.data.pattern, _clip_name(source.name, 1)) is None:
            continue
        try:
            kind = _kind(source, _folder(request.raw, source))
        except BadFile as error:
            bad.append((source.name, str(error)))
            continue
        first = kinds[kind].setdefault(source.name, source)
        if first is not source:
            what = f"{location(first)} and {location(source)} are {kind} files of the same name"
            raise PrepError(f"{what}. Move one of them away.")
    return kinds["skeleton"], kinds["label"], bad


def _kind(source: Source, folder: str) -> str:
    """`skeleton` or `label`, by the first line, else by the folder. Raises BadFile if the two disagree."""
    line = (without_mark(load_head(source, HEAD), location(source)).lstrip().splitlines() or [b""])[0]
    kind = "label" if b"," in line else "skeleton" if len(line.split()) > 4 else ""
    if kind and folder and kind != folder:
        raise BadFile(f"{location(source)}: looks like a {kind} file and is in a folder of {folder}s. Move it.")
    return kind or folder or "skeleton"


def _folder(raw: Path, source: Source) -> str:
    """`skeleton` or `label`, by the nearest folder or zip with such a name; "" if there is none."""
    in_zip = PurePosixPath(source.member).parent.parts if source.member else ()
    on_disk = Path(source.path).relative_to(raw).parts
    for part in reversed((*(on_disk if source.member else on_disk[:-1]), *in_zip)):
        for kind in ("label", "skelet"):
            if kind in part.lower():
                return "label" if kind == "label" else "skeleton"
    return ""


def _instances(source: Source, facts: Dataset, cut: tuple[int, int]) -> tuple[list[_Instance], list[tuple[str, str]]]:
    """The usable lines of a label file, and (name, reason) of the others."""
    if source.size > MOST_LABELS:
        return [], [
            (source.name, f"{location(source)}: {source.size} bytes are too many for a label file. Fetch it again.")
        ]
    try:
        lines = load_text(source).decode("latin-1").split("\n")
    except BadFile as error:
        return [], [(source.name, str(error))]
    good, bad = [], []
    filled = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    for count, (number, line) in enumerate(filled, 1):
        name = _clip_name(source.name, count)
        try:
            good.append(_instance(name, line, facts, cut))
        except BadFile as error:
            word = line[:40].encode("unicode_escape").decode()
            bad.append((name, f"{location(source)}: line {number}: `{word}` {error}"))
    return good, bad


def _instance(name: str, line: str, facts: Dataset, cut: tuple[int, int]) -> _Instance:
    """Parse one line of a label file. Raises BadFile with the rule that it breaks."""
    words = [word.strip() for word in line.split(",")]
    if len(words) != 4 or not all(re.fullmatch(r"-?[0-9]{1,9}", word) for word in words):
        raise BadFile("is not action,start,end,confidence, four integers. Fix the line.")
    action, first, last, confidence = map(int, words)
    if action not in facts.actions:
        rule = f"actions are {facts.actions[0]} to {facts.actions[-1]}"
        raise BadFile(f"names action {action}; {rule}. Fix the line.")
    if last < first:
        raise BadFile("is reversed: it ends before it starts. Fix the line.")
    start, stop = first + cut[0], last + cut[1]
    if start < 0 or stop <= start:
        raise BadFile("denotes no frames with this `cut`. Fix the line or try another `--option cut=`.")
    remark = "" if confidence in (1, 2) else f"confidence is {confidence}; it should be 1 or 2"
    return _Instance(name, facts.actions.index(action), start, stop, remark)


def _repeated(source: Source, instances: Iterable[_Instance], frames: int) -> str:
    """The reason if the instances together have far more frames than the skeleton file, which has at most `frames`."""
    total = sum(one.stop - one.start for one in instances if one.stop <= frames)
    if total <= MOST_COVERED * frames:
        return ""
    rule = f"its lines name {total} frames, and the skeleton file has at most {frames}"
    return f"{location(source)}: {rule}. Remove the lines that name the same frames again."


def _overlaps(instances: Iterable[_Instance]) -> Iterator[tuple[str, str]]:
    """(name, remark) of every instance that begins before an earlier one has ended."""
    latest: _Instance | None = None
    for instance in sorted(instances, key=lambda instance: (instance.start, instance.name)):
        if latest and instance.start < latest.stop:
            last = min(instance.stop, latest.stop)
            yield instance.name, f"overlaps {latest.name}: frames {instance.start + 1} to {last} belong to both"
        latest = instance if latest is None or instance.stop > latest.stop else latest


def _clip(skeleton: Source, instance: _Instance) -> Source:
    return replace(skeleton, name=instance.name, label=instance.label, rows=(instance.start, instance.stop))


def _clip_name(recording: str, count: int) -> str:
    return f"{recording}_{count:03d}"


# Clips are read file by file, so the current file and one more are enough.
@lru_cache(maxsize=2)
def _file(path: str, member: str, size: int, stamp: str) -> tuple[bytes, NDArray[np.int64]]:
    """A skeleton file, and the offsets of its lines and of its end; blank lines at the end do not count.

    Raises BadFile for a blank line elsewhere, since the number of the frames after it would be unknown.
    """
    source = Source(path, path, member, size, stamp)
    data = load_text(source).rstrip()
    if not data:
        raise BadFile(f"{location(source)}: is empty. Fetch it again.")
    if data.count(b"\n") > len(data) // MIN_LINE:
        raise BadFile(f"{location(source)}: most lines are too short for {NUMBERS} numbers. Fetch the file again.")
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    starts = np.concatenate([[0], breaks + 1, [len(data) + 1]])
    for line in np.flatnonzero(np.diff(starts) < MIN_LINE)[:1]:
        raise BadFile(f"{location(source)}: line {line + 1} is too short for {NUMBERS} numbers. Fetch the file again.")
    return data, starts


def _line(source: Source, row: int) -> str:
    """File and line number of the clip's line `row`, counted from 0, for messages."""
    return f"{source.name}: {location(source)}: line {source.rows[0] + row + 1}"
