"""FFmpeg through PyAV, the default: decodes from the last random access point before each requested frame.

The best choice for long videos with keyframes, for small crops of large frames (only the crop is converted to RGB) and
for H.264 in AVI, where unrequested non-reference frames are skipped. It reads every container that is supported here.
One thread per clip, because many workers decode side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from prep.video.decoders._container import OpenVideo, open_video, packets
from prep.video.decoders._crop import crop_frame
from prep.video.decoders._decoder import VideoInfo
from prep.video.decoders._limits import check_request
from prep.video.decoders._order import PacketOrder, packet_order, timestamp_of
from prep.video.decoders._probe import probe
from prep.video.extras import import_extra
from prep.video.request import BadVideo, Crop, Frame, Video

__all__ = ["frames", "probe"]


def frames(video: Video, indexes: Sequence[int], crop: Crop | None = None) -> list[Frame]:
    """The crop of each frame at `indexes`. Raises BadVideo, also if it yields fewer frames than announced."""
    with open_video(video) as file:
        order = packet_order(file)
        context = file.stream.codec_context
        info = VideoInfo(len(order.presentation), context.width, context.height, file.codec, 0, True)
        check_request(file.path, info, indexes, crop)
        requested = sorted(set(indexes))
        crops = _crops(file, order, requested, crop)
        if crops is None or (file.codec == "h264" and file.format == "avi" and len(crops) < len(requested)):
            crops = _crops(file, _decode_in_order(order), requested, crop)
    missing = [index for index in indexes if index not in (crops or {})]
    if crops is None or missing:
        rule = f"frame {missing[0]} of its {info.frames} frames cannot be decoded"
        raise BadVideo(f"{file.path}: {rule}. Fetch it again, or leave it out.")
    return [crops[index] for index in indexes]


@dataclass(frozen=True)
class PacketRange:
    """Packets `first` to `last`, decoded one after another for the requested `frames`."""

    first: int
    last: int
    frames: tuple[int, ...]


def packet_ranges(order: PacketOrder, requested: Sequence[int]) -> list[PacketRange]:
    """The packets to decode for these frames, in ascending order. A new range begins where packets can be skipped."""
    ranges: list[PacketRange] = []
    for frame in requested:
        first, last = order.first_packet(frame), order.last_packet(frame)
        if ranges and first <= ranges[-1].last + 1:
            previous = ranges[-1]
            ranges[-1] = PacketRange(previous.first, max(last, previous.last), (*previous.frames, frame))
        else:
            ranges.append(PacketRange(first, last, (frame,)))
    return ranges


def _decode_in_order(order: PacketOrder) -> PacketOrder:
    """The same video with every frame counted from the beginning."""
    return PacketOrder(order.timestamps, tuple(range(len(order.presentation))), (0,), False)


def _crops(file: OpenVideo, order: PacketOrder, requested: Sequence[int], crop: Crop | None) -> dict[int, Frame] | None:
    """The crops of the requested frames, as far as they can be decoded; None if the decoder contradicts `order`."""
    converter: Any = import_extra("av.video.reformatter").VideoReformatter()
    crops: dict[int, Frame] = {}
    size = (file.stream.codec_context.width, file.stream.codec_context.height)
    for span in packet_ranges(order, requested):
        previous = -1
        for index, frame in _decode(file, order, span):
            if index <= previous:
                return None
            previous = index
            if index in span.frames:
                if (frame.width, frame.height) != size:
                    rule = f"frame {index} has {frame.width} x {frame.height} pixels and not {size[0]} x {size[1]}"
                    raise BadVideo(f"{file.path}: {rule}. Convert it to one size.")
                crops[index] = crop_frame(frame, crop, converter)
            if index >= span.frames[-1]:
                break
    return crops


def _decode(file: OpenVideo, order: PacketOrder, span: PacketRange) -> Iterator[tuple[int, Any]]:
    """(index, av.VideoFrame) as the decoder returns them."""
    context = file.stream.codec_context
    requested = {order.presentation[frame] for frame in span.frames}
    may_skip = order.known and file.codec == "h264"
    count = span.first
    for number, packet in _packets_from(file, order, span.first):
        packet.pts = packet.dts = number
        if may_skip:
            # No other frame depends on a non-reference frame (nal_ref_idc 0).
            context.skip_frame = "DEFAULT" if number in requested else "NONREF"
        last = number == span.last
        for frame in (*context.decode(packet), *(context.decode(None) if last else ())):
            yield (order.frame_of.get(frame.pts, -1) if order.known else count), frame
            count += 1
        if last:
            break


def _packets_from(file: OpenVideo, order: PacketOrder, first: int) -> Iterator[tuple[int, Any]]:
    """(number, packet) from packet `first` on. Raises BadVideo if the file cannot be read from its beginning."""
    for target in (first, 0):
        file.container.seek(order.timestamps[target] or 0, stream=file.stream, backward=True)
        stream = packets(file)
        head = next(stream, None)
        number = None if head is None else order.packet_at.get(timestamp_of(file, head))
        if number is not None and number <= first:
            numbered = enumerate(chain([head], stream), number)
            yield from ((number, packet) for number, packet in numbered if number >= first)
            return
    raise BadVideo(f"{file.path}: cannot be read a second time from its beginning. Convert it to H.264 in mp4.")
