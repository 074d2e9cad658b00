"""Similarity of a skeleton's joints after the backbone (DASTM, Ma et al., 2022, Fig. 3 and appendix Figs. 4-7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from prep.progress import Step, Work
from zoo.drawing import COLUMN, PAGE, SHARES, new_figure, style, text
from zoo.explain import _figure
from zoo.explain._skeleton import joint_ticks
from zoo.explain._subject import Subject, labels
from zoo.explain._support import backbones_with
from zoo.named_arrays import NamedArrays

DISTINCT = 0.5  # a joint is disentangled if its cosine with every other one is below this
NUMBERS = ("off_diagonal", "effective_rank", "distinct_joints")


@dataclass(frozen=True)
class Options:
    """`queries` test clips of each class in task number `task` are looked at, and the mean over all their frames.

    With `clip` 0 or more the matrix is that of one of these clips alone, in the middle frame of its map. `untrained`
    adds the network of the first run with its random weights.
    """

    task: int = 0
    queries: int = 10
    clip: int = -1
    untrained: bool = False


class Figure(_figure.Figure):
    """Joint-by-joint cosines, one matrix per run with one colour scale.

    The paper names no similarity and shows one frame; this is the cosine, and by default the mean over frames.
    """

    Options = Options
    least, most = 1, 8

    def arrays(self, subjects: Sequence[Subject]) -> Work[NamedArrays]:
        """`similarity` (run, joint, other joint), and for each run the means over frames of `off_diagonal` cosines,
        `effective_rank` and `distinct_joints` (joints whose largest cosine with another is below 0.5).
        """
        rows, runs = [], labels(subjects)
        methods = [(subject, subject.method) for subject in subjects]
        if self.options.untrained:
            methods.append((subjects[0], subjects[0].untrained))
            runs.append(f"{subjects[0].recipe.name}, untrained")
        for place, (subject, method) in enumerate(methods, 1):
            rows.append(self._of(subject, method))
            yield Step(place, len(methods), "similarity of joints")
        joints = {len(row["similarity"]) for row in rows}
        if len(joints) > 1:
            raise _figure.FigureError(f"the maps of these runs have {sorted(joints)} joints. Take runs of one layout.")
        arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        axes = dict.fromkeys(NUMBERS, ("run",)) | {"similarity": ("run", "joint", "other joint")}
        named = {"run": tuple(runs)}
        if joints == {len(subjects[0].layout.joints)}:
            named |= dict.fromkeys(("joint", "other joint"), subjects[0].layout.joints)
        return NamedArrays(arrays, axes, named)

    @torch.no_grad()
    def _of(self, subject: Subject, method: Any) -> dict[str, Any]:
        maps = method.embed(subject.episode(self.options.queries, self.options.task).query)[0]
        if maps.shape[2] == 1:
            known = ", ".join(backbones_with(lambda backbone: backbone.map_joints > 1, subject.layout))
            raise _figure.FigureError(
                f"{subject.run.path}: the backbone {subject.recipe.backbone.name} pools all joints to one. "
                f"Take a run of a backbone that keeps them: {known}."
            )
        if self.options.clip >= 0:
            maps = maps[self.options.clip % len(maps)][None, maps.shape[1] // 2][:, None]
        frames = maps.flatten(0, 1).double()
        numbers = summary(frames)
        return {"similarity": cosines(frames).mean(0).numpy(), **dict(zip(NUMBERS, numbers, strict=True))}

    def draw(self, arrays: NamedArrays) -> Any:
        """The matrices side by side, at most four in a row; the numbers stand above each."""
        values, runs = arrays["similarity"], arrays.labels["run"]
        columns = min(len(runs), 4)
        rows = -(-len(runs) // columns)
        low = 0.0 if values.min() >= 0 else -1.0
        with style():
            width = COLUMN if columns <= 2 else PAGE
            figure = new_figure(width, rows * (width / columns + 0.2))
            axes = figure.subplots(rows, columns, squeeze=False).ravel()
            for axis in axes[len(runs) :]:
                axis.set_axis_off()
            for place, (axis, run) in enumerate(zip(axes, runs, strict=False)):
                image = axis.imshow(values[place], cmap=SHARES, vmin=low, vmax=1, interpolation="nearest")
                joint_ticks(axis, len(values[place]))
                numbers = f"mean {arrays['off_diagonal'][place]:.2f}, rank {arrays['effective_rank'][place]:.1f}"
                axis.set_title(f"{text(run, 34)}\n{numbers}", fontsize=6)
            axes[0].set_ylabel("joint")
            figure.colorbar(image, ax=list(axes), shrink=0.7, label="cosine")
        return figure

    def words(self, arrays: NamedArrays) -> list[str]:
        """One line per run."""
        return [
            f"{run}: mean cosine of different joints {mean:.3f}, effective rank {rank:.2f}, "
            f"{joints:.1f} joints below {DISTINCT} with all others"
            for run, mean, rank, joints in zip(arrays.labels["run"], *(arrays[name] for name in NUMBERS), strict=True)
        ]


def cosines(frames: Float[Tensor, "X V D"]) -> Float[Tensor, "X V V"]:
    """The cosine of every two joints of every frame; 0 with a joint that is zero.

    >>> cosines(torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])).tolist()
    [[[1.0, 0.0], [0.0, 1.0]]]
    """
    unit = F.normalize(frames, dim=-1)
    return unit @ unit.mT


def summary(frames: Float[Tensor, "X V D"]) -> tuple[float, float, float]:
    """Means over frames: cosine of different joints, effective rank, joints below DISTINCT with all others.

    The effective rank is the exponential of the entropy of the singular values (Roy and Vetterli, 2007).

    >>> [round(number, 3) for number in summary(torch.eye(3)[None])]
    [0.0, 3.0, 3.0]
    """
    similar, count = cosines(frames), frames.shape[1]
    other = ~torch.eye(count, dtype=torch.bool)
    values = torch.linalg.svdvals(frames)
    share = values / values.sum(-1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
    rank = torch.exp(-(share * share.clamp(min=1e-30).log()).sum(-1))
    largest = similar.masked_fill(~other, -1).amax(-1)
    distinct = (largest < DISTINCT).double().sum(-1)
    return float(similar[:, other].mean()), float(rank.mean()), float(distinct.mean())
