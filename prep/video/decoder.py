"""Decoders: frames of a video by number, exactly. One is a module of prep.video.decoders and has

look(source) -> Look                                     cheaply, without decoding. Raises BadVideo
frames(source, numbers, window) -> list of (h, w, 3)     the frames of these numbers, rising, from 0, of which only
                                                         the part `window` (left, top, right, bottom in pixels)
                                                         is needed; None: all of it. Raises BadVideo
"""

from __future__ import annotations

from dataclasses import dataclass

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Look:
    """What a container says of its video: nothing here is believed before frames are decoded.

    `frames` as the index or the packets count them; `keys` how many of them can be decoded alone; `steady` is whether
    every frame lasts as long as the next.
    """

    frames: int
    width: int
    height: int
    codec: str
    keys: int
    steady: bool
