"""FFmpeg through decord, on one thread: seeks by itself, converts whole frames.

The same pixels as PyAV's, but for interlaced pictures, whose colours its older FFmpeg does not take field by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from prep.clip import BadFile
from prep.outside.sources import load_bytes, place
from prep.video.decoder import Picture, Window
from prep.video.decoders._asked import check_asked
from prep.video.decoders._container import opened
from prep.video.decoders._library import library
from prep.video.decoders._look import described, look
from prep.video.request import BadVideo, Video

__all__ = ["frames", "look"]
# In MPEG streams decord shows other frames than those asked for, under a warning.
EXACT = ("avi", "mov", "matroska", "asf")


def frames(video: Video, numbers: Sequence[int], window: Window | None = None) -> list[Picture]:
    """The window of each of these frames. Raises BadVideo, also where decord counts other frames than the container."""
    source = video.sources[0]
    where = place(source)
    # decord opens whatever its FFmpeg knows, at any size.
    with opened(video) as file:
        seen = described(file)
        if file.format not in EXACT:
            raise BadVideo(f"{where}: decord does not find the frames of {file.format} exactly. Decode it with pyav.")
    check_asked(where, seen, numbers, window)
    decord = library("decord")
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(BytesIO(load_bytes(source)) if source.member else source.path, num_threads=1)
        if len(reader) != seen.frames:
            what = f"decord counts {len(reader)} frames, the container {seen.frames}"
            raise BadVideo(f"{where}: {what}. Decode it with pyav, or fetch it again.")
        # One at a time: whole frames of a clip are a hundred times its windows.
        cuts = {number: _cut(reader.get_batch([number]).asnumpy()[0], window) for number in sorted(set(numbers))}
    except BadFile as error:
        raise BadVideo(str(error)) from error
    except (decord.DECORDError, decord.DECORDLimitReachedError, RuntimeError, IndexError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise BadVideo(
            f"{where}: decord cannot decode it ({reason}). Decode it with pyav, or fetch it again."
        ) from error
    return [cuts[number] for number in numbers]


def _cut(whole: Picture, window: Window | None) -> Picture:
    if window is None:
        return whole
    left, top, right, bottom = window
    return np.ascontiguousarray(whole[top:bottom, left:right])
