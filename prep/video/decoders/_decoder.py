"""The interface of video decoders: exact frames by index. A decoder is a module of prep.video.decoders with

probe(video) -> VideoInfo
    Properties of the video, without decoding. Raises BadVideo.
frames(video, indexes, crop) -> list of (h, w, 3) uint8 RGB
    One frame per index. Indexes count from 0, ascend and may repeat. `crop` (left, top, right, bottom in pixels) is the
    only part that is needed; None: the whole frame. Raises BadVideo.

`video` is a prep.video.request.Video. Callers use `probe(video)` and `frames(video, info, indexes, crop, name)` of this
file, which choose the module and turn the frames as the file says: callers have the displayed image, its size and its
crop, modules the stored one. All decoders return the same frames, with the same pixels unless the module's docstring
states a difference.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from prep.video.decoders._orientation import displayed_size, stored_crop, turn
from prep.video.request import Crop, DecoderName, Frame, Video


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video according to its container. They are not verified before frames are decoded.

    frames: number of frames according to the index or the packets.
    codec: FFmpeg's name of the codec; "images" for a folder of images.
    keyframes: number of packets that the container marks as keyframes.
    constant_frame_rate: True if all frames have the same duration.
    orientation: how stored frames are turned for display, 1 to 8 as in Exif (_orientation.py).
    """

    frames: int
    width: int
    height: int
    codec: str
    keyframes: int
    constant_frame_rate: bool
    orientation: int = 1


class Decoder(Protocol):
    """The functions of every module of prep.video.decoders."""

    def probe(self, video: Video) -> VideoInfo:
        """Properties of the video, without decoding. Raises BadVideo."""
        ...

    def frames(self, video: Video, indexes: Sequence[int], crop: Crop | None) -> list[Frame]:
        """The frames at these indexes. Raises BadVideo."""
        ...


def choose(info: VideoInfo, name: DecoderName = "auto") -> Decoder:
    """The decoder for a video. It depends on nothing but the arguments."""
    module = "image_folder" if info.codec == "images" else "pyav" if name == "auto" else name
    return cast(Decoder, importlib.import_module(f"prep.video.decoders.{module}"))


def probe(video: Video) -> VideoInfo:
    """Properties of a video according to its container or its first image, without decoding. Raises BadVideo."""
    module = "image_folder" if video.image_folder else "pyav"
    info = cast(Decoder, importlib.import_module(f"prep.video.decoders.{module}")).probe(video)
    width, height = displayed_size(info.orientation, info.width, info.height)
    return replace(info, width=width, height=height)


def frames(
    video: Video, info: VideoInfo, indexes: Sequence[int], crop: Crop | None = None, name: DecoderName = "auto"
) -> list[Frame]:
    """The frames at `indexes` (ascending, may repeat), each (h, w, 3) uint8 RGB.

    The pixels of a crop are those of the whole frame. Raises BadVideo if the file cannot be decoded that far, or was
    changed since `probe`.
    """
    stored = crop and stored_crop(info.orientation, crop, info.width, info.height)
    return [turn(frame, info.orientation) for frame in choose(info, name).frames(video, indexes, stored)]
