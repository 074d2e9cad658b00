"""FFmpeg through decord, on one thread. It converts whole frames, and seeks only where it does so exactly.

The same pixels as PyAV's, but for interlaced pictures, whose colours its older FFmpeg does not take field by field, and
for Windows Media, which that decodes one or two steps of brightness apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from prep.errors import BadFile
from prep.untrusted.files import load_bytes, location
from prep.video.decoders._container import opened
from prep.video.decoders._decoder import Look, Picture, Window
from prep.video.decoders._limits import check_asked
from prep.video.decoders._order import order
from prep.video.decoders._probe import look
from prep.video.extras import extra
from prep.video.request import BadVideo, Video

__all__ = ["frames", "look"]
# Nothing in these refers to a picture shown later.
ALONE = ("mjpeg", "vp8", "vp9", "ffv1")
# In MPEG streams decord shows other frames than those asked for, under a warning.
EXACT = ("avi", "mov", "matroska", "asf")


def frames(video: Video, numbers: Sequence[int], window: Window | None = None) -> list[Picture]:
    """The window of each of these frames. Raises BadVideo, also where decord counts other frames than the container."""
    source = video.sources[0]
    where = location(source)
    # decord opens whatever its FFmpeg knows, at any size.
    seen = look(video)
    check_asked(where, seen, numbers, window)
    leaps = _leaps(video, seen)
    decord = extra("decord")
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(BytesIO(load_bytes(source)) if source.member else source.path, num_threads=1)
        if len(reader) != seen.frames:
            what = f"decord counts {len(reader)} frames, the container {seen.frames}"
            raise BadVideo(f"{where}: {what}. Decode it with pyav, or fetch it again.")
        wanted = sorted(set(numbers))
        cuts = {}
        for number in wanted if leaps else range(wanted[-1] + 1 if wanted else 0):
            # One at a time: whole frames of a clip are a hundred times its windows.
            whole = reader.get_batch([number]) if leaps else reader.next()
            if number in wanted:
                cuts[number] = _cut(whole.asnumpy().reshape(whole.shape[-3:]), window)
    except BadFile as error:
        raise BadVideo(str(error)) from error
    except (decord.DECORDError, decord.DECORDLimitReachedError, RuntimeError, IndexError, StopIteration) as error:
        reason = (str(error).strip().splitlines() or ["it ends early"])[-1]
        raise BadVideo(
            f"{where}: decord cannot decode it ({reason}). Decode it with pyav, or fetch it again."
        ) from error
    return [cuts[number] for number in numbers]


def _leaps(video: Video, seen: Look) -> bool:
    """Whether decord may leave frames out and still shows those asked for; else it is made to show every one.

    Where pictures are reordered and times of display or groups are not plain, it shows a neighbour without a word.
    Raises BadVideo for containers in which it shows other frames even so.
    """
    with opened(video) as file:
        if file.format not in EXACT:
            what = f"decord does not find the frames of {file.format} exactly"
            raise BadVideo(f"{file.where}: {what}. Decode it with pyav.")
        if file.codec == "h264" and file.format != "avi":
            return len(order(file).starts) == seen.keys
        return file.codec in ALONE or (file.codec == "mpeg4" and not file.stream.codec_context.has_b_frames)


def _cut(whole: Picture, window: Window | None) -> Picture:
    if window is None:
        return whole
    left, top, right, bottom = window
    return np.ascontiguousarray(whole[top:bottom, left:right])
