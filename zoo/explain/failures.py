"""The most certain mistakes of a run: query, support of the answer, and support of the right class, in a few frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.progress import Work
from zoo.drawing import COLUMN, new_figure, style, text
from zoo.explain import _figure
from zoo.explain._skeleton import bare, draw_skeleton, front
from zoo.explain._subject import Subject
from zoo.named_arrays import NamedArrays
from zoo.report.clips import played
from zoo.report.tally import certain_mistakes

CLIPS = ("query", "taken for", "should be")
APART = 1.05  # of the widest pose, between frames


@dataclass(frozen=True)
class Options:
    """How many `mistakes`, and how many `frames` of each clip, evenly spaced."""

    mistakes: int = 4
    frames: int = 4

    def __post_init__(self) -> None:
        for name in ("mistakes", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")


class Figure(_figure.Figure):
    """A row for each mistake, the most certain first, each query clip once; the first body of each clip."""

    Options = Options

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """`pose` (mistake, clip, frame, joint, right and up), `certainty` (mistake) as log-odds, and the `true` and
        `given` labels; NaN where a joint is absent. Raises FigureError for a run without a mistake.
        """
        (subject,) = subjects
        answers = yield from subject.answers()
        places = certain_mistakes(answers, self.options.mistakes)
        if not len(places):
            raise _figure.FigureError(f"{subject.run.path}: every query was answered rightly. Take another run.")
        clips = np.stack([answers.query, answers.support_given, answers.support_true])[:, places].T
        poses = [[self._poses(subject, int(clip)) for clip in row] for row in clips]
        classes = subject.store.info.classes
        arrays = {
            "pose": np.array(poses),
            "certainty": answers.certainty[places],
            "true": answers.true[places],
            "given": answers.given[places],
            "clip_id": clips,
            "bones": np.array(subject.layout.bones),
        }
        axes = {
            "pose": ("mistake", "clip", "frame", "joint", "right and up"),
            **dict.fromkeys(("certainty", "true", "given"), ("mistake",)),
            "clip_id": ("mistake", "clip"),
            "bones": ("bone", "child and parent"),
        }
        titles = tuple(f"{classes[answers.true[at]]} → {classes[answers.given[at]]}" for at in places)
        return NamedArrays(arrays, axes, {"mistake": titles, "clip": CLIPS, "joint": subject.layout.joints})

    def _poses(self, subject: Subject, clip: int) -> NDArray[np.float64]:
        """Frames (frames, V, 2) of the first body, the middle of each at 0."""
        positions = played(subject.store, clip).positions()
        chosen = np.linspace(0, len(positions) - 1, self.options.frames).round().astype(int)
        return front(positions[chosen, 0], subject.layout)

    def draw(self, arrays: NamedArrays) -> Any:
        """Three strips of skeletons in each row, all at one scale; later frames are darker."""
        poses, titles = arrays["pose"], arrays.labels["mistake"]
        # Of the joints of one frame: how wide and high the largest pose is.
        extent = np.nanmax(np.nanmax(poses, axis=3) - np.nanmin(poses, axis=3), axis=(0, 1, 2))
        count = poses.shape[2]
        with style():
            figure = new_figure(COLUMN, 0.2 + 0.85 * len(poses))
            axes = figure.subplots(len(poses), len(CLIPS), squeeze=False)
            for row, title in enumerate(titles):
                for column, clip in enumerate(CLIPS):
                    axis = axes[row, column]
                    for frame in range(count):
                        points = poses[row, column, frame]
                        middle = (np.nanmax(points, axis=0) + np.nanmin(points, axis=0)) / 2
                        shifted = points - middle + [frame * APART * extent[0] * 0.6, 0]
                        draw_skeleton(axis, shifted, arrays["bones"], shade=0.4 + 0.6 * (frame + 1) / count)
                    axis.set_xlim(-extent[0] / 2, (count - 1) * APART * extent[0] * 0.6 + extent[0] / 2)
                    axis.set_ylim(-extent[1] * 0.55, extent[1] * 0.55)
                    bare(axis, "box")
                    axis.set_title(f"{text(title, 60)}\n{clip}" if column == 0 else f"\n{clip}", fontsize=5.5)
        return figure

    def words(self, arrays: NamedArrays) -> list[str]:
        """The mistakes, with the share of the softmax that each answer has."""
        shares = 1 / (1 + np.exp(-np.minimum(arrays["certainty"], 700)))
        return [f"{title}: {100 * share:.2f} %" for title, share in zip(arrays.labels["mistake"], shares, strict=True)]
