"""Activation between the joints of a query and of a class (DASTM, Ma et al., 2022, Fig. 4): matrices and skeletons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from episodes.episode import Episode
from prep.progress import Step, Work
from zoo.drawing import COLUMN, SHARES, new_figure, style, text
from zoo.explain import _figure
from zoo.explain._skeleton import bare, draw_skeleton, front, joint_ticks
from zoo.explain._subject import Subject
from zoo.explain._support import methods_with
from zoo.methods._method import Method
from zoo.named_arrays import NamedArrays
from zoo.report.clips import played

# Names under which methods give the attention (B, Q, N, T', V, V) of a query's joints to a class's.
KEYS = ("attention", "cross_attention")
PAIRS = ("same class", "other class")
LITTLE = 0.01  # a range of the values, as a share of their mean, below which the figure says so
AREA = 26.0  # points squared of the most important joint
WORDS = "query joints by their sharpest attention, support joints by the attention that they receive"


@dataclass(frozen=True)
class Options:
    """`task`: the number of the task. `query`: the number of the query in it; -1 takes the first right answer.

    `frame` of the query's map; -1 is the mean over frames.
    """

    task: int = 0
    query: int = -1
    frame: int = -1


class Figure(_figure.Figure):
    """The attention (eq. 4) of one query to its own class and to the class that comes second, with one colour scale.

    Rows of the softmax sum to 1, so the importance of a query's joint is the largest value of its row, and that of a
    support's joint the mean of its column.
    """

    Options = Options

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """`activation` (pair, query joint, support joint), `query_importance` and `support_importance` (pair, joint),
        and the poses `query_pose` and `support_pose` (pair, joint, axis) in the middle of the clips.
        """
        (subject,) = subjects
        yield Step(0, 1, "activation")
        episode = subject.episode(5, self.options.task)
        attention = self._attention(subject, episode)
        query, rows = self._pair(subject, episode)
        chosen = attention[0, query][list(rows)]
        mean = (chosen.mean(1) if self.options.frame < 0 else chosen[:, self.options.frame]).double().cpu().numpy()
        names = [subject.store.info.classes[int(episode.class_id[0, row])] for row in rows]
        joints = subject.layout.joints
        arrays = {
            "activation": mean,
            "query_importance": mean.max(2),
            "support_importance": mean.mean(1),
            "query_pose": np.stack([_pose(subject, int(episode.query_clip[0, query]))] * 2),
            "support_pose": np.stack([_pose(subject, int(episode.support_clip[0, row, 0])) for row in rows]),
            "bones": np.array(subject.layout.bones),
        }
        axes = {
            "activation": ("pair", "query joint", "support joint"),
            "query_importance": ("pair", "query joint"),
            "support_importance": ("pair", "support joint"),
            "query_pose": ("pair", "joint", "right and up"),
            "support_pose": ("pair", "joint", "right and up"),
            "bones": ("bone", "child and parent"),
        }
        pairs = tuple(f"{names[0]} – {name}" for name in names)
        named = {"pair": pairs}
        if mean.shape[1] == len(joints):
            named |= dict.fromkeys(("query joint", "support joint", "joint"), joints)
        yield Step(1, 1, "activation")
        return NamedArrays(arrays, axes, named)

    @torch.no_grad()
    def _attention(self, subject: Subject, episode: Episode) -> Float[Tensor, "B Q N T V V"]:
        found = attention_of(subject.method, episode)
        if found is None:
            known = ", ".join(methods_with(lambda method, task: attention_of(method, task) is not None, subject.layout))
            raise _figure.FigureError(
                f"{subject.run.path}: {subject.recipe.method.name} on {subject.recipe.backbone.name} has no attention "
                f"between the joints of two clips. Methods that have, on a backbone that keeps joints: {known}."
            )
        return found

    @torch.no_grad()
    def _pair(self, subject: Subject, episode: Episode) -> tuple[int, tuple[int, int]]:
        """A query, and the rows of its class and of the best other class."""
        scores, answer = subject.method(episode)[0], episode.answer[0]
        query = self.options.query
        if query < 0:
            right = (scores.argmax(-1) == answer).nonzero().flatten()
            query = int(right[0]) if len(right) else 0
        if query >= len(answer):
            raise _figure.FigureError(f"query is {query}; the task has queries 0 to {len(answer) - 1}. Take one.")
        own = int(answer[query])
        return query, (own, int(scores[query].index_fill(0, answer[query], -torch.inf).argmax()))

    def draw(self, arrays: NamedArrays) -> Any:
        """Two matrices side by side, and below each the skeletons of its pair."""
        values, pairs = arrays["activation"], arrays.labels["pair"]
        low, high = _limits(values)
        with style():
            figure = new_figure(COLUMN, 3.5)
            axes = figure.subplots(2, 4, gridspec_kw={"height_ratios": [1.0, 0.9]})
            wide = []
            for pair in range(2):
                grid = axes[0, 2 * pair].get_gridspec()
                for axis in axes[0, 2 * pair : 2 * pair + 2]:
                    axis.remove()
                axis = figure.add_subplot(grid[0, 2 * pair : 2 * pair + 2])
                image = axis.imshow(values[pair], interpolation="nearest", cmap=SHARES, vmin=low, vmax=high)
                joint_ticks(axis, len(values[pair]))
                axis.set_title(f"{PAIRS[pair]}\n{text(pairs[pair], 30)}", fontsize=6)
                axis.set_xlabel("support joint")
                wide.append(axis)
                for side, column in (("query", 2 * pair), ("support", 2 * pair + 1)):
                    weight = arrays[f"{side}_importance"]
                    _skeleton(axes[1, column], arrays[f"{side}_pose"][pair], arrays["bones"], weight[pair], weight)
                    axes[1, column].set_title(side, fontsize=6)
            wide[0].set_ylabel("query joint")
            bar = figure.colorbar(image, ax=wide, shrink=0.8, label="attention")
            _label_ends(bar, low, high)
            if note := _note(values):
                figure.suptitle(note, fontsize=6)
        return figure

    def words(self, arrays: NamedArrays) -> list[str]:
        """How sharp the attention of each pair is, and the joints that count most."""
        lines = []
        for place, pair in enumerate(arrays.labels["pair"]):
            weights = arrays["query_importance"][place]
            names = arrays.labels.get("query joint", tuple(str(joint + 1) for joint in range(len(weights))))
            first = ", ".join(names[joint] for joint in np.argsort(-weights)[:3])
            sharp = f"largest attention {arrays['activation'][place].max():.3f}, uniform {1 / len(weights):.3f}"
            lines.append(f"{PAIRS[place]}, {pair}: {sharp}; most active query joints: {first}")
        note = _note(arrays["activation"])
        return [*lines, *([note] if note else []), f"size of joints: {WORDS}"]


def attention_of(method: Method, episode: Episode) -> Float[Tensor, "B Q N T V V"] | None:
    """The method's attention of the joints of each query to those of each class; None where it has none."""
    arrays = method.evidence(episode)
    found = next((arrays[key] for key in KEYS if key in arrays), None)
    return found if found is not None and found.dim() == 6 and found.shape[-1] > 1 else None


