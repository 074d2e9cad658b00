"""Which video belongs to which clip: by name, as the data set's layouts say. What is missing is listed, not guessed.

Files lie in folders and zips of any depth, and the folder may be the whole or a part of it (`view_1` alone): a layout
is held against the path that begins with the folder's own name, then against the whole path.
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
from prep.video.request import BadVideo, ClipVideo, Video

VIDEOS = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv")
PICTURES = (".jpg", ".jpeg", ".png")
# A longer path fits no layout: a name in a hostile zip must not keep a regular expression busy.
LONGEST = 1_000


@dataclass(frozen=True)
class Pairs:
    """Clips with their videos, in the order of the store.

    `missing` are the names of clips without a video, `bad` (name, reason) of those whose video cannot be told. `unused`
    is how many videos fit a layout and belong to no clip of the store, `unmatched` how many fit none.
    """

    clips: tuple[ClipVideo, ...]
    missing: tuple[str, ...]
    bad: tuple[tuple[str, str], ...]
    unused: int
    unmatched: int


@dataclass(frozen=True)
class _Facts:
    """What is known of a data set's videos."""

    layouts: tuple[VideoLayout, ...]
    untrimmed: bool


@dataclass(frozen=True)
class _Fit:
    """A file that fits a layout: the recording's name, and the number of the frame (-1: a whole video)."""

    layout: VideoLayout
    name: str
    frame: int


@dataclass
class _Seen:
    """The files so far: those of each recording by their place (a file, or a folder of pictures), and the others."""

    videos: dict[str, dict[str, list[tuple[_Fit, Source]]]] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    unmatched: int = 0


def pair(store: Store, videos: Path) -> Pairs:
    """The videos below the folder (or in the zip) `videos`, and the clips of `store` to which they belong.

    A clip with two videos is bad, and so is one whose place in an untrimmed video is not known. Raises PrepError when
    no file belongs to any clip.
    """
    facts = _facts(store)
    clips_of = _recordings(store, facts)
    seen = _sorted_out(videos, facts.layouts, clips_of)
    if not seen.videos:
        raise _nothing(store, videos, facts, seen)
    clips: dict[int, ClipVideo] = {}
    bad: dict[int, str] = {}
    for name, found in seen.videos.items():
        for clip in clips_of[name]:
            try:
                clips[clip] = _clip(store, clip, found, facts)
            except BadVideo as error:
                bad[clip] = str(error)
    return Pairs(
        tuple(clips[clip] for clip in sorted(clips)),
        tuple(name for clip, name in enumerate(store.names) if clip not in clips and clip not in bad),
        tuple((store.names[clip], bad[clip]) for clip in sorted(bad)),
        len(seen.unused),
        seen.unmatched,
    )


def _facts(store: Store) -> _Facts:
    name = store.info.dataset
    if name not in names("datasets"):
        return _Facts(ANY_VIDEO, False)
    return _Facts(dataset(name).videos, dataset(name).untrimmed)


def _recordings(store: Store, facts: _Facts) -> Mapping[str, Sequence[int]]:
    """The clips of each recording, in the order of the store."""
    found: dict[str, list[int]] = {}
    for clip, name in enumerate(store.names):
        found.setdefault(re.sub(r"_[0-9]+$", "", name) if facts.untrimmed else name, []).append(clip)
    return found


def _sorted_out(videos: Path, layouts: Sequence[VideoLayout], clips_of: Mapping[str, Sequence[int]]) -> _Seen:
    patterns = [(layout, re.compile(layout.pattern)) for layout in layouts]
    endings = (*VIDEOS, *PICTURES) if any(layout.images for layout in layouts) else VIDEOS
    seen, above = _Seen(), len(os.path.dirname(os.path.abspath(videos)).rstrip("/")) + 1
    for source in walk(videos, (*endings, *(ending.upper() for ending in endings))):
        path = _path(source)
        fits = _fits(path[above:], patterns) or _fits(path, patterns)
        fit = next((fit for fit in fits if fit.name in clips_of), None)
        if fit:
            seen.videos.setdefault(fit.name, {}).setdefault(_where(fit, source), []).append((fit, source))
        elif fits:
            seen.unused.add(_where(fits[0], source))
        elif path.endswith(VIDEOS):
            seen.unmatched += 1
    return seen


