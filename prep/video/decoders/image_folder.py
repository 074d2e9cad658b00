"""A folder of JPEG or PNG images, one per frame, in order. Decoded with Pillow, which rejects damaged images."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO

import numpy as np

from prep.clip import Source
from prep.errors import BadFile
from prep.untrusted.files import load_bytes, location
from prep.video.decoders._decoder import VideoInfo
from prep.video.decoders._limits import check_request, check_size
from prep.video.decoders._orientation import AS_STORED
from prep.video.extras import import_extra
from prep.video.request import BadVideo, Crop, Frame, Video

PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
JPEG, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
ORIENTATION = 0x0112  # tag of Exif
# What Pillow raises for damaged files.
DAMAGED = (OSError, SyntaxError, ValueError, struct.error)
# Start-of-frame markers of JPEG (ITU-T T.81, table B.1): C0 to CF without DHT, JPG and DAC.
START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def probe(video: Video) -> VideoInfo:
    """Properties according to the header of the first image; the others are checked when decoded. Raises BadVideo."""
    if not video.sources:
        raise BadVideo("a folder without images is not a video. Fetch it again.")
    first = video.sources[0]
    data, path = _bytes(first), location(first)
    width, height = size_of(data, path)
    count = len(video.sources)
    return VideoInfo(count, width, height, "images", count, True, _orientation(data, path))


def frames(video: Video, indexes: Sequence[int], crop: Crop | None = None) -> list[Frame]:
    """The crop of each image, as stored. Raises BadVideo if one has another size or orientation than the first."""
    info = probe(video)
    check_request(location(video.sources[0]), info, indexes, crop)
    crops = {index: _crop(video.sources[index], info, crop) for index in sorted(set(indexes))}
    return [crops[index] for index in indexes]


def size_of(data: bytes, path: str) -> tuple[int, int]:
    """Width and height in the header of a JPEG or PNG. Raises BadVideo if it is neither, truncated or too large."""
    if data.startswith(PNG) and len(data) >= 24:
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
        complete = PNG_END in data[-64:]
    elif data.startswith(JPEG):
        width, height = _jpeg_size(data)
        # Some cameras pad the file with zeros.
        complete = data.rstrip(b"\0").endswith(JPEG_END)
    else:
        raise BadVideo(f"{path}: is neither JPEG nor PNG. Fetch it again.")
    if not complete:
        raise BadVideo(f"{path}: the image is truncated. Fetch it again.")
    check_size(path, width, height)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height in the frame header; (0, 0) if there is none."""
    position = 2
    while position + 9 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker in START_OF_FRAME:
            width, height = data[position + 7 : position + 9], data[position + 5 : position + 7]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        # A marker may be preceded by any number of fill bytes FF.
        position += 1 if marker == 0xFF else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0, 0


def _crop(source: Source, info: VideoInfo, crop: Crop | None) -> Frame:
    pillow, path, data = import_extra("PIL.Image"), location(source), _bytes(source)
    size = size_of(data, path)
    if size != (info.width, info.height):
        rule = f"the first of its folder has {info.width} x {info.height}"
        raise BadVideo(f"{path}: {size[0]} x {size[1]} pixels, {rule}. Make them one size.")
    if _orientation(data, path) != info.orientation:
        raise BadVideo(f"{path}: has another Exif orientation than the first of its folder. Turn them alike.")
    try:
        with pillow.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
            mode = image.mode
            frame = np.asarray(image.convert("RGB"))
    except (*DAMAGED, pillow.DecompressionBombError) as error:
        raise BadVideo(f"{path}: the image is damaged ({error}). Fetch it again.") from error
    if mode.startswith(("I", "F")):
        raise BadVideo(f"{path}: has more than 8 bits per channel. Convert it to 8.")
    if frame.shape != (info.height, info.width, 3):
        raise BadVideo(f"{path}: the image is damaged. Fetch it again.")
    left, top, right, bottom = crop or (0, 0, info.width, info.height)
    return np.ascontiguousarray(frame[top:bottom, left:right])


def _orientation(data: bytes, path: str) -> int:
    """The Exif orientation of an image, 1 without one. Raises BadVideo."""
    pillow = import_extra("PIL.Image")
    try:
        with pillow.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
            orientation = image.getexif().get(ORIENTATION, AS_STORED)
    except (*DAMAGED, pillow.DecompressionBombError) as error:
        raise BadVideo(f"{path}: the image is damaged ({error}). Fetch it again.") from error
    # Readers of Exif data take an orientation that does not exist as none.
    return orientation if orientation in range(1, 9) else AS_STORED


def _bytes(source: Source) -> bytes:
    try:
        return load_bytes(source)
    except BadFile as error:
        raise BadVideo(str(error)) from error
