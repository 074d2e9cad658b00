"""Frames of a clip's video as JPEG, and the frame of the video that belongs to a frame of the clip."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from prep.errors import BadFile, PrepError
from prep.preprocessing.joints_box import Box
from prep.store.read import Store
from prep.untrusted.files import location
from prep.video.crop import centre_crop, crop_around
from prep.video.decoders._decoder import VideoInfo, frames, probe
from prep.video.extras import import_extra
from prep.video.pairing import Pairs, pair
from prep.video.request import BadVideo, ClipVideo, Video

if TYPE_CHECKING:
    from prep.workers import Workers

T = TypeVar("T")
CHUNK = 16  # frames that are decoded together: the next ones are likely to be asked for
KEPT = 32  # chunks in memory, at most 40 MB of JPEG
WIDEST = 640  # pixels of a frame on the page
QUALITY = 85


@dataclass(frozen=True)
class PairedVideo:
    """The video of one clip.

    `crop` is the square that the encoders see, and `box` the joints' box, both left, top, right and bottom in fractions
    of the frame; `box` is None where it is unknown. Frame f of the clip is frame `first` + f * `step` of the video,
    rounded down.
    """

    path: str
    frames: int
    width: int
    height: int
    box: Box | None
    crop: Box
    first: int
    step: float


class PairedFrames:
    """The videos below a folder that belong to the clips of a store; files are listed when a video is first asked for.

    Videos are decoded by `workers`, since a damaged one may crash the decoder or never end.
    """

    def __init__(self, store: Store, folder: Path, workers: Workers) -> None:
        self.store, self.folder, self.workers = store, folder, workers
        self._pairs: Pairs | None = None
        self._by_clip: dict[int, ClipVideo] = {}
        self._described: OrderedDict[int, PairedVideo] = OrderedDict()
        self._chunks: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._lock = Lock()

    def video(self, clip: int) -> PairedVideo:
        """The video of a clip. Raises BadVideo if it is missing or unreadable, PrepError if no clip has one."""
        with self._lock:
            if clip not in self._described:
                paired = self._paired(clip)
                info = self._run(probe, paired.video)
                self._described[clip] = describe(paired, info, self._length(clip))
                _shrink(self._described, KEPT)
            return self._described[clip]

    def jpeg(self, clip: int, frame: int) -> bytes:
        """One frame of the video of a clip, at most WIDEST pixels wide. Raises BadVideo."""
        count = self.video(clip).frames
        if not 0 <= frame < count:
            raise BadVideo(f"{self.store.names[clip]}: frame {frame} is requested, its video has {count}.")
        key = (clip, frame // CHUNK)
        with self._lock:
            if key not in self._chunks:
                start = key[1] * CHUNK
                stop = min(start + CHUNK, count)
                self._chunks[key] = self._run(decode_jpegs, self._paired(clip).video, start, stop)
                _shrink(self._chunks, KEPT)
            self._chunks.move_to_end(key)
            return self._chunks[key][frame % CHUNK]

    def _length(self, clip: int) -> int:
        return int(self.store.offsets[clip + 1] - self.store.offsets[clip])

    def _paired(self, clip: int) -> ClipVideo:
        if self._pairs is None:
            self._pairs = pair(self.store, self.folder)
            self._by_clip = {paired.clip: paired for paired in self._pairs.clips}
        if clip in self._by_clip:
            return self._by_clip[clip]
        name = self.store.names[clip]
        reason = dict(self._pairs.bad).get(name)
        raise BadVideo(reason or f"{self.folder} has no video of {name}.")

    def _run(self, task: Callable[..., T], video: Video, *arguments: int) -> T:
        """A task of a worker. Raises BadVideo also where it crashed or took too long."""
        where, workers = location(video.sources[0]), self.workers
        died: tuple[type[BaseException], ...] = (*workers.died, CancelledError)
        try:
            return workers.executor.submit(task, video, *arguments).result()
        except BadFile as error:
            raise BadVideo(str(error)) from error
        except workers.timed_out as error:
            raise BadVideo(f"{where}: decoding took longer than {workers.timeout:g} s. Fetch it again.") from error
        except died as error:
            raise BadVideo(f"{where}: the decoder crashed. Fetch it again, or leave it out.") from error


def describe(paired: ClipVideo, info: VideoInfo, length: int) -> PairedVideo:
    """The video of a clip with `length` frames. Raises BadVideo if the video does not hold the clip's frames."""
    path = location(paired.video.sources[0])
    first, stop = (paired.start, paired.stop) if paired.start >= 0 else (0, info.frames)
    if not 0 <= first < stop <= info.frames or info.width < 1 or info.height < 1:
        rule = f"{paired.name} is frames {first} to {stop - 1}, and the video has {info.frames}"
        raise BadVideo(f"{path}: {rule} of {info.width} x {info.height} pixels. Fetch it again.")
    size = (info.width, info.height)
    square = crop_around(paired.box, *size) if paired.box else centre_crop(*size)
    left, top, right, bottom = (edge / side for edge, side in zip(square, (*size, *size), strict=True))
    # Equal lengths belong together frame by frame; a preprocessing may have left frames out.
    step = 1.0 if length == stop - first else (stop - first) / max(length, 1)
    return PairedVideo(path, info.frames, *size, paired.box, (left, top, right, bottom), first, step)


def decode_jpegs(video: Video, start: int, stop: int) -> list[bytes]:
    """Frames start : stop of a video as JPEG: the task of a worker process. Raises BadVideo, or BadFile."""
    cv2 = import_extra("cv2")
    cv2.setNumThreads(1)
    encoded = []
    for frame in frames(video, probe(video), range(start, stop)):
        height, width = frame.shape[:2]
        if width > WIDEST:
            size = (WIDEST, max(1, round(height * WIDEST / width)))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        done, content = cv2.imencode(
            ".jpg", np.ascontiguousarray(frame[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
        if not done:
            raise PrepError(f"{location(video.sources[0])}: a frame of {width} x {height} pixels cannot be encoded.")
        encoded.append(content.tobytes())
    return encoded


def _shrink(kept: OrderedDict[Any, Any], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