def _path(source: Source) -> str:
    """The whole path as layouts want it: zips are folders, the ending is in lower case."""
    path = os.path.abspath(source.path)
    if source.member:
        path = f"{path.removesuffix('.zip')}/{source.member}"
    stem, ending = os.path.splitext(path)
    return stem + ending.lower()


def _fits(path: str, patterns: Sequence[tuple[VideoLayout, re.Pattern[str]]]) -> list[_Fit]:
    """Every layout that the path fits."""
    if len(path) > LONGEST:
        return []
    matches = [(layout, match) for layout, pattern in patterns if (match := pattern.fullmatch(path))]
    return [
        _Fit(layout, layout.name.format(**match.groupdict()), int(match["frame"]) if layout.images else -1)
        for layout, match in matches
    ]


def _where(fit: _Fit, source: Source) -> str:
    """The video's place: the file, or the folder of the pictures."""
    if fit.frame < 0:
        return location(source)
    if source.member:
        return f"{source.path}: {PurePosixPath(source.member).parent}"
    return os.path.dirname(source.path)


def _video(places: Mapping[str, list[tuple[_Fit, Source]]]) -> tuple[VideoLayout, Video]:
    """The one video of a recording. Raises BadVideo where there are two, or two pictures of one number."""
    if len(places) > 1:
        first, second, *others = sorted(places)
        more = f" and {len(others)} more" if others else ""
        raise BadVideo(f"{first} and {second}{more} are videos of one name. Leave one of them there.")
    files = next(iter(places.values()))
    layout = files[0][0].layout
    if not layout.images:
        return layout, Video((files[0][1],))
    frames: dict[int, Source] = {}
    for fit, source in files:
        other = frames.setdefault(fit.frame, source)
        if other is not source:
            raise BadVideo(f"{location(other)} and {location(source)} are both frame {fit.frame}. Move one of them away.")
    return layout, Video(tuple(frames[number] for number in sorted(frames)), pictures=True)


def _clip(store: Store, clip: int, found: Mapping[str, list[tuple[_Fit, Source]]], facts: _Facts) -> ClipVideo:
    """A clip with the video of its recording. Raises BadVideo."""
    layout, video = _video(found)
    name, start, stop = store.names[clip], int(store.start[clip]), int(store.stop[clip])
    if facts.untrimmed and start < 0:
        rule = f"which of its frames {name} is, the form `{store.info.form}` does not say"
        raise BadVideo(f"{location(video.sources[0])}: {rule}. Build the store from the raw files.")
    recorded = stop - start if start >= 0 else -1
    own = (start, stop) if facts.untrimmed else (-1, -1)
    return ClipVideo(clip, name, video, *own, recorded, _box(store, clip), layout.synchronised, layout.shape)


def _box(store: Store, clip: int) -> Box | None:
    """The joints' box; None where nothing is known, or it has no extent."""
    left, top, right, bottom = store.box[clip].tolist()
    return (left, top, right, bottom) if 0 <= left < right <= 1 and 0 <= top < bottom <= 1 else None


def _nothing(store: Store, videos: Path, facts: _Facts, seen: _Seen) -> PrepError:
    """Why there is no video of any clip."""
    if seen.unused:
        rule = f"{len(seen.unused)} videos, {min(seen.unused)} for example, belong to no clip of {store.path}"
        return PrepError(f"{videos}: {rule}. Its clips are called like {store.names[0]}. Name their folder.")
    endings = Counter(_ending(source) for source in walk(videos, "") if not source.member.endswith("/"))
    there = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(8)) or "nothing"
    rule = f"holds no video of {store.info.title}, as {'; '.join(layout.description for layout in facts.layouts)}"
    return PrepError(f"{videos}: {rule}. There is {there}. Name their folder.")


def _ending(source: Source) -> str:
    return PurePosixPath(source.member or source.path).suffix.lower() or "without an ending"
