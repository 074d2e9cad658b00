"""What is asked of a video worker and what it answers, for one clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prep.clip import Source
from prep.errors import PrepError
from prep.preprocessing.joints_box import Box

Crop = Literal["joints", "whole"]
DecoderName = Literal["auto", "pyav", "decord"]


class BadVideo(PrepError):
    """One video cannot be used for its clip. The others go on and this one is listed."""


@dataclass(frozen=True)
class Video:
    """The video of one clip: a file, a member of a zip, or (several `sources`) the pictures of a folder in order."""

    sources: tuple[Source, ...]
    pictures: bool = False

    @property
    def stamp(self) -> str:
        """Changes when any of its files does."""
        return " ".join(f"{source.name} {source.stamp}" for source in self.sources)


@dataclass(frozen=True)
class ClipVideo:
    """A clip and its video. `start` and `stop` are the clip's frames in an untrimmed video, else -1: all of them.

    `recorded` is how many frames the skeleton has (-1: unknown), and `together` whether the video must have as many.
    `box` is the joints' box, or None; `shape` the picture's width : height that it was measured in, (0, 0) where any.
    """

    clip: int
    name: str
    video: Video
    start: int
    stop: int
    recorded: int
    box: Box | None
    together: bool = True
    shape: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Wanted:
    """How many frames of what size, cropped how, decoded by what."""

    frames: int
    size: int
    crop: Crop = "joints"
    decoder: DecoderName = "auto"


@dataclass(frozen=True)
class Answer:
    """Frames (T, size, size, 3) uint8, red first, or None and the reason; `notes` are oddities of a usable video.

    `counted` is how many frames the video has (-1 where it could not be told).
    """

    clip: int
    pictures: NDArray[np.uint8] | None
    reason: str = ""
    notes: tuple[str, ...] = ()
    counted: int = -1
