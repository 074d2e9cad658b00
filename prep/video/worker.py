"""One clip's frames as an encoder wants them: what a video worker does."""

from __future__ import annotations

from prep.errors import BadFile
from prep.untrusted.files import location
from prep.video.decoders._decoder import Look, Window, frames, look
from prep.video.request import Answer, BadVideo, ClipVideo, Video, Wanted
from prep.video.sampling import spread
from prep.video.window import around, centre, fit, inside

# Width : height of two pictures may differ by this much: videos are resized to whole and even sides.
ALIKE = 0.02
NO_BOX = "no joints known in the picture: whole frame"
UNSTEADY = "frames last unequally long: taken by number, not by time"


def answer(clip: ClipVideo, wanted: Wanted) -> Answer:
    """The frames of one clip, in the centres of equal parts of its own frames, or the reason why there are none.

    Raises PrepError only where not the video is at fault, as when a decoder is not installed.
    """
    counted = -1
    try:
        seen = look(clip.video)
        counted = seen.frames
        start, stop = _frames(clip, seen)
        window, notes = _window(clip, wanted, seen)
        shown = inside(window, seen.width, seen.height)
        found = frames(clip.video, seen, spread(start, stop, wanted.frames), shown, wanted.decoder)
        size = (shown[3] - shown[1], shown[2] - shown[0], 3)
        for picture in found:
            if picture.shape != size:
                what = f"a frame is not of {seen.width} x {seen.height} pixels, as its first lines say"
                raise BadVideo(f"{_place(clip.video)}: {what}. Fetch it again.")
        pictures = fit(found, window, wanted.size, seen.width, seen.height)
    except (BadVideo, BadFile) as error:
        return Answer(clip.clip, None, str(error), counted=counted)
    return Answer(clip.clip, pictures, notes=(*_oddities(clip, seen), *notes), counted=counted)


def _frames(clip: ClipVideo, seen: Look) -> tuple[int, int]:
    """The clip's frames start : stop in its video. Raises BadVideo."""
    where = _place(clip.video)
    if seen.frames < 1 or seen.width < 1 or seen.height < 1:
        raise BadVideo(f"{where}: {seen.frames} frames of {seen.width} x {seen.height} pixels. Fetch it again.")
    if clip.start < 0:
        return 0, seen.frames
    if clip.stop > seen.frames:
        rule = f"{clip.name} is frames {clip.start} to {clip.stop - 1}, and there are {seen.frames}"
        raise BadVideo(f"{where}: {rule}. Fetch it again, or look whether it is the video of this clip.")
    if clip.stop <= clip.start:
        raise BadVideo(f"{where}: {clip.name} is frames {clip.start} : {clip.stop}, which is none. Correct the labels.")
    return clip.start, clip.stop


def _window(clip: ClipVideo, wanted: Wanted, seen: Look) -> tuple[Window, list[str]]:
    """The square that is shown, and what is odd about it."""
    if wanted.crop == "whole":
        return centre(seen.width, seen.height), []
    if clip.box is None:
        return centre(seen.width, seen.height), [NO_BOX]
    across, down = clip.shape
    odd = bool(down) and abs(seen.width * down / (seen.height * across) - 1) > ALIKE
    what = f"the picture is {seen.width} x {seen.height}, the joints are known in one of {across} : {down}"
    return around(clip.box, seen.width, seen.height), [what] if odd else []


def _oddities(clip: ClipVideo, seen: Look) -> list[str]:
    """What is odd about a video that can be used."""
    compared = clip.together and clip.start < 0 and clip.recorded >= 0
    notes = []
    if compared and clip.recorded != seen.frames:
        notes.append(f"the video has {seen.frames} frames, the skeleton {clip.recorded}")
    if not seen.steady:
        notes.append(UNSTEADY)
    return notes


def _place(video: Video) -> str:
    first = location(video.sources[0])
    return f"{first} and the pictures beside it" if video.pictures else first