def _note(values: NDArray[np.float64]) -> str:
    """A sentence for a nearly uniform attention, whose colours show differences that hardly matter; else "".

    >>> _note(np.array([0.04, 0.0401])), _note(np.array([0.0, 0.1]))
    ('nearly uniform: the values differ by 0.25 % of their mean at most', '')
    """
    share = float(values.max() - values.min()) / max(float(values.mean()), 1e-30)
    return "" if share >= LITTLE else f"nearly uniform: the values differ by {100 * share:.2g} % of their mean at most"


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """The ends of the colour scale: the smallest and the largest value, or 1 % around values that are all equal."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - LITTLE / 2 * abs(low) - 1e-12, high + LITTLE / 2 * abs(low) + 1e-12)


def _label_ends(bar: Any, low: float, high: float) -> None:
    """Ticks at both ends and in the middle of a colour bar, with as many digits as tell them apart."""
    digits = max(2, 1 - math.floor(math.log10(high - low)))
    ticks = [low, (low + high) / 2, high]
    bar.set_ticks(ticks, labels=[f"{tick:.{digits}f}" for tick in ticks])


def _pose(subject: Subject, clip: int) -> NDArray[np.float64]:
    """The first body of a clip of the pool, in its middle frame, from the front."""
    place = int(subject.prepared.test[0].transform.pool.clip_id[clip])
    positions = played(subject.store, place).positions()
    return front(positions[len(positions) // 2, 0], subject.layout)


def _skeleton(
    axis: Any,
    points: NDArray[np.float64],
    bones: NDArray[np.int64],
    weights: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> None:
    """A skeleton whose joints are as large and bright as their weights; `scale` has those of all pairs."""
    bare(axis)
    if len(weights) != len(points):
        draw_skeleton(axis, points, bones)
        return
    low, high = float(scale.min()), float(scale.max())
    size = 1 + AREA * (weights - low) / max(high - low, 1e-12)
    draw_skeleton(axis, points, bones, size, c=weights, cmap=SHARES, vmin=low, vmax=high)
