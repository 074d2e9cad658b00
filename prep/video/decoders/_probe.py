"""Properties of a video according to its container."""

from __future__ import annotations

from prep.video.decoders._container import open_video
from prep.video.decoders._decoder import VideoInfo
from prep.video.decoders._order import constant_frame_rate, packet_headers
from prep.video.decoders._orientation import AS_STORED, orientation_of
from prep.video.extras import import_extra
from prep.video.request import Video

# The containers that may have a display matrix.
TURNED = ("mov", "matroska")


def probe(video: Video) -> VideoInfo:
    """Properties of a video; at most its first frame is decoded. Raises BadVideo."""
    with open_video(video) as file:
        context = file.stream.codec_context
        headers = [header for header in packet_headers(file) if not header.discarded]
        # An index has no PTS, and in an AVI FFmpeg guesses them.
        has_pts = file.format != "avi" and all(header.pts is not None for header in headers)
        times = [header.pts if has_pts else header.dts for header in headers]
        constant = constant_frame_rate(sorted(time for time in times if time is not None))
        keyframes = sum(header.keyframe for header in headers)
        width, height, codec, turned = context.width, context.height, file.codec, file.format in TURNED
    orientation = _orientation(video) if turned else AS_STORED
    return VideoInfo(len(headers), width, height, codec, keyframes, constant, orientation)


def _orientation(video: Video) -> int:
    """The orientation of the first frame: FFmpeg shows the display matrix with decoded frames only. Raises BadVideo."""
    av = import_extra("av")
    matrix = import_extra("av.sidedata.sidedata").Type.DISPLAYMATRIX
    with open_video(video) as file:
        try:
            first = next(file.container.decode(file.stream), None)
        except av.FFmpegError:
            return AS_STORED  # `frames` says which frame is damaged, if it is needed
        found = first.side_data.get(matrix) if first is not None else None
        return AS_STORED if found is None else orientation_of(bytes(found), file.path)
