"""A data set: its classes, the names of its clips, its terms, and how to get it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from manifests.layout import Layout
from manifests.rules import groups, require, unique
from manifests.strict import hint


@dataclass(frozen=True)
class VideoLayout:
    """How the videos of a data set are named: `pattern` is the regular expression of a path below the videos' folder.

    The path's parts are separated by /, a zip is a folder without its .zip, and the ending is in lower case. `words`
    says the same to a person. `name` makes the recording's name of the pattern's groups, "{name}" for example. With
    `pictures` the pattern is that of one picture (a frame) among those of a folder, whose order is the number in its
    group `frame`. `together`: frame i of the video is frame i of the skeleton as released, so that both count alike.
    `shape` is width : height of the picture in which the joints' places are known, (0, 0) where that does not matter.
    """

    pattern: str
    words: str
    name: str = "{name}"
    pictures: bool = False
    together: bool = True
    shape: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        known = groups(self.pattern)
        for field in re.findall(r"\{(\w*)\}", self.name):
            require(field in known, f"pattern `{self.pattern}` has no group (?P<{field}>...), which `name` needs")
        require("frame" in known or not self.pictures, f"pattern `{self.pattern}` has no group (?P<frame>...)")
        none, known_shape = self.shape == (0, 0), min(self.shape) > 0
        require(none or known_shape, f"shape is {self.shape}; it must be two numbers above 0, or [0, 0]")
        require(bool(self.words), f"words is empty; write what a file of `{self.pattern}` is called")


_VIDEO, _PICTURE = r"\.(?:avi|mp4|mkv|webm|mov)", r"/(?:[^/]*[^0-9/])?(?P<frame>\d{1,9})[^0-9/]*\.(?:jpg|jpeg|png)"
_IN_FOLDER = r"(?:.*/)?(?P<folder>[^/]+)/(?P<stem>[^/]+?)"
# For data of one's own. A clip of a class's folder is named <class>-<file> (manifests/own.py).
ANY_VIDEO = (
    VideoLayout(r"(?:.*/)?(?P<name>[^/]+?)(?:_rgb)?" + _VIDEO, "CLIP.mp4 or CLIP_rgb.avi"),
    VideoLayout(r"(?:.*/)?(?P<name>[^/]+)" + _VIDEO, "CLIP.mkv, .mov or .webm"),
    VideoLayout(_IN_FOLDER + "(?:_rgb)?" + _VIDEO, "FOLDER/FILE.mp4 of the clip FOLDER-FILE", "{folder}-{stem}"),
    VideoLayout(r"(?:.*/)?(?P<name>[^/]+)" + _PICTURE, "CLIP/FRAME.jpg or .png", pictures=True),
    VideoLayout(_IN_FOLDER + _PICTURE, "FOLDER/FILE/FRAME.jpg of the clip FOLDER-FILE", "{folder}-{stem}", True),
)


@dataclass(frozen=True)
class Dataset:
    """One data set. `classes[label]` is the name and `actions[label]` the number in the file name of a 0-based label.

    `readers` are the forms in circulation, modules of prep.readers, or of prep.importers where none is raw;
    `recipe` is the preparation recipe taken by default, `recipes` all that apply; `bodies` is the most bodies that
    a store keeps, of which a recipe may keep fewer; `fps` frames per second; `pattern` is the regular expression of
    a clip's name, with any of the groups `action`, `subject`, `camera`, `setup`, `repetition`; a label is what
    `action` says (`labels` is "name") or what the files say inside ("files"). `obtain` says how to get the data;
    `missing` names a list of clips without a skeleton ("" for none) and `known_bad` (name, reason) those that are
    wrong as released; `own_layout` is a skeleton that is not among the layouts; `unverified` says what no file at
    hand bears out.
    `videos` says how the paired videos are named, `picture` where in them the joints are: where the `file` says it, at
    the `joints` themselves, by the projection of a Kinect v2 (`kinect_v2`), or nowhere known (`none`). `untrimmed`:
    a recording holds several clips, each named after it with `_001`, `_002`, ... added.
    Without `actions` they are 1, 2, 3, ...
    """

    name: str
    title: str
    layout: str
    readers: tuple[str, ...]
    recipe: str
    recipes: tuple[str, ...]
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
    own_layout: Layout | None = None
    videos: tuple[VideoLayout, ...] = ANY_VIDEO
    picture: Literal["file", "joints", "kinect_v2", "none"] = "none"
    untrimmed: bool = False

    def __post_init__(self) -> None:
        if not self.actions:
            # The only way to give a frozen field a default that depends on another.
            object.__setattr__(self, "actions", tuple(range(1, len(self.classes) + 1)))
        require(len(self.classes) > 0, "a data set needs at least one class")
        unique("classes", self.classes)
        unique("actions", self.actions)
        unique("recipes", self.recipes)
        count = f"{len(self.actions)} actions for {len(self.classes)} classes"
        require(len(self.actions) == len(self.classes), f"{count}; there must be one number for each class")
        near = hint(self.recipe, self.recipes)
        require(self.recipe in self.recipes, f"recipe `{self.recipe}` is not in recipes. {near}")
        require(self.bodies >= 1, f"bodies is {self.bodies}; it must be at least 1")
        require(self.fps > 0, f"fps is {self.fps}; it must be above 0")
        unique("readers", self.readers)
        require(len(self.readers) > 0, "readers is empty; name at least one module of prep.readers")
        named = "action" in groups(self.pattern)
        require(named or self.labels == "files", f"pattern `{self.pattern}` has no group (?P<action>...)")
