"""The input and output of a video worker for one clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prep.clip import Source
from prep.errors import PrepError
from prep.preprocessing.joints_box import Box

CropMode = Literal["joints", "whole"]
DecoderName = Literal["auto", "pyav", "decord"]
# Left, top, right and bottom in pixels, and the pixels (h, w, 3) of a frame or of a crop of one.
Crop = tuple[int, int, int, int]
Frame = NDArray[np.uint8]


class BadVideo(PrepError):
    """The video of one clip cannot be used. It is listed, and the work continues with the other clips."""


@dataclass(frozen=True)
class Video:
    """A video file, a member of a zip, or (`image_folder`) the images of a folder in the order of the frames."""

    sources: tuple[Source, ...]
    image_folder: bool = False

    @property
    def stamp(self) -> str:
        """Changes when any of its files changes."""
        return " ".join(f"{source.name} {source.stamp}" for source in self.sources)


@dataclass(frozen=True)
class ClipVideo:
    """A clip and its video.

    clip, name: the index and the name of the clip in its store.
    start, stop: the frames of the clip in an untrimmed video; -1 for a trimmed video, which is used as a whole.
    skeleton_frames: the number of frames of the raw skeleton, -1 if it is unknown.
    box: the bounding box of the joints as fractions of the image, or None.
    synchronised: True if video and skeleton must have the same number of frames.
    shape: width : height of the image to which `box` refers; (0, 0) if any shape will do.
    """

    clip: int
    name: str
    video: Video
    start: int
    stop: int
    skeleton_frames: int
    box: Box | None
    synchronised: bool = True
    shape: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class FrameRequest:
    """The number of frames per clip, the side of the square frames in pixels, the crop and the decoder."""

    frames: int
    size: int
    crop: CropMode = "joints"
    decoder: DecoderName = "auto"


@dataclass(frozen=True)
class DecodedClip:
    """The frames (T, size, size, 3) of a clip as uint8 RGB, or None and the reason.

    `notes` are remarks on a usable video. `frame_count` is the number of frames of the video, -1 if it is unknown.
    """

    clip: int
    frames: NDArray[np.uint8] | None
    reason: str = ""
    notes: tuple[str, ...] = ()
    frame_count: int = -1
