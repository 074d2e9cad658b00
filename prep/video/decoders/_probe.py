"""Properties of a video according to its container."""

from __future__ import annotations

from prep.video.decoders._container import open_video
from prep.video.decoders._decoder import VideoInfo
from prep.video.decoders._order import constant_frame_rate, packet_headers
from prep.video.request import Video


def probe(video: Video) -> VideoInfo:
    """Properties of a video, without decoding. Raises BadVideo."""
    with open_video(video) as file:
        context = file.stream.codec_context
        headers = [header for header in packet_headers(file) if not header.discarded]
        # An index has no PTS, and in an AVI FFmpeg guesses them.
        has_pts = file.format != "avi" and all(header.pts is not None for header in headers)
        times = [header.pts if has_pts else header.dts for header in headers]
        constant = constant_frame_rate(sorted(time for time in times if time is not None))
        keyframes = sum(header.keyframe for header in headers)
        return VideoInfo(len(headers), context.width, context.height, file.codec, keyframes, constant)
