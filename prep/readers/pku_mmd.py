"""PKU-MMD, phases 1 and 2: untrimmed recordings, one clip per line of their label files.

Skeletons: one line per frame of 150 numbers, x y z in metres (Kinect v2 camera space) of 25 joints of body A, then of
body B; 75 zeros are an absent body. No ids: `body_id` is the slot, 0 for A and 1 for B, and two people may swap slots
from one frame to the next. Labels: lines `action,start,end,confidence` of integers, action from 1 on. A skeleton file
and its label file have one name, `XXXX-V.txt` (phase 1) or `AaaNnn-V.txt` (phase 2); which is which is seen in the
first line and must not contradict a folder called label... or skeleton....

A clip is named by the file and its line in the label file, blank ones not counted: `0002-L_003` is the third of 0002-L.
Camera is 1, 2, 3 for view L, M, R; `setup` is the sequence XXXX or the scene aa, `subject` nn.

Which frames a line means is documented nowhere, so `cut` chooses. With start 10 and end 20 they are, counted from 1,
10 to 20 (one_based_inclusive, as github.com/cseeyangchen/STAR_pp has it), 11 to 20 (zero_based_half_open, as MAMP) or
11 to 21 (zero_based_inclusive, as others).
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
from prep.clip import Recording, Source
from prep.errors import BadFile, PrepError
from prep.formats import FindRequest, FindResult, Format
from prep.untrusted.files import load_bytes, load_head, location, walk

CAMERAS = {"L": 1, "M": 2, "R": 3}
BODIES, JOINTS = 2, 25
NUMBERS = BODIES * JOINTS * 3
MOST_LABELS = 2**16  # bytes; twenty lines are usual
HEAD = 512
MIN_LINE = 2 * NUMBERS  # a digit and a blank each

# What is added to start and end so that they become start : stop, from 0.
_CUTS = {"one_based_inclusive": (-1, 0), "zero_based_half_open": (0, 0), "zero_based_inclusive": (0, 1)}


@dataclass(frozen=True)
class Options:
    """Which frames a line of a label file means."""

    cut: Literal["one_based_inclusive", "zero_based_half_open", "zero_based_inclusive"] = "one_based_inclusive"


@dataclass(frozen=True)
class _Instance:
    """One usable line of a label file: frames start : stop, from 0, show action `label`, from 0."""

    name: str
    label: int
    start: int
    stop: int
    remark: str = ""


def find(request: FindRequest) -> FindResult:
    """Every line of every label file that has a skeleton file, in folders and zips; skeleton files are not read.

    Bad are lines that cannot be meant (not four integers, no such action, reversed), label files without a skeleton
    file and files in the wrong folder; noted are skeleton files without labels, lines that share frames, and a
    confidence other than 1 or 2. Raises PrepError for two files of one kind and name, and when no labels are there.
    """
    skeletons, labels, bad = _sorted_out(request)
    if skeletons and not labels and not bad:
        what = f"{len(skeletons)} skeleton files and no label file"
        raise PrepError(f"{request.raw}: {what}. Put the labels beside them.")
    options = request.options or Options()
    sources: list[Source] = []
    notes = [(name, "has no label file, so no clip is cut from it") for name in sorted(skeletons.keys() - labels)]
    for name in sorted(labels):
        if name not in skeletons:
            bad.append((name, f"{location(labels[name])}: there is no skeleton file of that name. Add it."))
            continue
        instances, wrong = _instances(labels[name], request.data, _CUTS[options.cut])
        bad += wrong
        notes += [(each.name, each.remark) for each in instances if each.remark] + list(_shared_frames(instances))
        sources += [_clip(skeletons[name], each) for each in instances]
    return FindResult(tuple(sorted(sources, key=lambda source: source.name)), tuple(bad), tuple(notes))


def load(source: Source) -> bytes:
    """The clip's lines of its skeleton file. Raises BadFile, also when they are not all there."""
    data, starts = _file(source.path, source.member, source.size, source.stamp)
    first, stop = source.rows
    if stop >= len(starts):
        what = f"frames {first + 1} to {stop} are asked for and the file has {len(starts) - 1}"
        raise BadFile(f"{source.name}: {location(source)}: {what}. Mend the label file or try another `--option cut=`.")
    return data[starts[first] : starts[stop]]


def read(source: Source, data: bytes, facts: Dataset) -> Recording:
    """The clip's lines to a Recording in metres; frames without bodies are kept as they are.

    Raises BadFile when a line is anything but 150 finite numbers; the message says which.
    """
    from prep.readers._lines import read_lines

    match = re.fullmatch(facts.pattern, source.name)
    if match is None or not 0 <= source.label < len(facts.classes):
        raise BadFile(f"{source.name}: label {source.label} or the name is not of {facts.name}. Move the file away.")
    lines = read_lines(data, lambda row: _line(source, row))
    for row in np.flatnonzero(lines.per_line != NUMBERS)[:1]:
        what = f"{lines.per_line[row]} numbers; a frame has {NUMBERS}"
        raise BadFile(f"{_line(source, row)}: {what}. Fetch the file again.")
    numbers = lines.numbers.reshape(-1, NUMBERS)
    for row in np.flatnonzero(~np.isfinite(numbers).all(axis=1))[:1]:
        raise BadFile(f"{_line(source, row)}: a number is not finite. Fetch the file again.")
    joints = numbers.reshape(-1, BODIES, JOINTS, 3)
    present = joints.any(axis=(2, 3))
    named = match.groupdict()
    return Recording(
        name=source.name,
        label=source.label,
        bodies_per_frame=present.sum(axis=1),
        body_id=np.nonzero(present)[1],
        joints=joints[present],
        subject=int(named.get("subject", -1)),
        camera=CAMERAS[named["camera"]],
        setup=int(named["setup"]),
    )


