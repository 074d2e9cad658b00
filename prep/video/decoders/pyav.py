"""FFmpeg through PyAV: decodes from the last place before a wanted frame where decoding may begin, and no more.

One thread: many of these decode side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from prep.video.decoders._container import Opened, opened, packets
from prep.video.decoders._crop import cut
from prep.video.decoders._decoder import Look, Picture, Window
from prep.video.decoders._limits import check_asked
from prep.video.decoders._order import Order, mark_of, order
from prep.video.decoders._probe import look
from prep.video.extras import extra
from prep.video.request import BadVideo, Video

__all__ = ["frames", "look"]


def frames(video: Video, numbers: Sequence[int], window: Window | None = None) -> list[Picture]:
    """The window of each of these frames. Raises BadVideo, also where decoding yields fewer than the file says."""
    with opened(video) as file:
        found = order(file)
        context = file.stream.codec_context
        size = Look(len(found.shown), context.width, context.height, file.codec, 0, True)
        check_asked(file.where, size, numbers, window)
        cuts = _cuts(file, found, sorted(set(numbers)), window)
        if cuts is None or (file.codec == "h264" and file.format == "avi" and len(cuts) < len(set(numbers))):
            cuts = _cuts(file, _counted(found), sorted(set(numbers)), window)
    missing = [number for number in numbers if number not in (cuts or {})]
    if cuts is None or missing:
        what = f"of its {size.frames} frames number {missing[0]} cannot be decoded"
        raise BadVideo(f"{file.where}: {what}. Fetch it again, or leave it out.")
    return [cuts[number] for number in numbers]


@dataclass(frozen=True)
class Run:
    """Frames that are decoded in one go: packets `first` to `last`."""

    first: int
    last: int
    frames: tuple[int, ...]


def runs(order: Order, wanted: Sequence[int]) -> list[Run]:
    """What to decode for these frames, rising. A new run begins only where packets can be left out before it."""
    made: list[Run] = []
    for frame in wanted:
        first, last = order.start(frame), order.end(frame)
        if made and first <= made[-1].last + 1:
            made[-1] = Run(made[-1].first, max(last, made[-1].last), (*made[-1].frames, frame))
        else:
            made.append(Run(first, last, (frame,)))
    return made


def _counted(order: Order) -> Order:
    """The same video, every frame counted from the beginning."""
    return Order(order.marks, tuple(range(len(order.shown))), (0,), False)


def _cuts(file: Opened, order: Order, wanted: Sequence[int], window: Window | None) -> dict[int, Picture] | None:
    """The windows of those of the frames that could be decoded; None when they come in another order than foretold."""
    converter: Any = extra("av.video.reformatter").VideoReformatter()
    made: dict[int, Picture] = {}
    size = (file.stream.codec_context.width, file.stream.codec_context.height)
    for run in runs(order, wanted):
        before = -1
        for number, frame in _decoded(file, order, run):
            if number <= before:
                return None
            before = number
            if number in run.frames:
                if (frame.width, frame.height) != size:
                    what = f"frame {number} has {frame.width} x {frame.height} pixels and not {size[0]} x {size[1]}"
                    raise BadVideo(f"{file.where}: {what}. Convert it to one size.")
                made[number] = cut(frame, window, converter)
            if number >= run.frames[-1]:
                break
    return made


def _decoded(file: Opened, order: Order, run: Run) -> Iterator[tuple[int, Any]]:
    """(number, frame) as they come out of the decoder."""
    context = file.stream.codec_context
    wanted = {order.shown[frame] for frame in run.frames}
    passing = order.known and file.codec == "h264"
    count = run.first
    for number, packet in _from(file, order, run.first):
        packet.pts = packet.dts = number
        if passing:
            # What no other picture refers to need not be decoded to decode the others.
            context.skip_frame = "DEFAULT" if number in wanted else "NONREF"
        last = number == run.last
        for frame in (*context.decode(packet), *(context.decode(None) if last else ())):
            yield (order.frames.get(frame.pts, -1) if order.known else count), frame
            count += 1
        if last:
            break


def _from(file: Opened, order: Order, first: int) -> Iterator[tuple[int, Any]]:
    """(number, packet) from packet `first` on. Raises BadVideo where the file cannot be read from its beginning."""
    for start in (first, 0):
        file.container.seek(order.marks[start] or 0, stream=file.stream, backward=True)
        stream = packets(file)
        head = next(stream, None)
        place = None if head is None else order.packets.get(mark_of(file, head))
        if place is not None and place <= first:
            yield from (
                (number, packet) for number, packet in enumerate(chain([head], stream), place) if number >= first
            )
            return
    raise BadVideo(f"{file.where}: cannot be read a second time from its beginning. Convert it to H.264 in mp4.")
