"""Files of the first Kinect's data sets with invented joints, written from their descriptions; knows no reader."""

from __future__ import annotations

import numpy as np


def people(frames: int, seed: int = 0, bodies: int = 1) -> np.ndarray:
    """(frames, bodies, 20, 3) metres of six digits."""
    return np.random.default_rng(seed).uniform(-1.0, 3.0, (frames, bodies, 20, 3)).round(6)


def frame_text(body: np.ndarray, second: np.ndarray | None = None, line_end: str = "\n") -> bytes:
    """One frame of NW-UCLA's first release: a count, 20 lines `x,y,z,c`, perhaps a value and a second person."""
    lines = ["1" if second is None else "2", *(",".join(map(str, [*joint, 1])) for joint in body)]
    if second is not None:
        lines += ["2", *(",".join(map(str, [*joint, 1])) for joint in second)]
    return "".join(line + line_end for line in lines).encode()


def frame_name(number: int) -> str:
    return f"frame_{number}_tc_{1_000_000 + 33 * number}_skeletons.txt"


def list_text(numbers: list[int]) -> bytes:
    return "".join(f"{number} something else {1_000_000 + 33 * number}\n" for number in numbers).encode()


def sequence(joints: np.ndarray, folder: str) -> dict[str, bytes]:
    """Paths and bytes of a whole folder of frames (L, 1, 20, 3), with its list."""
    numbers = [3 * index + 8 for index in range(len(joints))]
    files = {f"{folder}/{frame_name(n)}": frame_text(frame[0]) for n, frame in zip(numbers, joints, strict=True)}
    return files | {f"{folder}/fileList.txt": list_text(numbers)}


def marked(frames: list[np.ndarray], line_end: str = "\n") -> bytes:
    """MSRDailyActivity3D's layout: frames of any number of bodies (bodies, 20, 3)."""
    lines = [f"{len(frames)} 20"]
    for bodies in frames:
        lines.append(str(40 * len(bodies)))
        for x, y, z in np.reshape(bodies, (-1, 3)).tolist():
            lines += [f"{x} {y} {z} 1", f"{0.5 + x / 8:.6g} {0.5 - y / 8:.6g} {int(8000 * abs(z))} 0"]
    return "".join(line + line_end for line in lines).encode()


def counted(joints: np.ndarray, width: int = 4) -> bytes:
    return f"{len(joints)} 20\n".encode() + bare(joints, width)


def bare(joints: np.ndarray, width: int = 4) -> bytes:
    rows = [[*joint, 1][:width] for joint in joints.reshape(-1, 3).tolist()]
    return "".join(" ".join(f"{value:.7e}" for value in row) + "\n" for row in rows).encode()
