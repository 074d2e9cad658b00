"""A plain reader and CTR-GCN's cleaning for NTU files, one loop per rule of the format.

The tests compare the compiled reader with it, and the benchmark measures against it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = list[list[tuple[int, NDArray[np.float32], NDArray[np.float32]]]]


def plain_read(text: bytes) -> Frames:
    """Per frame a list of (body id, joints (25, 3), box in the colour image (4,)).

    Raises ValueError or IndexError when the text is wrong.
    """
    lines = text.decode("ascii").splitlines()
    frames, at = [], 1
    for _ in range(int(lines[0])):
        bodies = []
        count = int(lines[at])
        at += 1
        for _ in range(count):
            head = lines[at].split()
            if len(head) != 10:
                raise ValueError("a body has ten numbers")
            [float(word) for word in head[1:]]
            if int(lines[at + 1]) != 25:
                raise ValueError("a body has 25 joints")
            at += 2
            joints = np.zeros((25, 3), np.float32)
            pixels = []
            for joint in range(25):
                words = lines[at].split()
                at += 1
                if len(words) != 12:
                    raise ValueError("a joint has twelve numbers")
                numbers = [float(word) for word in words]
                joints[joint] = numbers[:3]
                pixels.append(numbers[5:7])
            bodies.append((int(head[0]), joints, _box(pixels)))
        frames.append(bodies)
    if any(line.strip() for line in lines[at:]):
        raise ValueError("the text goes on after the last frame")
    return frames


def _box(pixels: list[list[float]]) -> NDArray[np.float32]:
    """Left, top, right, bottom as fractions of 1920 x 1080; joints at nan or beyond 10^12 pixels do not count."""
    seen = [pixel for pixel in pixels if all(abs(number) <= 1e12 for number in pixel)]
    if not seen:
        return np.full(4, np.nan, np.float32)
    x, y = zip(*seen, strict=True)
    return np.array([min(x) / 1920, min(y) / 1080, max(x) / 1920, max(y) / 1080], np.float32)


def plain_ctrgcn(frames: Frames) -> NDArray[np.float32]:
    """The main actors, moved to the origin: (frames with bodies, 2, 25, 3)."""
    frames = [bodies for bodies in frames if bodies]
    tracks = _tracks(frames)
    clip = np.zeros((len(frames), 2, 25, 3), np.float32)
    if len(tracks) == 1:
        clip[:, 0] = next(iter(tracks.values()))["joints"]
    elif tracks:
        _place(clip, _denoise(tracks))
        clip = np.array([frame for frame in clip if frame.any()])
    return _to_origin(clip)


def _tracks(frames: Frames) -> dict[int, dict[str, Any]]:
    tracks: dict[int, dict[str, Any]] = {}
    for number, bodies in enumerate(frames):
        for identity, joints, _ in bodies:
            track = tracks.setdefault(identity, {"start": number, "joints": []})
            track["joints"].append(joints)
    for track in tracks.values():
        track["joints"] = np.array(track["joints"])
        track["motion"] = track["joints"].reshape(-1, 3).var(axis=0).sum()
    return tracks


def _denoise(tracks: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    left = {identity: track for identity, track in tracks.items() if len(track["joints"]) > 11}
    if not left:
        longest = max(tracks, key=lambda identity: len(tracks[identity]["joints"]))
        left = {longest: tracks[longest]}
    for identity in list(left):
        if len(left) == 1:
            break
        joints = left[identity]["joints"]
        valid = []
        for frame in joints:
            x, y = frame[:, 0], frame[:, 1]
            if x.max() - x.min() <= 0.8 * (y.max() - y.min()):
                valid.append(frame)
        if 1 - len(valid) / len(joints) >= 0.69754:
            del left[identity]
        else:
            motion = np.array(valid).reshape(-1, 3).var(axis=0).sum()
            left[identity]["motion"] = min(left[identity]["motion"], motion)
    return sorted(left.values(), key=lambda track: -track["motion"])


def _place(clip: NDArray[np.float32], tracks: list[dict[str, Any]]) -> None:
    main, *others = tracks
    start1, end1 = main["start"], main["start"] + len(main["joints"]) - 1
    start2, end2 = 0, 0
    clip[start1 : end1 + 1, 0] = main["joints"]
    for track in others:
        start, end = track["start"], track["start"] + len(track["joints"]) - 1
        if min(end1, end) - max(start1, start) <= 0:
            clip[start : end + 1, 0] = track["joints"]
            start1, end1 = min(start1, start), max(end1, end)
        elif min(end2, end) - max(start2, start) <= 0:
            clip[start : end + 1, 1] = track["joints"]
            start2, end2 = min(start2, start), max(end2, end)


def _to_origin(clip: NDArray[np.float32]) -> NDArray[np.float32]:
    first = 0
    while first < len(clip) and not clip[first, 0].any():
        first += 1
    if first == len(clip):
        return clip
    origin = clip[first, 0, 1].copy()
    moved = np.zeros_like(clip)
    for number, frame in enumerate(clip):
        for body in range(2):
            if frame[body].any():
                moved[number, body] = frame[body] - origin
    return moved
