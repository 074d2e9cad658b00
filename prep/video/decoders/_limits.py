"""What every decoder refuses: frame sizes, frame counts and requests out of range."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from prep.video.decoders._decoder import VideoInfo
from prep.video.request import BadVideo, Crop

# The widest video of any dataset here has 1920 pixels. A larger frame than this is an error or an attack.
MAX_SIDE, MAX_PIXELS = 16384, 100_000_000
# Ten hours at 30 frames per second.
MAX_FRAMES = 1_080_000


def check_size(path: str, width: int, height: int) -> None:
    """Raise BadVideo if no real frame has this size."""
    if width < 1 or height < 1:
        # FFmpeg reports 0 x 0 for sizes beyond its own limits too.
        rule = f"{width} x {height} pixels is not the size of an image"
        raise BadVideo(f"{path}: {rule}. Fetch it again.")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        rule = f"a frame has at most {MAX_SIDE} a side and {MAX_PIXELS} in all"
        raise BadVideo(f"{path}: {width} x {height} pixels, {rule}. Make it smaller, or leave it out.")


def check_request(path: str, info: VideoInfo, indexes: Sequence[int], crop: Crop | None) -> None:
    """Raise BadVideo unless the indexes ascend and lie in the video, and the crop lies in its frames."""
    if any(one > other for one, other in pairwise(indexes)):
        raise BadVideo(f"{path}: frames {list(indexes)} are requested, indexes must ascend. Sort them.")
    for index in (*indexes[:1], *indexes[-1:]):
        if not 0 <= index < info.frames:
            rule = f"its frames are 0 to {info.frames - 1}"
            raise BadVideo(f"{path}: frame {index} is requested, {rule}. Check that it is the video of this clip.")
    if crop is not None:
        left, top, right, bottom = crop
        if not (0 <= left < right <= info.width and 0 <= top < bottom <= info.height):
            rule = f"its frames have {info.width} x {info.height} pixels"
            raise BadVideo(f"{path}: the crop {crop} is requested, {rule}. Correct the crop.")
