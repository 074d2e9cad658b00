"""A synthetic dataset in the raw NTU RGB+D format, for users without data: 24 actions, skeletons and videos.

A simulated person performs each action. People, rooms, cameras and speed vary, and the sensor has the faults of a real
one. A nearest-neighbour classifier on raw joints is right in little more than half of 5-way 1-shot queries, so that the
dataset can be learnt but is not trivial.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from prep.demo.actions import ACTIONS
from prep.demo.simulation import VERSION, DemoClip, Key, simulate
from prep.demo.skeleton_file import skeleton_text
from prep.demo.video import write_video
from prep.errors import PrepError
from prep.files import LOCK, WRITING, atomic_write, disk_errors, flush, locked, remove
from prep.progress import Step, Work
from prep.video.extras import import_extra

SKELETONS, VIDEOS, SETTINGS = "nturgb+d_skeletons", "nturgb+d_rgb", ".demo.json"
CLASSES = tuple(ACTIONS)
# Order of the clips: 20 subjects, each with 3 cameras and 2 repetitions; then the next 20 subjects, then other rooms.
_GROUP, _CAMERAS, _REPETITIONS, _GROUPS, _ROOMS, _ROUNDS = 20, 3, 2, 5, 4, 8
MOST = len(CLASSES) * _GROUP * _CAMERAS * _REPETITIONS * _GROUPS * _ROUNDS


@dataclass(frozen=True)
class _Settings:
    """The settings of a demo folder, as in its .demo.json; other settings would make another dataset."""

    version: int
    seed: int
    videos: bool

    def __str__(self) -> str:
        return f"version {self.version}, seed {self.seed}, {'with' if self.videos else 'without'} videos"


def plan(clips: int) -> tuple[str, ...]:
    """Names of the first `clips` clips, at most 115,200; a longer plan begins with every shorter one.

    Classes take turns, so that all are equally frequent; within a class subjects, cameras and repetitions take turns.
    Raises PrepError.

    >>> plan(3)
    ('S001C001P001R001A001', 'S001C001P001R001A002', 'S001C001P001R001A003')
    """
    return tuple(key.name for key in _keys(clips))


def generate(folder: Path, clips: int = 960, seed: int = 0, videos: bool = False) -> Work[int]:
    """Write the first `clips` clips of the plan to `folder`; a step per clip, with its name. Returns their number.

    Skeletons go to `nturgb+d_skeletons/`; with `videos`, one `<name>_rgb.avi` each goes to `nturgb+d_rgb/`. A clip is a
    pure function of the seed and its name. Existing files are kept, so a run that was stopped is continued.
    Raises PrepError if the folder is not a demo with the same seed, version and videos, if it holds clips beyond the
    plan, if OpenCV is missing, if another command is writing there, or if the disk is full.
    """
    keys = _keys(clips)
    if seed < 0:
        raise PrepError(f"seed = {seed}: a seed is 0 or more.")
    if videos:
        import_extra("cv2")
    settings = _Settings(VERSION, seed, videos)
    _check_folder(folder, settings)
    _check_clips(folder, keys)
    with disk_errors(folder), locked(folder):
        atomic_write(folder / SETTINGS, json.dumps(asdict(settings)))
        for subfolder in (SKELETONS, VIDEOS)[: 1 + videos]:
            (folder / subfolder).mkdir(exist_ok=True)
        for done, key in enumerate(keys, start=1):
            _write_clip(folder, key, seed, videos)
            yield Step(done, len(keys), note=key.name)
    return len(keys)


def _keys(clips: int) -> list[Key]:
    if not 1 <= clips <= MOST:
        raise PrepError(f"clips = {clips}: a demo has between 1 and {MOST} clips.")
    return [_key(*divmod(number, len(CLASSES))) for number in range(clips)]


def _key(turn: int, action: int) -> Key:
    """The key of the `turn`-th clip of an action; both count from 0."""
    turn, person = divmod(turn, _GROUP)
    turn, view = divmod(turn, _CAMERAS * _REPETITIONS)
    ring, group = divmod(turn, _GROUPS)
    return Key(
        setup=1 + person % _ROOMS + _ROOMS * ring,
        # 3 and 2 are coprime: six consecutive turns have every pair of camera and repetition.
        camera=1 + (person + view) % _CAMERAS,
        subject=1 + person + _GROUP * group,
        repetition=1 + view % _REPETITIONS,
        action=1 + action,
    )


def _check_folder(folder: Path, settings: _Settings) -> None:
    """Raise PrepError unless the folder is new, empty, or a demo with the same settings."""
    path = folder / SETTINGS
    if folder.exists() and not folder.is_dir():
        raise PrepError(f"{folder}: is a file. Give --out a folder.")
    if not path.exists():
        # A command that was killed at once leaves its lock or a temporary file.
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        others = [path.name for path in entries if path.name != LOCK and path.suffix != WRITING]
        others = [name for name in others if not name.startswith(".")]
        if others:
            raise PrepError(
                f"{folder}: holds `{others[0]}` but no {SETTINGS}, so it is not a demo folder. Give a new folder."
            )
        return
    try:
        present = _Settings(**json.loads(path.read_bytes()))
    except (TypeError, ValueError) as error:
        raise PrepError(f"{path}: not the settings of a demo. Delete {folder} or give a new folder.") from error
    if present != settings:
        raise PrepError(
            f"{folder}: was made with {present}, not with {settings}. "
            "Use the same settings, delete the folder, or give a new one."
        )


def _check_clips(folder: Path, keys: list[Key]) -> None:
    """Raise PrepError if the folder has more clips than requested, since a build reads all of them."""
    planned = {key.name for key in keys}
    others = sorted(path.stem for path in folder.glob(f"{SKELETONS}/*.skeleton") if path.stem not in planned)
    if others:
        raise PrepError(
            f"{folder}: holds {len(others)} clips beyond the {len(keys)} requested, {others[0]} the first. "
            "Request at least as many as before, delete the folder, or give a new one."
        )


def _write_clip(folder: Path, key: Key, seed: int, videos: bool) -> None:
    skeleton, video = folder / SKELETONS / f"{key.name}.skeleton", folder / VIDEOS / f"{key.name}_rgb.avi"
    if skeleton.exists() and (video.exists() or not videos):
        return
    clip = simulate(seed, key)
    if videos and not video.exists():
        _write_video(video, clip, seed, key)
    atomic_write(skeleton, skeleton_text(clip))


def _write_video(path: Path, clip: DemoClip, seed: int, key: Key) -> None:
    """Write the video to a temporary folder, then rename it: OpenCV needs the suffix .avi while it writes."""
    temporary = path.with_name(f"{path.name}{WRITING}")
    temporary.mkdir()
    try:
        write_video(temporary / path.name, clip, seed, key)
        flush(temporary)
        (temporary / path.name).replace(path)
    finally:
        remove(temporary)
