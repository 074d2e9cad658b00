"""A part of a decoded frame in red, green and blue, as cut out of the whole but without converting the whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from prep.video.decoders._decoder import Picture, Window

HALVED = ("yuv420p", "yuvj420p")


def cut(frame: Any, window: Window | None, converter: Any) -> Picture:
    """The window (h, w, 3) uint8 of an av.VideoFrame. `converter` is an av VideoReformatter, kept between frames."""
    if window is None:
        return _converted(frame, converter)
    left, top, right, bottom = window
    if frame.format.name not in HALVED or frame.width % 2 or frame.height % 2 or frame.interlaced_frame:
        # Where a value of chroma does not belong to one block of pixels, an edge depends on what is beyond it.
        return np.ascontiguousarray(_converted(frame, converter)[top:bottom, left:right])
    even = (left // 2 * 2, top // 2 * 2, (right + 1) // 2 * 2, (bottom + 1) // 2 * 2)
    whole = _converted(_part(frame, even), converter)
    return np.ascontiguousarray(whole[top - even[1] : bottom - even[1], left - even[0] : right - even[0]])


def _converted(frame: Any, converter: Any) -> Picture:
    picture: Picture = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return picture


def _part(frame: Any, even: Window) -> Any:
    left, top, right, bottom = even
    planes = []
    for plane, step in zip(frame.planes, (1, 2, 2), strict=True):
        lines = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, plane.line_size)
        planes.append(lines[top // step : bottom // step, left // step : right // step].ravel())
    joined = np.concatenate(planes).reshape(-1, right - left)
    part = type(frame).from_ndarray(joined, format=frame.format.name)
    # These say how to convert; without them a part would have other colours than the whole.
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    return part
