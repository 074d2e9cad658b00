"""Decode one clip: its frames as an encoder takes them. This is the task of a worker process."""

from __future__ import annotations

from prep.errors import BadFile
from prep.untrusted.files import location
from prep.video.crop import centre_crop, clip_to_frame, crop_around, pad_and_resize
from prep.video.decoders._decoder import VideoInfo, frames, probe
from prep.video.request import BadVideo, ClipVideo, Crop, DecodedClip, FrameRequest, Video
from prep.video.sampling import segment_centres

# Relative difference between two aspect ratios that counts as equal: videos are resized to whole and even sides.
ASPECT_TOLERANCE = 0.02
# These texts are part of stored embeddings and of their digests.
NO_BOX = "no joints known in the picture: whole frame"
VARIABLE_FRAME_RATE = "variable frame rate: frames are taken by index"


def decode_clip(clip: ClipVideo, request: FrameRequest) -> DecodedClip:
    """Decode, crop and resize the requested frames of one clip, or return the reason why it cannot be done.

    Raises PrepError only for errors that are not the video's, for example a decoder that is not installed.
    """
    frame_count = -1
    try:
        info = probe(clip.video)
        frame_count = info.frames
        start, stop = _frame_range(clip, info)
        crop, notes = _crop(clip, request, info)
        inner = clip_to_frame(crop, info.width, info.height)
        indexes = segment_centres(start, stop, request.frames)
        cropped = frames(clip.video, info, indexes, inner, request.decoder)
        expected = (inner[3] - inner[1], inner[2] - inner[0], 3)
        if any(frame.shape != expected for frame in cropped):
            rule = f"a frame is not of {info.width} x {info.height} pixels, as its header says"
            raise BadVideo(f"{_location(clip.video)}: {rule}. Fetch it again.")
        resized = pad_and_resize(cropped, crop, request.size, info.width, info.height)
    except (BadVideo, BadFile) as error:
        return DecodedClip(clip.clip, None, str(error), frame_count=frame_count)
    return DecodedClip(clip.clip, resized, notes=(*_notes(clip, info), *notes), frame_count=frame_count)


def _frame_range(clip: ClipVideo, info: VideoInfo) -> tuple[int, int]:
    """The frames start : stop of the clip in its video. Raises BadVideo."""
    path = _location(clip.video)
    if info.frames < 1 or info.width < 1 or info.height < 1:
        raise BadVideo(f"{path}: {info.frames} frames of {info.width} x {info.height} pixels. Fetch it again.")
    if clip.start < 0:
        return 0, info.frames
    if clip.stop > info.frames:
        rule = f"{clip.name} is frames {clip.start} to {clip.stop - 1}, and the video has {info.frames}"
        raise BadVideo(f"{path}: {rule}. Fetch it again, or check that it is the video of this clip.")
    if clip.stop <= clip.start:
        raise BadVideo(f"{path}: {clip.name} is frames {clip.start} : {clip.stop}, which is none. Correct the labels.")
    return clip.start, clip.stop


def _crop(clip: ClipVideo, request: FrameRequest, info: VideoInfo) -> tuple[Crop, list[str]]:
    """The square crop of a clip, and notes about it."""
    if request.crop == "whole":
        return centre_crop(info.width, info.height), []
    if clip.box is None:
        return centre_crop(info.width, info.height), [NO_BOX]
    width, height = clip.shape
    differs = bool(height) and abs(info.width * height / (info.height * width) - 1) > ASPECT_TOLERANCE
    note = f"the picture is {info.width} x {info.height}, the joints are known in one of {width} : {height}"
    return crop_around(clip.box, info.width, info.height), [note] if differs else []


def _notes(clip: ClipVideo, info: VideoInfo) -> list[str]:
    """Remarks on a usable video."""
    comparable = clip.synchronised and clip.start < 0 and clip.skeleton_frames >= 0
    notes = []
    if comparable and clip.skeleton_frames != info.frames:
        notes.append(f"the video has {info.frames} frames, the skeleton {clip.skeleton_frames}")
    if not info.constant_frame_rate:
        notes.append(VARIABLE_FRAME_RATE)
    return notes


def _location(video: Video) -> str:
    first = location(video.sources[0])
    return f"{first} and the other images of its folder" if video.image_folder else first
