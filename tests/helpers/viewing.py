"""Viewed stores for tests: a small store with every kind of clip, a running server, and a client of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from helpers.stores import info, write_clips

from prep.confusion_matrix import CellClips, ConfusionMatrix
from prep.preprocessing import quality
from prep.viewer.server import ViewerServer
from prep.viewer.session import Session
from prep.workers import Workers

TOKEN = "a-token-of-the-tests"
MOVING = 11  # the right hand of ntu25, the only joint that moves in clip 0
HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\n& walk"
NAMES = tuple(f"S001C00{1 + i % 3}P00{1 + i % 4}R001A{1 + i % 4:03d}" for i in range(12))
BOX = (0.25, 0.125, 0.5, 0.75)
WITHOUT_VECTOR = (4, 7)  # clips of the embedded store


def standing(frames: int, layout_joints: int = 25) -> np.ndarray:
    """A body at rest, (frames, 1, V, 3): joints on a spiral, so that no two are drawn at one point."""
    angle = np.linspace(0, 5, layout_joints)
    joints = np.stack([np.cos(angle) * (0.4 + angle / 12), 1 - angle / 2.5, np.sin(angle) / 3 + 3], axis=-1)
    return np.tile(joints.astype(np.float32), (frames, 1, 1, 1))


def clips_for_viewing() -> list[np.ndarray]:
    """Twelve clips (L, 2, 25, 3): in 0 one joint moves, 1 is still, 2 trembles and jumps in frame 6,
    3 has two bodies, 4 is long.
    """
    rng = np.random.default_rng(0)
    lengths = [12, 12, 12, 12, 60, 12, 11, 13, 12, 2, 12, 12]
    clips = []
    for number, length in enumerate(lengths):
        joints = np.zeros((length, 2, 25, 3), np.float32)
        joints[:, :1] = standing(length)
        if number == 0:
            joints[:, 0, MOVING, 1] += np.linspace(0, 0.8, length)
        elif number == 2:
            joints[:, 0] += rng.normal(0, 0.2, (length, 25, 3))
            joints[6, 0, MOVING] += 5
        elif number == 3:
            joints[:, 1:] = standing(length) + np.float32(0.5)
        elif number != 1:
            joints[:, 0, :, 0] += np.linspace(0, 0.3, length)[:, None]
        clips.append(joints)
    return clips


def view_store(path: Path, dataset: str = "demo", preprocessing: str = "raw", shift: float = 0.0) -> Path:
    """A store of `clips_for_viewing`; recorded coordinates are twice the stored ones plus (1, 2, 3)."""
    clips = [np.where(clip != 0, clip + np.float32(shift), clip) for clip in clips_for_viewing()]
    facts = info(dataset, preprocessing)
    facts = replace(facts, classes=(HOSTILE, *facts.classes[1:]))
    flags = [0] * len(clips)
    flags[2], flags[3], flags[5] = quality.BONE_JUMP, quality.BODY_COUNT | quality.ZERO, quality.ZERO
    frames = sum(map(len, clips))
    return write_clips(
        path,
        facts,
        NAMES,
        [i % 4 for i in range(len(clips))],
        clips,
        to_recorded=np.tile(2 * np.eye(3, dtype=np.float32), (len(clips), 1, 1)),
        origin=np.tile(np.array([1, 2, 3], np.float32), (frames, 1)),
        quality=flags,
        subject=[1 + i % 4 for i in range(len(clips))],
        camera=[1 + i % 3 for i in range(len(clips))],
        **{side: [value] * len(clips) for side, value in zip(("left", "top", "right", "bottom"), BOX, strict=True)},
    )


def matrix_file(path: Path) -> Path:
    """The confusion matrix of a test with clips of `view_store`: 0, 4 and 8 are of the class with a hostile name."""
    cells = (
        CellClips(0, 0, 1, {NAMES[0]: 3}),
        CellClips(0, 1, 4, {NAMES[8]: 2, NAMES[4]: 1, "gone": 1}),
        CellClips(1, 1, 2, {NAMES[1]: 4, NAMES[5]: 1}),
    )
    counts, queries = ((3, 6, 0), (0, 5, 0), (0, 0, 0)), ((9, 9, 0), (5, 5, 1), (0, 0, 0))
    matrix = ConfusionMatrix((0, 1, 2), (HOSTILE, "b", "c"), counts, queries, "r", "s", "w", cells)
    path.write_text(json.dumps(asdict(matrix)))
    return path


@contextmanager
def opened(
    paths: list[Path], marks: Path, videos: Path | None = None, split: str = "", confusion: Path | None = None
) -> Iterator[Session]:
    """A session whose videos are decoded in a thread of this process."""
    with ThreadPoolExecutor(1) as pool:
        yield Session([str(path) for path in paths], marks, split, videos, Workers(pool, 1, ()), confusion)


@contextmanager
def served(session: Session) -> Iterator[ViewerServer]:
    """A server of the session on a free port."""
    with ViewerServer(session, 0, TOKEN) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Reply:
    """An answer of the server."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def call(server: ViewerServer, path: str, method: str = "GET", **headers: str) -> Reply:
    """One request with the cookie and the headers that the page's own browser sends; `headers` replaces some.

    Underscores in their names stand for dashes, and a header whose value is empty is not sent.
    """
    host = f"127.0.0.1:{server.port}"
    sent = {"Host": host, "Cookie": f"fsprep-view-{server.port}={TOKEN}", "Sec-Fetch-Site": "same-origin"}
    if method == "POST":
        sent |= {"Origin": f"http://{host}", "Content-Length": "0"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()
