"""FFmpeg through decord (`--decoder decord`), on one thread. It converts whole frames and seeks only if that is exact.

The better choice to reproduce results of projects that decode with decord, and for comparison with PyAV: it is a second
implementation, and slower here. The pixels are those of PyAV but for two exceptions: its older FFmpeg does not convert
the chroma of interlaced frames field by field, and decodes Windows Media Video one or two intensity levels apart.

OpenCV is no decoder here, since it neither counts nor seeks exactly in all containers; it is the better choice for
resizing (prep/video/crop.py) and for writing the demo's videos, and the tests compare frames with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from prep.errors import BadFile
from prep.untrusted.files import load_bytes, location
from prep.video.decoders._container import open_video
from prep.video.decoders._decoder import VideoInfo
from prep.video.decoders._limits import check_request
from prep.video.decoders._order import packet_order
from prep.video.decoders._orientation import AS_STORED
from prep.video.decoders._probe import probe
from prep.video.extras import import_extra
from prep.video.request import BadVideo, Crop, Frame, Video

__all__ = ["frames", "probe"]
# Codecs without B-frames: no frame refers to one that is presented later.
NO_REORDERING = ("mjpeg", "vp8", "vp9", "ffv1")
# In MPEG streams decord returns other frames than those requested, with no more than a warning.
EXACT_CONTAINERS = ("avi", "mov", "matroska", "asf")


def frames(video: Video, indexes: Sequence[int], crop: Crop | None = None) -> list[Frame]:
    """The crop of each frame at `indexes`. Raises BadVideo, also if decord and the container count different frames."""
    source = video.sources[0]
    path = location(source)
    # decord itself opens every format of its FFmpeg, of any size.
    info = probe(video)
    check_request(path, info, indexes, crop)
    if info.orientation != AS_STORED:
        raise BadVideo(f"{path}: its frames are turned for display, which decord does in its own way. Use pyav.")
    exact = _seeks_exactly(video, info)
    decord = import_extra("decord")
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(BytesIO(load_bytes(source)) if source.member else source.path, num_threads=1)
        if len(reader) != info.frames:
            rule = f"decord counts {len(reader)} frames, the container {info.frames}"
            raise BadVideo(f"{path}: {rule}. Decode it with pyav, or fetch it again.")
        requested = sorted(set(indexes))
        crops = {}
        for index in requested if exact else range(requested[-1] + 1 if requested else 0):
            # One at a time: the whole frames of a clip take a hundred times the memory of its crops.
            frame = reader.get_batch([index]) if exact else reader.next()
            if index in requested:
                crops[index] = _crop(frame.asnumpy().reshape(frame.shape[-3:]), crop)
    except BadFile as error:
        raise BadVideo(str(error)) from error
    except (decord.DECORDError, decord.DECORDLimitReachedError, RuntimeError, IndexError, StopIteration) as error:
        reason = (str(error).strip().splitlines() or ["it ends early"])[-1]
        raise BadVideo(
            f"{path}: decord cannot decode it ({reason}). Decode it with pyav, or fetch it again."
        ) from error
    return [crops[index] for index in indexes]


def _seeks_exactly(video: Video, info: VideoInfo) -> bool:
    """True if decord seeks exactly in this file; otherwise frames are decoded sequentially.

    After a seek among reordered frames decord may silently return a neighbouring frame. Raises BadVideo for containers
    in which it is not exact at all.
    """
    with open_video(video) as file:
        if file.format not in EXACT_CONTAINERS:
            rule = f"decord does not find the frames of {file.format} exactly"
            raise BadVideo(f"{file.path}: {rule}. Decode it with pyav.")
        if file.codec == "h264" and file.format != "avi":
            return len(packet_order(file).random_access) == info.keyframes
        return file.codec in NO_REORDERING or (file.codec == "mpeg4" and not file.stream.codec_context.has_b_frames)


def _crop(frame: Frame, crop: Crop | None) -> Frame:
    if crop is None:
        return frame
    left, top, right, bottom = crop
    return np.ascontiguousarray(frame[top:bottom, left:right])
