"""Decoders: frames of a video by number, exactly. One is a module of prep.video.decoders and has

look(video) -> Look                                      cheaply, without decoding. Raises BadVideo
frames(video, numbers, window) -> list of (h, w, 3)      uint8, red first: the frames of these numbers (rising, from 0,
                                                         may repeat), one for each, of which only the part `window`
                                                         (left, top, right, bottom in pixels) is needed; None: all
                                                         of it. Raises BadVideo

`video` is a prep.video.request.Video. Whoever needs frames calls `look(video)` and `frames(video, look, numbers,
window, name)` of this file, which choose the module. All find the same frames; their pixels are the same but where the
module says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from prep.video.request import DecoderName, Video

Window = tuple[int, int, int, int]
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What a container says of its video: nothing here is believed before frames are decoded.

    `frames` as the index or the packets count them; `keys` how many of them can be decoded alone; `steady` is whether
    every frame lasts as long as the next. `codec` is FFmpeg's name of it, and "images" for a folder of images.
    """

    frames: int
    width: int
    height: int
    codec: str
    keys: int
    steady: bool


class Decoder(Protocol):
    """What every module of prep.video.decoders offers."""

    def look(self, video: Video) -> Look:
        """What the container says. Raises BadVideo."""
        ...

    def frames(self, video: Video, numbers: Sequence[int], window: Window | None) -> list[Picture]:
        """The frames of these numbers. Raises BadVideo."""
        ...


def choose(look: Look, name: DecoderName = "auto") -> Decoder:
    """The module that decodes such a video: a pure rule of what its container says."""
    module = "image_folder" if look.codec == "images" else "pyav" if name == "auto" else name
    return cast(Decoder, importlib.import_module(f"prep.video.decoders.{module}"))


def look(video: Video) -> Look:
    """What the container, or the first picture, says of a video. Cheap: nothing is decoded. Raises BadVideo."""
    module = "image_folder" if video.pictures else "pyav"
    return cast(Decoder, importlib.import_module(f"prep.video.decoders.{module}")).look(video)


def frames(
    video: Video, look: Look, numbers: Sequence[int], window: Window | None = None, name: DecoderName = "auto"
) -> list[Picture]:
    """The frames of these numbers (rising, may repeat), one (h, w, 3) uint8 array, red first, for each.

    Only the part `window` is cut out of each, exactly as it would be cut out of the whole frame. Raises BadVideo when
    the file cannot be decoded that far, or changed since it was looked at.
    """
    return choose(look, name).frames(video, numbers, window)
