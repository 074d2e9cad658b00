"""Pair clips with videos by file name, following the dataset's video layouts. Missing videos are listed, never guessed.

Files may lie in folders and zips of any depth, and the user may name a part of the dataset's folder (`view_1` alone).
So a layout's pattern is first matched with the path that begins with the named folder, then with the absolute path.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from manifests.dataset import ANY_VIDEO, VideoLayout
from manifests.facts import dataset, names
from prep.clip import Source
from prep.errors import PrepError
from prep.preprocessing.joints_box import Box
from prep.store.read import Store
from prep.untrusted.files import location, walk
from prep.untrusted.unread import VIDEO_SUFFIXES
from prep.video.request import BadVideo, ClipVideo, Video

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
# A longer path matches no layout: a long name in a hostile zip could make a regular expression take hours.
LONGEST_PATH = 1_000


@dataclass(frozen=True)
class Pairs:
    """Clips with their videos, in the order of the store.

    missing: names of clips without a video.
    bad: (clip name, reason) where the video of a clip is ambiguous or its frames are unknown, and (name, reason) of
        folders that cannot be entered and of zips that cannot be read.
    unused: number of videos that match a layout and belong to no clip of the store.
    unmatched: number of video files that match no layout.
    """

    clips: tuple[ClipVideo, ...]
    missing: tuple[str, ...]
    bad: tuple[tuple[str, str], ...]
    unused: int
    unmatched: int


@dataclass(frozen=True)
class _Dataset:
    layouts: tuple[VideoLayout, ...]
    untrimmed: bool


@dataclass(frozen=True)
class _Match:
    """A file that matches a layout: the name of its recording, and the number of the frame (-1: a whole video)."""

    layout: VideoLayout
    name: str
    frame: int


_Files = Mapping[str, list[tuple[_Match, Source]]]


@dataclass
class _Search:
    """The result of a search. `videos` maps a recording's name to its videos, by path of the file or image folder."""

    videos: dict[str, dict[str, list[tuple[_Match, Source]]]] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    unmatched: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def pair(store: Store, videos: Path) -> Pairs:
    """Find the videos below the folder (or in the zip) `videos` that belong to the clips of `store`.

    A clip with two videos is bad, and so is a clip of an untrimmed video whose frames are unknown. Raises PrepError if
    no file belongs to any clip.
    """
    data = _dataset(store)
    clips_of = _recordings(store, data)
    search = _search(videos, data.layouts, clips_of)
    if not search.videos:
        raise _nothing_found(store, videos, data, search)
    clips: dict[int, ClipVideo] = {}
    bad: dict[int, str] = {}
    for name, files in search.videos.items():
        for clip in clips_of[name]:
            try:
                clips[clip] = _clip(store, clip, files, data)
            except BadVideo as error:
                bad[clip] = str(error)
    return Pairs(
        clips=tuple(clips[clip] for clip in sorted(clips)),
        missing=tuple(name for clip, name in enumerate(store.names) if clip not in clips and clip not in bad),
        bad=(*((store.names[clip], bad[clip]) for clip in sorted(bad)), *search.refused),
        unused=len(search.unused),
        unmatched=search.unmatched,
    )


def _dataset(store: Store) -> _Dataset:
    name = store.info.dataset
    if name not in names("datasets"):
        return _Dataset(ANY_VIDEO, False)
    return _Dataset(dataset(name).videos, dataset(name).untrimmed)


def _recordings(store: Store, data: _Dataset) -> Mapping[str, Sequence[int]]:
    """The clips of each recording, in the order of the store."""
    clips_of: dict[str, list[int]] = {}
    for clip, name in enumerate(store.names):
        clips_of.setdefault(re.sub(r"_[0-9]+$", "", name) if data.untrimmed else name, []).append(clip)
    return clips_of


def _search(videos: Path, layouts: Sequence[VideoLayout], clips_of: Mapping[str, Sequence[int]]) -> _Search:
    patterns = [(layout, re.compile(layout.pattern)) for layout in layouts]
    has_images = any(layout.images for layout in layouts)
    suffixes = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES) if has_images else VIDEO_SUFFIXES
    search, parent = _Search(), len(os.path.dirname(os.path.abspath(videos)).rstrip("/")) + 1
    for source in walk(videos, suffixes, search.refused):
        path = _path(source)
        matches = _matches(path[parent:], patterns) or _matches(path, patterns)
        match = next((match for match in matches if match.name in clips_of), None)
        if match:
            search.videos.setdefault(match.name, {}).setdefault(_video_path(match, source), []).append((match, source))
        elif matches:
            search.unused.add(_video_path(matches[0], source))
        elif path.endswith(VIDEO_SUFFIXES):
            search.unmatched += 1
    return search


