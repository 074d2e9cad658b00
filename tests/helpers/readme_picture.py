"""Draws the README's picture: one 5-way 1-shot episode of the demo store. Run `make demo`, then `make pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from episodes.draw import Classes
from episodes.episode import Episode
from episodes.loader import EpisodeLoader
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.sampler import EpisodicSampler
from episodes.transform import ClipTransform
from manifests.split_file import split
from prep.store.read import Store, open_store

PICTURE = Path(__file__).resolve().parents[2] / "episodes" / "episode.png"
FRAMES = 5


def episode_of(store: Store, number: int) -> Episode:
    pool = Pool.load(store)
    sampler = EpisodicSampler(Classes.of(pool, split("demo").test), Task(5, 1, 1), 0, number + 1)
    return EpisodeLoader(ClipTransform(pool, store.info.layout, Sampling(FRAMES)), sampler).at(number)


def draw(axes: Axes, clip: Tensor, bones: tuple[tuple[int, int], ...], title: str, colour: str) -> None:
    """The frames of one clip side by side. The demo's preprocessing turns shoulders to x and the spine to z."""
    frames = clip[0].numpy()
    for index, joints in enumerate(frames):
        x, up = joints[:, 0] + 1.1 * index, joints[:, 2]
        shade = 0.35 + 0.65 * index / (len(frames) - 1)
        for child, parent in bones:
            axes.plot(
                x[[child, parent]], up[[child, parent]], color=colour, alpha=shade, lw=1.4, solid_capstyle="round"
            )
    axes.set_title(title, fontsize=9)
    axes.set_aspect("equal")
    axes.axis("off")


def main(store: Store, number: int = 3) -> None:
    episode = episode_of(store, number)
    names = [store.info.classes[label] for label in episode.class_id[0].tolist()]
    figure, grid = plt.subplots(2, 3, figsize=(9, 3.4), dpi=130)
    for row, name in enumerate(names):
        axes = grid[row // 3][row % 3]
        draw(axes, episode.support[0, row, 0], store.info.layout.bones, f"support of class {row}: {name}", "#3b6ea8")
    answer = int(episode.answer[0, 2])
    draw(grid[1][2], episode.query[0, 2], store.info.layout.bones, f"query: which class? (class {answer})", "#c4572b")
    figure.tight_layout()
    figure.savefig(PICTURE, bbox_inches="tight", metadata={"Software": ""})


if __name__ == "__main__":
    main(open_store(sys.argv[1]))
