"""What a video's container says of it."""

from __future__ import annotations

from prep.video.decoders._container import opened
from prep.video.decoders._decoder import Look
from prep.video.decoders._order import entries, steady
from prep.video.request import Video


def look(video: Video) -> Look:
    """What the container says, without decoding. Raises BadVideo."""
    with opened(video) as file:
        context = file.stream.codec_context
        found = [entry for entry in entries(file) if not entry.discarded]
        # An index says no times of display, and those of packets in an AVI are FFmpeg's guess.
        timed = file.format != "avi" and all(entry.shown is not None for entry in found)
        times = [entry.shown if timed else entry.decoded for entry in found]
        even = steady(sorted(time for time in times if time is not None))
        keys = sum(entry.key for entry in found)
        return Look(len(found), context.width, context.height, file.codec, keys, even)
