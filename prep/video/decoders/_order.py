"""Which packet holds which frame of a video, and where decoding may begin."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from prep.video.decoders._container import Entry, Opened, check_whole, indexed, packets
from prep.video.decoders._h264 import Reader, instant, size_of_lengths

# One packet is one picture, and the container's word that it can be decoded alone may be believed.
PLAIN = ("mpeg4", "mjpeg", "vp9", "av1", "ffv1")


@dataclass(frozen=True)
class Order:
    """The packets of a video, counted from 0 as they lie in the file.

    `marks` are their times, rising as the container orders them for seeking; `starts` the packets at which decoding
    may begin, 0 the first. Where `known`, `shown` are the packets in the order of their frames; else each start's
    frames come out of the decoder in order, and as many of them as there are packets.
    """

    marks: tuple[int | None, ...]
    shown: tuple[int, ...]
    starts: tuple[int, ...]
    known: bool
    times: tuple[int, ...] = ()

    @cached_property
    def packets(self) -> dict[int | None, int]:
        """The packet of each mark."""
        return {mark: packet for packet, mark in enumerate(self.marks)}

    @cached_property
    def frames(self) -> dict[int, int]:
        """The frame of each packet, where `known`."""
        return {packet: frame for frame, packet in enumerate(self.shown)}

    def start(self, frame: int) -> int:
        """The last packet from which decoding reaches this frame exactly."""
        packet = self.shown[frame]
        at = bisect_right(self.starts, packet) - 1
        # What is shown before a start may refer to what lies before it.
        while at and self.times and self.times[self.starts[at]] > self.times[packet]:
            at -= 1
        return self.starts[at]

    def end(self, frame: int) -> int:
        """The last packet that is needed for this frame."""
        if self.known:
            return self.shown[frame]
        at = bisect_right(self.starts, frame)
        return (self.starts[at] if at < len(self.starts) else len(self.shown)) - 1


def entries(video: Opened) -> list[Entry]:
    """What the index says of all packets, or else the packets themselves. Raises BadVideo."""
    listed = indexed(video)
    if listed is not None:
        return listed
    before = len(video.stream.index_entries)
    found = [_entry(packet) for packet in packets(video)]
    check_whole(video, before, len(found))
    return found


def order(video: Opened) -> Order:
    """Which packet is which frame. Raises BadVideo.

    An AVI says no times of display. Where its pictures are not reordered each packet is the next frame; H.264 says
    the order in the headers of its pictures, and the frames of anything else are counted as they are decoded.
    """
    context = video.stream.codec_context
    if video.format == "avi" and video.codec in PLAIN and not context.has_b_frames:
        found = entries(video)
        return _order(found, [e.decoded for e in found], list(range(len(found))), [e.key for e in found])
    before = len(video.stream.index_entries)
    found, alone, reader = [], [], Reader(usual=video.format == "avi" and video.codec == "h264")
    length = size_of_lengths(context.extradata)
    for packet in packets(video):
        found.append(_entry(packet))
        alone.append(_alone(video.codec, packet, length))
        if reader.usual:
            reader.read(bytes(packet))
    check_whole(video, before, len(found))
    marks = [_mark(video, entry.shown, entry.decoded) for entry in found]
    if reader.usual:
        return _order(found, marks, reader.order(), alone)
    timed = video.format in ("mov", "matroska") and video.codec in (*PLAIN, "h264", "hevc")
    times = [entry.shown for entry in found if entry.shown is not None] if timed else []
    if len(set(times)) != len(found):
        # Only H.264 says of a picture that nothing after it refers to what lies before it.
        return _order(found, marks, None, alone if video.codec == "h264" else [])
    shown = sorted((i for i, entry in enumerate(found) if not entry.discarded), key=times.__getitem__)
    return _order(found, marks, shown, alone, tuple(times))


def mark_of(video: Opened, packet: Any) -> int | None:
    """The time by which a packet is known, one of an order's `marks`."""
    return _mark(video, packet.pts, packet.dts)


def _mark(video: Opened, shown: int | None, decoded: int | None) -> int | None:
    # Matroska says when pictures are shown and not when they are decoded; times of display in an AVI are a guess.
    return shown if video.format == "matroska" else decoded


def _order(
    found: list[Entry],
    marks: list[int | None],
    shown: list[int] | None,
    alone: list[bool],
    times: tuple[int, ...] = (),
) -> Order:
    starts = tuple(i for i, key in enumerate(alone) if key and i)
    if shown is None and any(entry.discarded for entry in found):
        starts = ()
    frames = tuple(range(sum(not entry.discarded for entry in found))) if shown is None else tuple(shown)
    return Order(tuple(marks), frames, (0, *starts), shown is not None, times)


def _entry(packet: Any) -> Entry:
    return Entry(packet.pts, packet.dts, bool(packet.is_keyframe), bool(packet.is_discard))


def _alone(codec: str, packet: Any, length: int) -> bool:
    """Whether decoding may begin here, whatever comes before."""
    if not packet.is_keyframe:
        return False
    # A key frame of H.264 may be one of an open group, or the first of several that refresh the picture by parts.
    return codec in PLAIN or (codec == "h264" and instant(bytes(packet), length))


def steady(times: list[int]) -> bool:
    """Whether frames shown at these times, in ticks, last equally long, as far as ticks can tell.

    >>> steady([0, 33, 67, 100, 133]), steady([0, 33, 67, 133])
    (True, False)
    """
    gaps = [after - before for before, after in pairwise(times)]
    usual = sorted(gaps)[len(gaps) // 2] if gaps else 0
    return all(abs(gap - usual) <= max(1 if usual > 5 else 0, usual / 20) for gap in gaps)
