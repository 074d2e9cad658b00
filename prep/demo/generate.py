"""A made-up data set in the raw NTU RGB+D form, for those who have none yet: 24 actions, skeletons, and videos.

A jointed figure does the action; people, rooms, cameras and tempo differ, and the sensor has the faults of a real one.
Raw nearest neighbour finds the class of a new action from one example in a good half of 5-way tasks: there is
something to learn, and it can be learnt.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from prep.demo.actions import ACTIONS
from prep.demo.perform import VERSION, Key, perform
from prep.demo.text import skeleton_text
from prep.demo.video import write_video
from prep.errors import PrepError
from prep.video.extras import extra

SKELETONS, VIDEOS, MARKER = "nturgb+d_skeletons", "nturgb+d_rgb", "demo.json"
CLASSES = tuple(ACTIONS)
# The names run through 20 subjects, each before 3 cameras and twice; then come the next 20, and then the next rooms.
_GROUP, _CAMERAS, _REPETITIONS, _GROUPS, _ROOMS, _ROUNDS = 20, 3, 2, 5, 4, 8
MOST = len(CLASSES) * _GROUP * _CAMERAS * _REPETITIONS * _GROUPS * _ROUNDS


@dataclass(frozen=True)
class Written:
    """One clip is on the disk: the `done`th of `total`."""

    done: int
    total: int
    name: str


@dataclass(frozen=True)
class _Marker:
    """What a demo folder was made with; anything else in these fields would be another data set."""

    version: int
    seed: int
    videos: bool


def plan(clips: int) -> tuple[str, ...]:
    """The names of the first `clips` clips, at most 115,200: a longer plan begins with every shorter one.

    Classes take turns, so that each is as frequent as any other, and subjects, cameras and repetitions within them.
    Raises PrepError.

    >>> plan(3)
    ('S001C001P001R001A001', 'S001C001P001R001A002', 'S001C001P001R001A003')
    """
    return tuple(key.name for key in _keys(clips))


def generate(folder: Path, clips: int = 960, seed: int = 0, videos: bool = False) -> Iterator[Written]:
    """Write the first `clips` of the plan under `folder`, one by one as the caller goes on, and report each.

    Skeletons go to `nturgb+d_skeletons/`, and with `videos` one `<name>_rgb.avi` each to `nturgb+d_rgb/`. A clip is a
    pure function of the seed and its name. Files that exist are kept, so a broken run goes on where it stopped.
    Raises PrepError, at once, when the folder is not a demo made with the same seed, version and videos, when it holds
    clips beyond the plan, or when OpenCV is missing; and later when the disk is full.
    """
    keys = _keys(clips)
    if seed < 0:
        raise PrepError(f"seed = {seed}: a seed is 0 or more.")
    if videos:
        extra("cv2")
    _claim(folder, _Marker(VERSION, seed, videos))
    _refuse_others(folder, keys)
    return _write(folder, keys, seed, videos)


def _keys(clips: int) -> list[Key]:
    if not 1 <= clips <= MOST:
        raise PrepError(f"clips = {clips}: a demo has between 1 and {MOST} clips.")
    return [_key(*divmod(number, len(CLASSES))) for number in range(clips)]


def _key(turn: int, action: int) -> Key:
    """The `turn`th clip of an action; both from 0."""
    turn, person = divmod(turn, _GROUP)
    turn, view = divmod(turn, _CAMERAS * _REPETITIONS)
    ring, group = divmod(turn, _GROUPS)
    return Key(
        setup=1 + person % _ROOMS + _ROOMS * ring,
        # 3 and 2 have no common factor: six turns meet every pair of camera and repetition, any two turns both.
        camera=1 + (person + view) % _CAMERAS,
        subject=1 + person + _GROUP * group,
        repetition=1 + view % _REPETITIONS,
        action=1 + action,
    )


def _claim(folder: Path, marker: _Marker) -> None:
    """Make the folder this demo's, or see that it already is."""
    path = folder / MARKER
    with _disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
            if others:
                raise PrepError(
                    f"{folder}: holds `{others[0]}` but no {MARKER}, so it is not a demo folder. Give a new folder."
                )
            _put(path, json.dumps(asdict(marker)).encode())
            return
        found = path.read_bytes()
    try:
        known = _Marker(**json.loads(found))
    except (TypeError, ValueError) as error:
        raise PrepError(f"{path}: not the mark of a demo. Delete {folder} or give a new folder.") from error
    if known != marker:
        raise PrepError(
            f"{folder}: was made with {_say(known)}, not with {_say(marker)}. "
            "Ask for the same again, delete the folder, or give a new one."
        )


def _say(marker: _Marker) -> str:
    return f"version {marker.version}, seed {marker.seed}, {'with' if marker.videos else 'without'} videos"


def _refuse_others(folder: Path, keys: list[Key]) -> None:
    """A folder that has more clips than were asked for would be read as a whole."""
    planned = {key.name for key in keys}
    extra = sorted(path.stem for path in folder.glob(f"{SKELETONS}/*.skeleton") if path.stem not in planned)
    if extra:
        raise PrepError(
            f"{folder}: holds {len(extra)} clips beyond the {len(keys)} asked for, {extra[0]} the first. "
            "Ask for at least as many as before, delete the folder, or give a new one."
        )


def _write(folder: Path, keys: list[Key], seed: int, videos: bool) -> Iterator[Written]:
    with _disk(folder):
        (folder / SKELETONS).mkdir(exist_ok=True)
        if videos:
            (folder / VIDEOS).mkdir(exist_ok=True)
    for done, key in enumerate(keys, start=1):
        with _disk(folder):
            _write_clip(folder, key, seed, videos)
        yield Written(done, len(keys), key.name)


def _write_clip(folder: Path, key: Key, seed: int, videos: bool) -> None:
    text, video = folder / SKELETONS / f"{key.name}.skeleton", folder / VIDEOS / f"{key.name}_rgb.avi"
    if text.exists() and (video.exists() or not videos):
        return
    clip = perform(seed, key)
    if videos and not video.exists():
        part = video.with_name(f".{key.name}.part.avi")
        try:
            write_video(part, clip, seed, key)
            part.replace(video)
        finally:
            part.unlink(missing_ok=True)
    _put(text, skeleton_text(clip).encode("ascii"))


def _put(path: Path, data: bytes) -> None:
    """Write beside the final name, then rename: a killed run leaves no half file under that name."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise PrepError(
            f"{folder}: {'the disk is full' if full else f'cannot be written: {error}'}. "
            f"{'Free some space' if full else 'Mend that'} and run the same again, which goes on from here, "
            "or give another folder."
        ) from error
