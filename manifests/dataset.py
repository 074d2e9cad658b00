"""A dataset: its classes, the pattern of its clip names, its licence, and how to get it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Literal

from manifests.layout import Layout
from manifests.rules import groups, require, unique
from manifests.strict import hint


@dataclass(frozen=True)
class VideoLayout:
    """The file names of a dataset's videos.

    pattern: regular expression for a path below the folder of the videos. Parts of the path are separated by /, a zip
        counts as a folder without its .zip, and the file's extension is in lower case.
    description: the same for people, for example "CLIP_rgb.avi".
    name: how the recording's name is made from the groups of `pattern`, for example "{name}".
    images: True if a video is a folder of images; `pattern` then fits one image, and the number in its group `frame`
        gives the order.
    synchronised: True if frame i of the video is frame i of the skeleton as released, so that both have equally many.
    shape: width : height of the image to which the joints' image coordinates refer; (0, 0) where it does not matter.
    """

    pattern: str
    description: str
    name: str = "{name}"
    images: bool = False
    synchronised: bool = True
    shape: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        available = groups(self.pattern)
        for field in re.findall(r"\{(\w*)\}", self.name):
            require(field in available, f"pattern `{self.pattern}` has no group (?P<{field}>...), which `name` needs")
        require("frame" in available or not self.images, f"pattern `{self.pattern}` has no group (?P<frame>...)")
        unknown, positive = self.shape == (0, 0), min(self.shape) > 0
        require(unknown or positive, f"shape is {self.shape}; it must be two numbers above 0, or [0, 0]")
        require(bool(self.description), f"description is empty; write what a file of `{self.pattern}` is called")


_VIDEO, _IMAGE = r"\.(?:avi|mp4|mkv|webm|mov)", r"/(?:[^/]*[^0-9/])?(?P<frame>\d{1,9})[^0-9/]*\.(?:jpg|jpeg|png)"
_IN_FOLDER = r"(?:.*/)?(?P<folder>[^/]+)/(?P<stem>[^/]+?)"
# For custom datasets. A clip in a class's folder is named <class>-<file> (manifests/custom.py).
ANY_VIDEO = (
    VideoLayout(r"(?:.*/)?(?P<name>[^/]+?)(?:_rgb)?" + _VIDEO, "CLIP.mp4 or CLIP_rgb.avi"),
    VideoLayout(r"(?:.*/)?(?P<name>[^/]+)" + _VIDEO, "CLIP.mkv, .mov or .webm"),
    VideoLayout(_IN_FOLDER + "(?:_rgb)?" + _VIDEO, "FOLDER/FILE.mp4 of the clip FOLDER-FILE", "{folder}-{stem}"),
    VideoLayout(r"(?:.*/)?(?P<name>[^/]+)" + _IMAGE, "CLIP/FRAME.jpg or .png", images=True),
    VideoLayout(_IN_FOLDER + _IMAGE, "FOLDER/FILE/FRAME.jpg of the clip FOLDER-FILE", "{folder}-{stem}", images=True),
)


@dataclass(frozen=True)
class Dataset:
    """One dataset. A label is a 0-based class number.

    classes, actions: the name of each label, and its number in file names (default: 1, 2, 3, ...).
    layout: the name of its skeleton layout, or `custom_layout`, a layout that does not ship.
    readers: its file formats, modules of prep.readers, or of prep.importers where it has no raw format.
    preprocessing: the default pipeline; `preprocessings` lists all that apply.
    bodies: the most bodies that a store keeps; a pipeline may keep fewer.
    fps: frames per second.
    pattern: regular expression for a clip's name, with any of the groups `action`, `subject`, `camera`, `setup`,
        `repetition`.
    labels: where a label is found, in the group `action` ("name") or in the files ("files").
    missing: name of the list of clips without a skeleton ("" for none); `known_bad` lists (name, reason) of clips that
        are wrong as released.
    unverified: what could not be checked on original files.
    videos: file names of the paired videos.
    image_joints: source of the joints' image coordinates: the skeleton file ("file"), the joints themselves ("joints"),
        the projection of a Kinect v2 ("kinect_v2"), or none.
    untrimmed: True if a recording holds several clips, named after it with the suffixes `_001`, `_002`, ...
    joint_order: the layout's joint at each position of the files, -1 for one that is not used; empty where the files
        have the layout's order.
    """

    name: str
    title: str
    layout: str
    readers: tuple[str, ...]
    preprocessing: str
    preprocessings: tuple[str, ...]
    classes: tuple[str, ...]
    bodies: int
    fps: float
    unit: str
    pattern: str
    licence: str
    redistribution: bool
    obtain: str
    source: str
    labels: Literal["name", "files"] = "name"
    missing: str = ""
    known_bad: tuple[tuple[str, str], ...] = ()
    unverified: str = ""
    actions: tuple[int, ...] = ()
    custom_layout: Layout | None = None
    videos: tuple[VideoLayout, ...] = ANY_VIDEO
    image_joints: Literal["file", "joints", "kinect_v2", "none"] = "none"
    untrimmed: bool = False
    joint_order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.actions:
            # A frozen field whose default depends on another field can be set in no other way.
            object.__setattr__(self, "actions", tuple(range(1, len(self.classes) + 1)))
        require(len(self.classes) > 0, "a dataset needs at least one class")
        unique("classes", self.classes)
        unique("actions", self.actions)
        unique("preprocessings", self.preprocessings)
        count = f"{len(self.actions)} actions for {len(self.classes)} classes"
        require(len(self.actions) == len(self.classes), f"{count}; there must be one number for each class")
        near = hint(self.preprocessing, self.preprocessings)
        rule = f"preprocessing `{self.preprocessing}` is not in preprocessings. {near}"
        require(self.preprocessing in self.preprocessings, rule)
        require(self.bodies >= 1, f"bodies is {self.bodies}; it must be at least 1")
        require(isfinite(self.fps) and self.fps > 0, f"fps is {self.fps}; it must be a number above 0")
        unique("readers", self.readers)
        require(len(self.readers) > 0, "readers is empty; name at least one module of prep.readers")
        labelled = "action" in groups(self.pattern)
        require(labelled or self.labels == "files", f"pattern `{self.pattern}` has no group (?P<action>...)")

    @cached_property
    def _labels(self) -> dict[str | int, int]:
        numbers: dict[str | int, int] = {number: label for label, number in enumerate(self.actions)}
        return numbers | {name: label for label, name in enumerate(self.classes)}

    def label_of(self, word: str) -> int | None:
        """The label of a class that is given by its name or by its number in `actions`; None if there is no such class.

        A name comes first where a class is called like a number.
        """
        if word in self._labels:
            return self._labels[word]
        return self._labels.get(int(word)) if word.isascii() and word.isdigit() and len(word) <= 9 else None
