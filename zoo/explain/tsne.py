"""t-SNE of features before and after adaptation (PAINet, Liu et al., 2023, Fig. 5), with the silhouette as a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.episode import Episode
from prep.progress import Step, Work
from zoo.drawing import COLOURS, COLUMN, new_figure, style, text
from zoo.explain import _figure
from zoo.explain._subject import Subject
from zoo.explain._support import library, methods_with
from zoo.named_arrays import NamedArrays

COMPONENTS, PERPLEXITY = 50, 30.0
STAGES = ("base", "adapted")
MARKERS = "osD^v"


@runtime_checkable
class Adapts(Protocol):
    """A method whose features depend on the other clips of a task."""

    def adapted(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (B, Q, N, D) of each query facing each class, and of that class."""


@dataclass(frozen=True)
class Options:
    """Task number `task` with up to `queries` clips of each class; `seed` starts t-SNE."""

    task: int = 0
    queries: int = 40
    seed: int = 0


class Figure(_figure.Figure):
    """Queries as dots and class means as numbers, coloured by class: means of the backbone's maps, and adapted vectors.

    CHOICE: a query is drawn as adapted to the class that it is taken for, a class as its mean over these queries.
    Vectors are reduced to 50 principal components; the perplexity is 30, or a third of the points. Each silhouette
    (Rousseeuw, 1987) is that of the queries' vectors, not of the drawing, by their true classes.
    """

    Options = Options

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """`place` (stage, point, axis), `label` and `is_support` (point), and `silhouette` (stage)."""
        (subject,) = subjects
        yield Step(0, 2, "t-SNE")
        method = subject.method
        if not isinstance(method, Adapts):
            known = ", ".join(methods_with(lambda other, _: isinstance(other, Adapts), subject.layout))
            raise _figure.FigureError(
                f"{subject.run.path}: {subject.recipe.method.name} does not adapt its features to a task, so there is "
                f"no before and after. Methods that do: {known}."
            )
        episode = subject.episode(self.options.queries, self.options.task)
        stages = vectors(method, episode)
        answer = episode.answer[0].cpu().numpy()
        places, silhouettes = [], []
        for number, (query, support) in enumerate(stages, 1):
            places.append(embedded(np.concatenate([query, support]), self.options.seed))
            silhouettes.append(float(library("sklearn.metrics").silhouette_score(query, answer)))
            yield Step(number, 2, "t-SNE")
        ids = episode.class_id[0].tolist()
        arrays = {
            "place": np.stack(places),
            "label": np.concatenate([answer, np.arange(len(ids))]),
            "is_support": np.arange(len(answer) + len(ids)) >= len(answer),
            "silhouette": np.array(silhouettes),
            "class_id": np.array(ids),
        }
        axes = {
            "place": ("stage", "point", "axis"),
            "label": ("point",),
            "is_support": ("point",),
            "silhouette": ("stage",),
            "class_id": ("class",),
        }
        classes = tuple(subject.store.info.classes[label] for label in ids)
        return NamedArrays(arrays, axes, {"stage": STAGES, "class": classes})

    def draw(self, arrays: NamedArrays) -> Any:
        """Before and after side by side, with the names of the classes below."""
        classes, query = arrays.labels["class"], ~arrays["is_support"]
        with style():
            figure = new_figure(COLUMN, 2.1 + 0.12 * (len(classes) // 3))
            axes = figure.subplots(1, 2)
            for stage, axis in enumerate(axes):
                for number, name in enumerate(classes):
                    mine = query & (arrays["label"] == number)
                    points = arrays["place"][stage][mine]
                    axis.scatter(*points.T, s=7, linewidths=0, alpha=0.75, label=text(name, 22), **_look(number))
                for number, point in enumerate(arrays["place"][stage][~query]):
                    box = {"boxstyle": "circle,pad=0.15", "fc": "white", "ec": "black", "lw": 0.6}
                    axis.text(*point, str(number + 1), fontsize=6, ha="center", va="center", bbox=box)
                # Text does not widen the limits, and the means may lie outside the queries.
                axis.update_datalim(arrays["place"][stage])
                axis.margins(0.08)
                axis.autoscale_view()
                axis.set_xticks([])
                axis.set_yticks([])
                axis.set_title(f"{STAGES[stage]}: silhouette {arrays['silhouette'][stage]:.2f}")
            handles, words = axes[0].get_legend_handles_labels()
            numbered = [f"{number} {word}" for number, word in enumerate(words, 1)]
            figure.legend(handles, numbered, loc="outside lower center", ncols=min(3, len(classes)))
        return figure

    def words(self, arrays: NamedArrays) -> list[str]:
        """The silhouettes."""
        before, after = arrays["silhouette"]
        return [f"silhouette of the queries: base {before:.3f}, adapted {after:.3f}"]


@torch.no_grad()
def vectors(method: Any, episode: Episode) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Vectors (queries, D) and (classes, D) before and after adaptation, of the first task of an episode."""
    support, query = method.maps(episode)
    given = method(episode)[0].argmax(-1)
    own, other = (part[0] for part in method.adapted(support, query))
    rows = torch.arange(len(given), device=given.device)
    after = own[rows, given], torch.stack([_facing(other[:, row], given == row) for row in range(other.shape[1])])
    before = query[0].mean((1, 2)), support[0].mean((1, 2, 3))
    return [(_numpy(first), _numpy(second)) for first, second in (before, after)]


def embedded(points: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """t-SNE (van der Maaten and Hinton, 2008) of points (X, D) after at most 50 principal components, (X, 2)."""
    count = min(COMPONENTS, *points.shape)
    reduced = library("sklearn.decomposition").PCA(count, random_state=seed).fit_transform(points)
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    found: NDArray[np.float64] = (
        library("sklearn.manifold").TSNE(perplexity=perplexity, random_state=seed, init="pca").fit_transform(reduced)
    )
    return found.astype(float)


def _facing(vectors: Tensor, mine: Tensor) -> Tensor:
    """The mean over the queries that are taken for a class, or over all where there is none."""
    return vectors[mine].mean(0) if bool(mine.any()) else vectors.mean(0)


def _numpy(values: Tensor) -> NDArray[np.float64]:
    return values.double().cpu().numpy()


def _look(number: int) -> dict[str, str]:
    """A colour, and another marker when the colours begin again."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number // len(COLOURS) % len(MARKERS)]}
