"""Synthetic files of datasets recorded with the Kinect v1, written from the description of the formats."""

from __future__ import annotations

import numpy as np


def people(frames: int, seed: int = 0, bodies: int = 1) -> np.ndarray:
    """(frames, bodies, 20, 3) metres with six decimals."""
    return np.random.default_rng(seed).uniform(-1.0, 3.0, (frames, bodies, 20, 3)).round(6)


def frame_text(body: np.ndarray, second: np.ndarray | None = None, line_end: str = "\n") -> bytes:
    """One frame of NW-UCLA's first release: a count, 20 lines `x,y,z,c`, optionally a value and a second person."""
    lines = ["1" if second is None else "2", *(",".join(map(str, [*joint, 1])) for joint in body)]
    if second is not None:
        lines += ["2", *(",".join(map(str, [*joint, 1])) for joint in second)]
    return "".join(line + line_end for line in lines).encode()


def frame_name(number: int) -> str:
    return f"frame_{number}_tc_{1_000_000 + 33 * number}_skeletons.txt"


def list_text(numbers: list[int]) -> bytes:
    return "".join(f"{number} something else {1_000_000 + 33 * number}\n" for number in numbers).encode()


def sequence(joints: np.ndarray, folder: str) -> dict[str, bytes]:
    """Paths and contents of a folder with the frames (L, 1, 20, 3) and their list."""
    numbers = [3 * index + 8 for index in range(len(joints))]
    files = {f"{folder}/{frame_name(n)}": frame_text(frame[0]) for n, frame in zip(numbers, joints, strict=True)}
    return files | {f"{folder}/fileList.txt": list_text(numbers)}


def msr_text(frames: list[np.ndarray], line_end: str = "\n") -> bytes:
    """MSRDailyActivity3D's layout; each frame has any number of bodies (bodies, 20, 3)."""
    lines = [f"{len(frames)} 20"]
    for bodies in frames:
        lines.append(str(40 * len(bodies)))
        for x, y, z in np.reshape(bodies, (-1, 3)).tolist():
            lines += [f"{x} {y} {z} 1", f"{0.5 + x / 8:.6g} {0.5 - y / 8:.6g} {int(8000 * abs(z))} 0"]
    return "".join(line + line_end for line in lines).encode()
