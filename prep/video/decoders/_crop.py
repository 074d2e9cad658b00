"""Crop a decoded frame and convert the crop to RGB, which is cheaper than converting the frame and cropping it."""

from __future__ import annotations

from typing import Any

import numpy as np

from prep.video.request import Crop, Frame

CHROMA_420 = ("yuv420p", "yuvj420p")


def crop_frame(frame: Any, crop: Crop | None, converter: Any) -> Frame:
    """A crop (h, w, 3) uint8 RGB of an av.VideoFrame. `converter` is an av VideoReformatter, reused between frames."""
    if crop is None:
        return _to_rgb(frame, converter)
    left, top, right, bottom = crop
    if frame.format.name not in CHROMA_420 or frame.width % 2 or frame.height % 2 or frame.interlaced_frame:
        # Where a chroma sample is not that of one 2 x 2 block, pixels at an edge depend on pixels beyond it.
        return np.ascontiguousarray(_to_rgb(frame, converter)[top:bottom, left:right])
    even = (left // 2 * 2, top // 2 * 2, (right + 1) // 2 * 2, (bottom + 1) // 2 * 2)
    rgb = _to_rgb(_crop_planes(frame, even), converter)
    return np.ascontiguousarray(rgb[top - even[1] : bottom - even[1], left - even[0] : right - even[0]])


def _to_rgb(frame: Any, converter: Any) -> Frame:
    rgb: Frame = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return rgb


def _crop_planes(frame: Any, even: Crop) -> Any:
    """A crop with even sides as an av.VideoFrame of the same pixel format."""
    left, top, right, bottom = even
    planes = []
    for plane, step in zip(frame.planes, (1, 2, 2), strict=True):
        lines = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, plane.line_size)
        planes.append(lines[top // step : bottom // step, left // step : right // step].ravel())
    joined = np.concatenate(planes).reshape(-1, right - left)
    part = type(frame).from_ndarray(joined, format=frame.format.name)
    # The conversion to RGB depends on both; without them the crop would have other colours than the frame.
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    return part
