"""What every decoder refuses alike: numbers, windows and pictures beyond the bounds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from prep.video.decoders._decoder import Look, Window
from prep.video.request import BadVideo

# The widest video of any data set here is 1920 pixels. Larger than these is an error or an attack.
SIDE, PIXELS = 16384, 100_000_000
# Ten hours at 30 frames a second.
FRAMES = 1_080_000


def check_size(where: str, width: int, height: int) -> None:
    """Raises BadVideo unless pictures of this many pixels are believable."""
    if width < 1 or height < 1:
        # FFmpeg says 0 x 0 of sizes beyond its own bounds too.
        what = f"{width} x {height} pixels is no picture, or one of unbelievable size"
        raise BadVideo(f"{where}: {what}. Fetch it again.")
    if width > SIDE or height > SIDE or width * height > PIXELS:
        rule = f"a picture has at most {SIDE} a side and {PIXELS} in all"
        raise BadVideo(f"{where}: {width} x {height} pixels, {rule}. Make it smaller, or leave it out.")


def check_asked(where: str, look: Look, numbers: Sequence[int], window: Window | None) -> None:
    """Raises BadVideo unless the frames and the window lie in such a video, and the numbers rise."""
    if any(one > other for one, other in pairwise(numbers)):
        raise BadVideo(f"{where}: frames {list(numbers)} are asked for, numbers have to rise. Sort them.")
    for number in (*numbers[:1], *numbers[-1:]):
        if not 0 <= number < look.frames:
            rule = f"its frames are 0 to {look.frames - 1}"
            raise BadVideo(f"{where}: frame {number} is asked for, {rule}. Look whether it is the video of this clip.")
    if window is not None:
        left, top, right, bottom = window
        if not (0 <= left < right <= look.width and 0 <= top < bottom <= look.height):
            rule = f"a part of its pictures lies in {look.width} x {look.height} pixels"
            raise BadVideo(f"{where}: the window {window} is asked for, {rule}. Correct the window.")
