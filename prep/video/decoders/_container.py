"""A container opened with PyAV: its video stream, its index and its packets. Nothing is decoded here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from prep.errors import BadFile
from prep.untrusted.files import check_regular, load_bytes, load_head, location
from prep.video.decoders._limits import MAX_FRAMES, MAX_PIXELS, check_size
from prep.video.extras import import_extra
from prep.video.request import BadVideo, Video

# Playlists and the like would open other files, or the network.
CONTAINERS = "avi,mov,matroska,mpegts,mpeg,asf"
# The Segment element of Matroska begins within these bytes.
HEAD = 4096
SEGMENT_ID = b"\x18\x53\x80\x67"


@dataclass(frozen=True)
class OpenVideo:
    """An open container and its first video stream.

    `path` names the file in errors. `truncated` is True if the file is shorter than its header says.
    """

    container: Any
    stream: Any
    path: str
    truncated: bool

    @property
    def format(self) -> str:
        """The first of FFmpeg's names of the container: avi, mov, matroska."""
        return str(self.container.format.name).split(",")[0]

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, whichever library decodes it."""
        return str(self.stream.codec_context.codec.canonical_name)


@dataclass(frozen=True)
class PacketHeader:
    """One packet in file order: its PTS and DTS in ticks (None: unknown) and its flags."""

    pts: int | None
    dts: int | None
    keyframe: bool
    discarded: bool


@contextmanager
def open_video(video: Video) -> Iterator[OpenVideo]:
    """Open a video for one pass. Raises BadVideo if it is absent, not a video, or beyond the limits.

    Errors of FFmpeg inside the block become BadVideo too.
    """
    av = import_extra("av")
    # FFmpeg's log lines belong in no command's output.
    av.logging.set_level(av.logging.PANIC)
    source = video.sources[0]
    path = location(source)
    try:
        if not source.member:
            check_regular(source.path)
        # `skip_frame` keeps FFmpeg from decoding frames while it opens the file, which would take most of the time.
        options = {"skip_frame": "all", "format_whitelist": CONTAINERS, "max_pixels": str(MAX_PIXELS)}
        file = BytesIO(load_bytes(source)) if source.member else source.path
        with av.open(file, options=options, metadata_errors="replace") as container:
            size = _size_in_header(load_head(source, HEAD))
            opened = OpenVideo(container, _stream(container, path), path, container.size < size)
            if opened.truncated and opened.format == "matroska":
                # Its index does not list all frames, so that missing ones would not be noticed.
                raise BadVideo(f"{path}: has {container.size} bytes and announces {size}. Fetch it again.")
            yield opened
    except BadFile as error:
        raise BadVideo(str(error)) from error
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadVideo(f"{path}: cannot be read as a video ({reason}). Fetch it again.") from error


def _stream(container: Any, path: str) -> Any:
    cover = import_extra("av.stream").Disposition.attached_pic
    streams = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not streams:
        raise BadVideo(f"{path}: contains no video stream. Fetch it again, or check that it is the right file.")
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise BadVideo(f"{path}: FFmpeg does not know its codec. Convert it to H.264.")
    check_size(path, context.width, context.height)
    announced = max(len(stream.index_entries), stream.frames)
    if announced > MAX_FRAMES:
        rule = f"a video has at most {MAX_FRAMES}"
        raise BadVideo(f"{path}: announces {announced} frames, {rule}. Cut it, or leave it out.")
    context.thread_count = 1
    context.skip_frame = "DEFAULT"
    # "strict": an H.264 stream without a reordering depth is given the largest, so that no frame comes out too early.
    context.options = {"max_pixels": str(MAX_PIXELS)} | ({"strict": "strict"} if context.name == "h264" else {})
    return stream


def _size_in_header(head: bytes) -> int:
    """The file size in bytes according to the header of an AVI or Matroska file; 0 if it does not say."""
    if head.startswith(b"RIFF"):
        return 8 + int.from_bytes(head[4:8], "little")
    start = head.find(SEGMENT_ID) + len(SEGMENT_ID)
    width = 9 - head[start].bit_length() if len(SEGMENT_ID) <= start < len(head) else 9
    # RFC 8794, section 4: a leading bit marks the width of a size, and a size of all ones is unknown.
    unknown = (1 << 7 * width) - 1
    size = int.from_bytes(head[start : start + width], "big") & unknown
    return start + width + size if width <= 8 and size != unknown else 0


def index(video: OpenVideo) -> list[PacketHeader] | None:
    """The packets according to the index of the file, without PTS; None if there is no complete index.

    Raises BadVideo if the file ends before its last packet.
    """
    entries = list(video.stream.index_entries)
    if video.format not in ("avi", "mov") or not entries or len(entries) != video.stream.frames:
        return None
    if max(entry.pos + entry.size for entry in entries) > video.container.size:
        raise BadVideo(f"{video.path}: ends before the last of its {len(entries)} frames. Fetch it again.")
    return [PacketHeader(None, entry.timestamp, bool(entry.is_keyframe), bool(entry.is_discard)) for entry in entries]


def packets(video: OpenVideo) -> Iterator[Any]:
    """The packets of the video stream from the current position. Raises BadVideo at a truncated packet."""
    for packet in video.container.demux(video.stream):
        if packet.size:
            if packet.is_corrupt:
                raise BadVideo(f"{video.path}: a frame is truncated or damaged. Fetch it again.")
            yield packet


def check_packet_count(video: OpenVideo, indexed: int, count: int) -> None:
    """Raise BadVideo if the file has fewer packets than it announced; `indexed` are those of its index when opened."""
    # An AVI may announce frames that were never written, as a camera does when it drops frames.
    lost = video.truncated and count < video.stream.frames
    if count < indexed or lost or not count:
        announced = max(indexed, video.stream.frames)
        raise BadVideo(f"{video.path}: announces {announced} frames and holds {count}. Fetch it again.")
    if count > MAX_FRAMES:
        rule = f"a video has at most {MAX_FRAMES}"
        raise BadVideo(f"{video.path}: {count} frames, {rule}. Cut it, or leave it out.")
