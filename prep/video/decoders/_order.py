"""The packets of a video in presentation order, and its random access points."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from prep.video.decoders._container import OpenVideo, PacketHeader, check_packet_count, index, packets
from prep.video.decoders._h264 import PictureOrder, is_idr, nal_length_size

# Codecs with one frame per packet, whose keyframe flag in the container always marks a random access point.
RELIABLE_KEYFRAMES = ("mpeg4", "mjpeg", "vp9", "av1", "ffv1")


@dataclass(frozen=True)
class PacketOrder:
    """The packets of a video, numbered from 0 in file order, which is decoding order.

    timestamps: the timestamp of each packet by which the container seeks (DTS; PTS in Matroska).
    presentation: the packets in presentation order: frame i is in packet presentation[i]. Only meaningful if `known`.
    random_access: the random access points, at which decoding may begin; the first is 0.
    known: True if the presentation order is known before decoding. If not, frames are counted as the decoder returns
        them: from each random access point on in presentation order, one frame per packet.
    pts: the PTS of each packet if the container stores them, else empty.
    """

    timestamps: tuple[int | None, ...]
    presentation: tuple[int, ...]
    random_access: tuple[int, ...]
    known: bool
    pts: tuple[int, ...] = ()

    @cached_property
    def packet_at(self) -> dict[int | None, int]:
        """The packet with each timestamp."""
        return {timestamp: packet for packet, timestamp in enumerate(self.timestamps)}

    @cached_property
    def frame_of(self) -> dict[int, int]:
        """The frame in each packet, if the order is `known`."""
        return {packet: frame for frame, packet in enumerate(self.presentation)}

    def first_packet(self, frame: int) -> int:
        """The last random access point from which decoding reproduces this frame exactly."""
        packet = self.presentation[frame]
        point = bisect_right(self.random_access, packet) - 1
        # A frame presented before a random access point (a leading picture) may refer to frames before that point.
        while point and self.pts and self.pts[self.random_access[point]] > self.pts[packet]:
            point -= 1
        return self.random_access[point]

    def last_packet(self, frame: int) -> int:
        """The last packet that must be decoded for this frame."""
        if self.known:
            return self.presentation[frame]
        point = bisect_right(self.random_access, frame)
        end = self.random_access[point] if point < len(self.random_access) else len(self.presentation)
        return end - 1


def packet_headers(video: OpenVideo) -> list[PacketHeader]:
    """All packets according to the index, or by reading the file if it has none. Raises BadVideo."""
    indexed = index(video)
    if indexed is not None:
        return indexed
    entries = len(video.stream.index_entries)
    headers = [_header(packet) for packet in packets(video)]
    check_packet_count(video, entries, len(headers))
    return headers


def packet_order(video: OpenVideo) -> PacketOrder:
    """The packets of a video in presentation order. Raises BadVideo.

    An AVI has no PTS. If its codec does not reorder, each packet is the next frame. For H.264 the presentation order
    is read from slice headers. Frames of other codecs are counted as they are decoded.
    """
    context = video.stream.codec_context
    if video.format == "avi" and video.codec in RELIABLE_KEYFRAMES and not context.has_b_frames:
        headers = packet_headers(video)
        dts, keyframes = [header.dts for header in headers], [header.keyframe for header in headers]
        return _packet_order(headers, dts, list(range(len(headers))), keyframes)
    entries = len(video.stream.index_entries)
    picture_order = PictureOrder(supported=video.format == "avi" and video.codec == "h264")
    length_size = nal_length_size(context.extradata)
    headers, random_access = [], []
    for packet in packets(video):
        headers.append(_header(packet))
        random_access.append(_is_random_access(video.codec, packet, length_size))
        if picture_order.supported:
            picture_order.read(bytes(packet))
    check_packet_count(video, entries, len(headers))
    timestamps = [_timestamp(video, header.pts, header.dts) for header in headers]
    if picture_order.supported:
        return _packet_order(headers, timestamps, picture_order.presentation(), random_access)
    has_pts = video.format in ("mov", "matroska") and video.codec in (*RELIABLE_KEYFRAMES, "h264", "hevc")
    pts = [header.pts for header in headers if header.pts is not None] if has_pts else []
    if len(set(pts)) != len(headers):
        # Frames can be counted from a random access point only if it is an IDR picture.
        return _packet_order(headers, timestamps, None, random_access if video.codec == "h264" else [])
    shown = sorted((packet for packet, header in enumerate(headers) if not header.discarded), key=pts.__getitem__)
    return _packet_order(headers, timestamps, shown, random_access, tuple(pts))


def timestamp_of(video: OpenVideo, packet: Any) -> int | None:
    """The timestamp by which the container seeks this packet, one of `PacketOrder.timestamps`."""
    return _timestamp(video, packet.pts, packet.dts)


def _timestamp(video: OpenVideo, pts: int | None, dts: int | None) -> int | None:
    # Matroska stores PTS and no DTS; the PTS of an AVI are guesses of FFmpeg.
    return pts if video.format == "matroska" else dts


def _packet_order(
    headers: list[PacketHeader],
    timestamps: list[int | None],
    presentation: list[int] | None,
    random_access: list[bool],
    pts: tuple[int, ...] = (),
) -> PacketOrder:
    points = tuple(packet for packet, possible in enumerate(random_access) if possible and packet)
    if presentation is None:
        kept = sum(not header.discarded for header in headers)
        if kept < len(headers):
            points = ()
        return PacketOrder(tuple(timestamps), tuple(range(kept)), (0, *points), False, pts)
    return PacketOrder(tuple(timestamps), tuple(presentation), (0, *points), True, pts)


def _header(packet: Any) -> PacketHeader:
    return PacketHeader(packet.pts, packet.dts, bool(packet.is_keyframe), bool(packet.is_discard))


def _is_random_access(codec: str, packet: Any, length_size: int) -> bool:
    """Whether decoding may begin at this packet, whatever comes before it."""
    if not packet.is_keyframe:
        return False
    # A keyframe of H.264 may also begin an open group of pictures or a gradual refresh (recovery point SEI).
    return codec in RELIABLE_KEYFRAMES or (codec == "h264" and is_idr(bytes(packet), length_size))


def constant_frame_rate(times: list[int]) -> bool:
    """Whether frames at these times, in ticks, have equal durations up to the rounding to ticks.

    >>> constant_frame_rate([0, 33, 67, 100, 133]), constant_frame_rate([0, 33, 67, 133])
    (True, False)
    """
    durations = [after - before for before, after in pairwise(times)]
    median = sorted(durations)[len(durations) // 2] if durations else 0
    return all(abs(duration - median) <= max(1 if median > 5 else 0, median / 20) for duration in durations)
