"""An opened video file and what its container says, nothing decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from prep.errors import BadFile
from prep.untrusted.files import load_bytes, load_head, location
from prep.video.decoders._limits import FRAMES, PIXELS, check_size
from prep.video.extras import extra
from prep.video.request import BadVideo, Video

# Playlists and the like would open other files, or the network.
FORMATS = "avi,mov,matroska,mpegts,mpeg,asf"
# Room for what lies before a segment.
HEAD = 4096
SEGMENT = b"\x18\x53\x80\x67"


@dataclass(frozen=True)
class Opened:
    """A container with its first moving picture. `where` names the file in errors.

    `ended` is whether the file ends before its own header says so.
    """

    container: Any
    stream: Any
    where: str
    ended: bool

    @property
    def format(self) -> str:
        """The first of FFmpeg's names of the container: avi, mov, matroska."""
        return str(self.container.format.name).split(",")[0]

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, whichever library decodes it."""
        return str(self.stream.codec_context.codec.canonical_name)


@dataclass(frozen=True)
class Entry:
    """One packet in the order of the file: its times in ticks (None: not said), whether it can be decoded alone."""

    shown: int | None
    decoded: int | None
    key: bool
    discarded: bool


@contextmanager
def opened(video: Video) -> Iterator[Opened]:
    """The video, to be read once. Raises BadVideo for what is absent, no video, or beyond the bounds.

    Any error of FFmpeg's inside the block becomes a BadVideo too.
    """
    av = extra("av")
    # FFmpeg's own lines belong to no command's output.
    av.logging.set_level(av.logging.PANIC)
    where = location(video.sources[0])
    try:
        # `skip_frame` keeps the first look from decoding pictures, which costs more than all the rest of it.
        options = {"skip_frame": "all", "format_whitelist": FORMATS, "max_pixels": str(PIXELS)}
        with av.open(_file(video), options=options, metadata_errors="replace") as container:
            size = _announced(load_head(video.sources[0], HEAD))
            found = Opened(container, _stream(container, where), where, container.size < size)
            if found.ended and found.format == "matroska":
                # It lists no frames that could be missed.
                raise BadVideo(f"{where}: has {container.size} bytes and announces {size}. Fetch it again.")
            yield found
    except BadFile as error:
        raise BadVideo(str(error)) from error
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadVideo(f"{where}: cannot be read as a video ({reason}). Fetch it again.") from error


def _file(video: Video) -> Any:
    source = video.sources[0]
    return BytesIO(load_bytes(source)) if source.member else source.path


def _stream(container: Any, where: str) -> Any:
    cover = extra("av.stream").Disposition.attached_pic
    moving = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not moving:
        raise BadVideo(f"{where}: has no moving picture. Fetch it again, or look whether it is the right file.")
    stream = moving[0]
    context = stream.codec_context
    if context is None:
        raise BadVideo(f"{where}: its codec is not known to FFmpeg. Convert it to H.264.")
    check_size(where, context.width, context.height)
    if max(len(stream.index_entries), stream.frames) > FRAMES:
        announced = max(len(stream.index_entries), stream.frames)
        raise BadVideo(f"{where}: announces {announced} frames, a video has at most {FRAMES}. Cut it, or leave it out.")
    context.thread_count = 1
    context.skip_frame = "DEFAULT"
    # Where a stream does not say how far it reorders, as far as it may: pictures come out in order, none is dropped.
    context.options = {"max_pixels": str(PIXELS)} | ({"strict": "strict"} if context.name == "h264" else {})
    return stream


def _announced(head: bytes) -> int:
    """How many bytes a file has that begins so, as far as an AVI or Matroska says it; else 0."""
    if head.startswith(b"RIFF"):
        return 8 + int.from_bytes(head[4:8], "little")
    at = head.find(SEGMENT) + len(SEGMENT)
    width = 9 - head[at].bit_length() if len(SEGMENT) <= at < len(head) else 9
    # RFC 8794, section 4: a size is led by a bit that tells its own length; all ones mean that it is not known.
    unknown = (1 << 7 * width) - 1
    stated = int.from_bytes(head[at : at + width], "big") & unknown
    return at + width + stated if width <= 8 and stated != unknown else 0


def indexed(video: Opened) -> list[Entry] | None:
    """The packets as the index of the file lists them, `shown` left out; None where there is no whole index.

    Raises BadVideo where the file ends before its last packet.
    """
    entries = list(video.stream.index_entries)
    if video.format not in ("avi", "mov") or not entries or len(entries) != video.stream.frames:
        return None
    if max(entry.pos + entry.size for entry in entries) > video.container.size:
        raise BadVideo(f"{video.where}: ends before the last of its {len(entries)} frames. Fetch it again.")
    return [Entry(None, e.timestamp, bool(e.is_keyframe), bool(e.is_discard)) for e in entries]


def packets(video: Opened) -> Iterator[Any]:
    """The packets of the moving picture from where the file stands. Raises BadVideo at one that is cut short."""
    for packet in video.container.demux(video.stream):
        if packet.size:
            if packet.is_corrupt:
                raise BadVideo(f"{video.where}: a frame is cut short or damaged. Fetch it again.")
            yield packet


def check_whole(video: Opened, listed: int, found: int) -> None:
    """Raises BadVideo where fewer packets were `found` than the file said; `listed` were in its index when opened."""
    # An AVI may announce frames that were never written, as where none came in time.
    lost = video.ended and found < video.stream.frames
    if found < listed or lost or not found:
        announced = max(listed, video.stream.frames)
        raise BadVideo(f"{video.where}: announces {announced} frames and holds {found}. Fetch it again.")
    if found > FRAMES:
        raise BadVideo(f"{video.where}: {found} frames, a video has at most {FRAMES}. Cut it, or leave it out.")
