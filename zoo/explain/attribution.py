"""Joint-by-frame attribution by boundary-based integrated gradients, beside plain ones (Figs. 3-4 of the cross-modal
transfer paper), for trained networks and an untrained one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from episodes.draw import Draw
from episodes.episode import Episode
from episodes.streams import RECORDED, parents, pick
from episodes.transform import ClipTransform
from prep.progress import Step, Work
from zoo.drawing import COLUMN, SHARES, new_figure, style, text
from zoo.explain import _figure
from zoo.explain._boundary import Boundary, Search, boundary_point
from zoo.explain._integral import TOLERANCE, Attribution, Scorer, integrated_gradients
from zoo.explain._skeleton import joint_ticks
from zoo.explain._subject import Subject, labels
from zoo.methods._method import Method
from zoo.named_arrays import NamedArrays

KINDS = ("BIG", "integrated gradients")
SHRUNK = 1e-3  # of the plain baseline: a body of size zero would count as absent


@dataclass(frozen=True)
class Options:
    """`task`: the number of the task. `query`: the number of the query in it; -1 takes the first that the first run
    answers rightly. `name`: the class of the query, in place of its number. `search`: how the boundary is searched,
    "pgd", "carlini_wagner", or "closest", the nearer point of both.
    """

    task: int = 0
    query: int = -1
    name: str = ""
    search: Search = "closest"


class Figure(_figure.Figure):
    """What each joint in each frame adds to the logit of the given answer, with the support fixed.

    Attributions are those of the preprocessed joints, through all streams; |attribution| is summed over coordinates and
    bodies and divided by its largest value. The plain baseline is the skeleton shrunk to a point. Where no boundary is
    found, BIG is the plain integral, and the numbers say so. Test-time `evaluation` of a recipe is left out.
    """

    Options = Options
    least, most = 1, 4

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """`heat` (run, kind, frame, joint) in 0..1, `attribution` with bodies and coordinates, and for each `total`,
        `difference`, `completeness_error` and `steps`; `boundary` (run) is False where none was found, and
        `distance` (run) from the query to it, in root mean squares of the query, is then NaN.
        """
        draw, query = self._query(subjects[0])
        rows, runs = [(subject, subject.method) for subject in subjects], labels(subjects)
        rows.append((subjects[0], subjects[0].untrained))
        found, edges = list[list[Attribution]](), list[Boundary | None]()
        for place, (subject, method) in enumerate(rows, 1):
            pair, edge = self._attributions(subject, method, draw, query)
            found.append(pair)
            edges.append(edge)
            yield Step(place, len(rows), "attribution")
        values = np.stack([[one.values.double().cpu().numpy() for one in pair] for pair in found])
        heat = np.abs(values).sum((2, 5))
        arrays = {
            "attribution": values,
            "heat": heat / np.maximum(heat.max((2, 3), keepdims=True), 1e-30),
            "total": np.array([[one.total for one in pair] for pair in found]),
            "difference": np.array([[one.difference for one in pair] for pair in found]),
            "completeness_error": np.array([[one.error for one in pair] for pair in found]),
            "steps": np.array([[one.steps for one in pair] for pair in found]),
            "boundary": np.array([edge is not None for edge in edges]),
            "distance": np.array([np.nan if edge is None else edge.distance for edge in edges]),
        }
        axes = dict.fromkeys(arrays, ("run", "kind")) | {
            "attribution": ("run", "kind", "body", "frame", "joint", "coordinate"),
            "heat": ("run", "kind", "frame", "joint"),
            **dict.fromkeys(("boundary", "distance"), ("run",)),
        }
        names = (*runs, f"{subjects[0].recipe.name}, untrained")
        named = {"run": names, "kind": KINDS, "joint": subjects[0].layout.joints}
        title = {"query": np.array(self._title(subjects[0], draw, query))}
        return NamedArrays(arrays | title, axes | {"query": ()}, named)

    def _title(self, subject: Subject, draw: Draw, query: int) -> str:
        label = int(draw.class_id[0, draw.answer[0, query]])
        clip = subject.prepared.test[0].transform.pool.names[int(draw.query[0, query])]
        return f"{subject.store.info.classes[label]} ({clip})"

    @torch.no_grad()
    def _query(self, subject: Subject) -> tuple[Draw, int]:
        """The task and the number of the query that is explained."""
        loader = subject.loader(5)
        draw, episode = loader.sampler.at(self.options.task), loader.at(self.options.task)
        answer = draw.answer[0]
        if self.options.query >= len(answer):
            raise _figure.FigureError(f"query is {self.options.query}; the task has 0 to {len(answer) - 1}. Take one.")
        if self.options.query >= 0:
            return draw, self.options.query
        names = [subject.store.info.classes[label] for label in draw.class_id[0].tolist()]
        if self.options.name and self.options.name not in names:
            known = ", ".join(names)
            raise _figure.FigureError(f"name is `{self.options.name}`; task {self.options.task} has {known}. Take one.")
        wanted = torch.tensor([not self.options.name or names[row] == self.options.name for row in answer.tolist()])
        right = (subject.method(episode)[0].argmax(-1) == answer).cpu() & wanted
        return draw, int((right if bool(right.any()) else wanted).int().argmax())

    def _attributions(
        self, subject: Subject, method: Method, draw: Draw, query: int
    ) -> tuple[list[Attribution], Boundary | None]:
        """BIG and plain integrated gradients of one network for one query, and the baseline of the first."""
        transform = subject.prepared.test[0].transform
        point, lift = joints_of(transform, draw.query[0, query : query + 1])
        scorer = scorer_of(method, transform, draw, lift)
        scores = scorer(point[None].requires_grad_(True))
        if not scores.requires_grad:
            name = subject.recipe.method.name
            remedy = "Take a method whose scores follow from the query by differentiable steps, such as protonet"
            raise _figure.FigureError(f"{subject.run.path}: the scores of {name} have no gradient. {remedy}.")
        target = int(scores[0].argmax())
        low, high = float(transform.pool.joints.min()), float(transform.pool.joints.max())
        plain = integrated_gradients(scorer, point, SHRUNK * point, target)
        edge = boundary_point(scorer, point, low, high, self.options.search)
        if edge is None:
            return [plain, plain], None
        return [integrated_gradients(scorer, point, edge.point, target), plain], edge

    def draw(self, arrays: NamedArrays) -> Any:
        """A row per network, BIG on the left, with one colour scale."""
        heat, runs, boundary = arrays["heat"], arrays.labels["run"], arrays["boundary"]
        with style():
            figure = new_figure(COLUMN, 0.45 + 1.25 * len(runs))
            axes = figure.subplots(len(runs), 2, squeeze=False, sharex=True, sharey=True)
            for row, run in enumerate(runs):
                for column, kind in enumerate(KINDS):
                    axis = axes[row, column]
                    options = {"cmap": SHARES, "vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
                    image = axis.imshow(heat[row, column].T, **options)
                    joint_ticks(axis, heat.shape[3], along="y")
                    fallback = " (no boundary)" if column == 0 and not boundary[row] else ""
                    axis.set_title(f"{text(run, 26)}\n{kind}{fallback}", fontsize=6)
                axes[row, 0].set_ylabel("joint")
            for axis in axes[-1]:
                axis.set_xlabel("frame")
            figure.suptitle(text(str(arrays["query"]), 60), fontsize=7)
            figure.colorbar(image, ax=list(axes.ravel()), shrink=0.7, label="share of the largest")
        return figure

    def words(self, arrays: NamedArrays) -> list[str]:
        """The completeness of every integral."""
        lines = [f"query: {arrays['query']}"]
        for row, run in enumerate(arrays.labels["run"]):
            for column, kind in enumerate(KINDS):
                total, difference, error = (
                    float(arrays[name][row, column]) for name in ("total", "difference", "completeness_error")
                )
                words = f"sum {total:.4f}, logit difference {difference:.4f}, {100 * error:.2f} % apart"
                beyond = "" if error <= TOLERANCE else f" (more than {100 * TOLERANCE:.0f} %)"
                lines.append(f"{run}, {kind}: {words}{beyond}, {int(arrays['steps'][row, column])} nodes")
            if arrays["boundary"][row]:
                lines.append(
                    f"{run}: the boundary is {arrays['distance'][row]:.3f} root mean squares of the query away"
                )
            else:
                lines.append(f"{run}: no decision boundary was found, so BIG is the plain integral")
        return lines


def joints_of(transform: ClipTransform, clip: Tensor) -> tuple[Float[Tensor, "M T V _"], Callable[[Tensor], Tensor]]:
    """A clip's preprocessed joints as sampled, and the differentiable function from them to the network's streams.

    With a stream of recorded coordinates, which do not follow from the joints, it is the streams themselves, and the
    function leaves them as they are.
    """
    view = transform.view(clip)[0]
    if not RECORDED.isdisjoint(transform.streams):
        return view, lambda streams: streams
    only = ClipTransform(
        transform.pool, transform.layout, transform.sampling, ("joint",), transform.augment, transform.seed
    )
    parent = torch.tensor(parents(transform.layout.bones, len(transform.layout.joints)), device=view.device)

    def lift(joints: Tensor) -> Tensor:
        return torch.cat([_stream(joints, name, parent) for name in transform.streams], dim=-1)

    return only.view(clip)[0], lift


def scorer_of(method: Method, transform: ClipTransform, draw: Draw, lift: Callable[[Tensor], Tensor]) -> Scorer:
    """Scores (X, N) of joints (X, M, T, V, C) as queries of a task whose support stays as it is."""
    support = transform.view(draw.support.flatten()).unflatten(0, draw.support.shape)

    def scores(joints: Tensor) -> Tensor:
        count = len(joints)
        zeros = draw.answer.new_zeros(1, count)
        episode = Episode(support, lift(joints)[None], zeros, draw.class_id, draw.support, zeros)
        return method(episode)[0]

    return scores


def _stream(joints: Tensor, name: str, parent: Tensor) -> Tensor:
    """One stream by differentiable operations; equal to episodes.streams, which writes into a buffer."""
    if name.endswith("velocity"):
        moved = joints[..., 1:, :, :] - joints[..., :-1, :, :]
        moved = torch.cat([moved, torch.zeros_like(joints[..., :1, :, :])], dim=-3)
        return _stream(moved, name.removesuffix("velocity").removesuffix("_"), parent)
    return joints - pick(joints, parent) if name == "bone" else joints
