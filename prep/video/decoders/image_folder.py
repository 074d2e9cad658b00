"""A folder of JPEG or PNG pictures, one a frame, in order."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO

import numpy as np

from prep.clip import Source
from prep.errors import BadFile
from prep.untrusted.files import load_bytes, location
from prep.video.decoders._decoder import Look, Picture, Window
from prep.video.decoders._limits import check_asked, check_size
from prep.video.extras import extra
from prep.video.request import BadVideo, Video

PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
JPEG, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
# What Pillow raises of damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, struct.error)
# Starts of frames of a JPEG (ITU-T T.81, table B.1): all of C0 to CF but three that announce tables.
FRAME_STARTS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def look(video: Video) -> Look:
    """What the first picture's first bytes say; the others' when they are decoded. Raises BadVideo."""
    if not video.sources:
        raise BadVideo("a folder without pictures is no video. Fetch it again.")
    first = video.sources[0]
    width, height = size_of(_bytes(first), location(first))
    count = len(video.sources)
    return Look(count, width, height, "images", count, True)


def frames(video: Video, numbers: Sequence[int], window: Window | None = None) -> list[Picture]:
    """The window of each of these pictures, turned as it is stored. Raises BadVideo where one has another size."""
    seen = look(video)
    check_asked(location(video.sources[0]), seen, numbers, window)
    cuts = {number: _picture(video.sources[number], seen, window) for number in sorted(set(numbers))}
    return [cuts[number] for number in numbers]


def size_of(data: bytes, where: str) -> tuple[int, int]:
    """Width and height as a JPEG or PNG announces them. Raises BadVideo where it is neither, cut short or too large."""
    if data.startswith(PNG) and len(data) >= 24:
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        whole = PNG_END in data[-64:]
    elif data.startswith(JPEG):
        width, height = _jpeg(data)
        # Some cameras fill the file up with zeros.
        whole = data.rstrip(b"\0").endswith(JPEG_END)
    else:
        raise BadVideo(f"{where}: is neither JPEG nor PNG. Fetch it again.")
    if not whole:
        raise BadVideo(f"{where}: the picture is cut short. Fetch it again.")
    check_size(where, width, height)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    """Width and height in the header of its frame; (0, 0) where there is none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind in FRAME_STARTS:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        # A byte FF may be repeated before a marker.
        at += 1 if kind == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0


def _picture(source: Source, seen: Look, window: Window | None) -> Picture:
    image, where, data = extra("PIL.Image"), location(source), _bytes(source)
    size = size_of(data, where)
    if size != (seen.width, seen.height):
        rule = f"the first of its folder has {seen.width} x {seen.height}"
        raise BadVideo(f"{where}: {size[0]} x {size[1]} pixels, {rule}. Make them one size.")
    try:
        with image.open(BytesIO(data), formats=("JPEG", "PNG")) as held:
            mode = held.mode
            # A turn noted beside the picture would move the joints' place in it, and is not followed.
            whole = np.asarray(held.convert("RGB"))
    except (*DAMAGED, image.DecompressionBombError) as error:
        raise BadVideo(f"{where}: the picture is damaged ({error}). Fetch it again.") from error
    if mode.startswith(("I", "F")):
        raise BadVideo(f"{where}: has more than 8 bits a colour. Convert it to 8.")
    if whole.shape != (seen.height, seen.width, 3):
        raise BadVideo(f"{where}: the picture is damaged. Fetch it again.")
    left, top, right, bottom = window or (0, 0, seen.width, seen.height)
    return np.ascontiguousarray(whole[top:bottom, left:right])


def _bytes(source: Source) -> bytes:
    try:
        return load_bytes(source)
    except BadFile as error:
        raise BadVideo(str(error)) from error