def _path(source: Source) -> str:
    """The absolute path as layouts expect it: a zip is a folder, the suffix is in lower case."""
    path = os.path.abspath(source.path)
    if source.member:
        path = f"{os.path.splitext(path)[0]}/{source.member}"
    stem, suffix = os.path.splitext(path)
    return stem + suffix.lower()


def _matches(path: str, patterns: Sequence[tuple[VideoLayout, re.Pattern[str]]]) -> list[_Match]:
    """Every layout that the path matches."""
    if len(path) > LONGEST_PATH:
        return []
    matches = [(layout, match) for layout, pattern in patterns if (match := pattern.fullmatch(path))]
    return [
        _Match(layout, layout.name.format(**match.groupdict()), int(match["frame"]) if layout.images else -1)
        for layout, match in matches
    ]


def _video_path(match: _Match, source: Source) -> str:
    """The path of the video: of the file, or of the folder of its images."""
    if match.frame < 0:
        return location(source)
    if source.member:
        return f"{source.path}: {PurePosixPath(source.member).parent}"
    return os.path.dirname(source.path)


def _video(files_at: _Files) -> tuple[VideoLayout, Video]:
    """The only video of a recording. Raises BadVideo if there are two, or two images with the same number."""
    if len(files_at) > 1:
        first, second, *others = sorted(files_at)
        more = f" and {len(others)} more" if others else ""
        raise BadVideo(f"{first} and {second}{more} are videos of the same name. Move all but one away.")
    files = next(iter(files_at.values()))
    layout = files[0][0].layout
    if not layout.images:
        return layout, Video((files[0][1],))
    images: dict[int, Source] = {}
    for match, source in files:
        other = images.setdefault(match.frame, source)
        if other is not source:
            both = f"{location(other)} and {location(source)}"
            raise BadVideo(f"{both} are both frame {match.frame}. Move one of them away.")
    return layout, Video(tuple(images[number] for number in sorted(images)), image_folder=True)


def _clip(store: Store, clip: int, files: _Files, data: _Dataset) -> ClipVideo:
    """A clip with the video of its recording. Raises BadVideo."""
    layout, video = _video(files)
    name, start, stop = store.names[clip], int(store.start[clip]), int(store.stop[clip])
    if data.untrimmed and start < 0:
        rule = f"the format `{store.info.file_format}` does not say which frames of the video {name} is"
        raise BadVideo(f"{location(video.sources[0])}: {rule}. Build the store from the raw files.")
    skeleton_frames = stop - start if start >= 0 else -1
    segment = (start, stop) if data.untrimmed else (-1, -1)
    return ClipVideo(clip, name, video, *segment, skeleton_frames, _box(store, clip), layout.synchronised, layout.shape)


def _box(store: Store, clip: int) -> Box | None:
    """The joints' box; None if it is unknown or empty."""
    left, top, right, bottom = store.box[clip].tolist()
    return (left, top, right, bottom) if 0 <= left < right <= 1 and 0 <= top < bottom <= 1 else None


def _nothing_found(store: Store, videos: Path, data: _Dataset, search: _Search) -> PrepError:
    if search.unused:
        rule = f"{len(search.unused)} videos, {min(search.unused)} for example, belong to no clip of {store.path}"
        return PrepError(
            f"{videos}: {rule}. Its clips have names like {store.names[0]}. Name the folder of their videos."
        )
    if search.refused:
        return PrepError("\n".join(reason for _, reason in search.refused))
    suffixes = Counter(_suffix(source) for source in walk(videos, ""))
    content = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(8)) or "nothing"
    rule = f"holds no video of {store.info.title}, as {'; '.join(layout.description for layout in data.layouts)}"
    return PrepError(f"{videos}: {rule}. It holds {content}. Name the folder of the videos.")


def _suffix(source: Source) -> str:
    return PurePosixPath(source.member or source.path).suffix.lower() or "without a suffix"