FORMAT = Format(
    files="skeletons and labels XXXX-V.txt or AaaNnn-V.txt", find=find, read=read, load=load, options=Options
)


def _sorted_out(request: FindRequest) -> tuple[dict[str, Source], dict[str, Source], list[tuple[str, str]]]:
    """(skeleton files, label files) by name, of all files named like a recording, and those that are neither."""
    kinds: dict[str, dict[str, Source]] = {"skeleton": {}, "label": {}}
    bad = []
    for source in walk(request.raw, ".txt"):
        if re.fullmatch(request.data.pattern, _named(source.name, 1)) is None:
            continue
        try:
            kind = _kind(source, _folder(request.raw, source))
        except BadFile as error:
            bad.append((source.name, str(error)))
            continue
        other = kinds[kind].setdefault(source.name, source)
        if other is not source:
            raise PrepError(f"{location(other)} and {location(source)} are {kind}s of one name. Move one of them away.")
    return kinds["skeleton"], kinds["label"], bad


def _kind(source: Source, folder: str) -> str:
    """`skeleton` or `label`, by the first line, else by the folder. Raises BadFile when the two disagree."""
    line = (load_head(source, HEAD).lstrip().splitlines() or [b""])[0]
    kind = "label" if b"," in line else "skeleton" if len(line.split()) > 4 else ""
    if kind and folder and kind != folder:
        raise BadFile(f"{location(source)}: looks like a {kind} and lies among the {folder}s. Move it.")
    return kind or folder or "skeleton"


def _folder(raw: Path, source: Source) -> str:
    """What the nearest folder or zip that is named after either holds; "" when none is."""
    inside = PurePosixPath(source.member).parent.parts if source.member else ()
    above = Path(source.path).relative_to(raw).parts
    for part in reversed((*(above if source.member else above[:-1]), *inside)):
        for kind in ("label", "skelet"):
            if kind in part.lower():
                return "label" if kind == "label" else "skeleton"
    return ""


def _instances(source: Source, facts: Dataset, cut: tuple[int, int]) -> tuple[list[_Instance], list[tuple[str, str]]]:
    """The usable lines of a label file, and (name, reason) of the others."""
    if source.size > MOST_LABELS:
        return [], [(source.name, f"{location(source)}: {source.size} bytes are no label file. Fetch it again.")]
    try:
        lines = load_bytes(source).decode("latin-1").split("\n")
    except BadFile as error:
        return [], [(source.name, str(error))]
    good, bad = [], []
    filled = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    for count, (number, line) in enumerate(filled, 1):
        name = _named(source.name, count)
        try:
            good.append(_instance(name, line, facts, cut))
        except BadFile as error:
            word = line[:40].encode("unicode_escape").decode()
            bad.append((name, f"{location(source)}: line {number}: `{word}` {error}"))
    return good, bad


def _instance(name: str, line: str, facts: Dataset, cut: tuple[int, int]) -> _Instance:
    """One line of a label file. Raises BadFile with the rule that it breaks."""
    words = [word.strip() for word in line.split(",")]
    if len(words) != 4 or not all(re.fullmatch(r"-?[0-9]{1,9}", word) for word in words):
        raise BadFile("is not action,start,end,confidence, four integers. Mend the line.")
    action, first, last, confidence = map(int, words)
    if action not in facts.actions:
        known = f"they are {facts.actions[0]} to {facts.actions[-1]}"
        raise BadFile(f"names action {action}; {known}. Mend the line.")
    if last < first:
        raise BadFile("is reversed: it ends before it starts. Mend the line.")
    start, stop = first + cut[0], last + cut[1]
    if start < 0 or stop <= start:
        raise BadFile("means no frames as `cut` is chosen. Mend the line or try another `--option cut=`.")
    remark = "" if confidence in (1, 2) else f"confidence is {confidence}; it should be 1 or 2"
    return _Instance(name, facts.actions.index(action), start, stop, remark)


def _shared_frames(instances: Iterable[_Instance]) -> Iterator[tuple[str, str]]:
    """(name, remark) of every instance that begins before another, earlier one has ended."""
    latest: _Instance | None = None
    for each in sorted(instances, key=lambda one: (one.start, one.name)):
        if latest and each.start < latest.stop:
            last = min(each.stop, latest.stop)
            yield each.name, f"overlaps {latest.name}: frames {each.start + 1} to {last} belong to both"
        latest = each if latest is None or each.stop > latest.stop else latest


def _clip(skeleton: Source, each: _Instance) -> Source:
    return replace(skeleton, name=each.name, label=each.label, rows=(each.start, each.stop))


def _named(recording: str, count: int) -> str:
    return f"{recording}_{count:03d}"


# Clips come file by file, so the file at hand and one more are enough.
@lru_cache(maxsize=2)
def _file(path: str, member: str, size: int, stamp: str) -> tuple[bytes, NDArray[np.int64]]:
    """A skeleton file and where each of its lines begins, and the end; blank lines at the end do not count.

    Raises BadFile for a blank line elsewhere, after which nobody knows how frames are counted.
    """
    source = Source(path, path, member, size, stamp)
    data = load_bytes(source).rstrip()
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
    """Where the clip's n-th line, from 0, stands."""
    return f"{source.name}: {location(source)}: line {source.rows[0] + row + 1}"
