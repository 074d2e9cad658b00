"""Resident gather against a plain Dataset and DataLoader that make the same tensors from the same ragged clips."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import islice

import jaxtyping
import numpy as np
import pytest
import torch
from helpers.fakes import FakeStore, even_store
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from episodes.draw import Classes
from episodes.loader import EpisodeLoader
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.sampler import EpisodicSampler
from episodes.transform import ClipTransform
from manifests.facts import layout

TASK, FRAMES, EPISODES, ROUNDS = Task(way=5, shot=1, queries_per_class=10), 30, 80, 20


class PlainClips(Dataset[tuple[Tensor, int]]):
    """One clip at a time: slice it, draw a frame from each of T segments, put bodies first."""

    def __init__(self, store: FakeStore) -> None:
        self.joints, self.offsets, self.label = store.joints(), store.offsets, store.label
        self.random = np.random.default_rng(0)

    def __getitem__(self, clip: int) -> tuple[Tensor, int]:
        joints = self.joints[self.offsets[clip] : self.offsets[clip + 1]]
        place = (np.arange(FRAMES) + self.random.random(FRAMES)) * (len(joints) / FRAMES)
        chosen = joints[np.minimum(place.astype(np.int64), len(joints) - 1)]
        return torch.from_numpy(chosen).transpose(0, 1), int(self.label[clip])


class PlainEpisodes(Sampler[list[int]]):
    """N classes, then K + q clips of each: support first, then queries class by class."""

    def __init__(self, label: np.ndarray) -> None:
        self.members = [np.flatnonzero(label == i) for i in np.unique(label)]
        self.random = np.random.default_rng(0)

    def __len__(self) -> int:
        return EPISODES

    def __iter__(self) -> Iterator[list[int]]:
        for _ in range(EPISODES):
            rows = self.random.permutation(len(self.members))[: TASK.way]
            clips = [self.random.permutation(self.members[row])[: TASK.shot + TASK.queries_per_class] for row in rows]
            parts = [part[: TASK.shot] for part in clips] + [part[TASK.shot :] for part in clips]
            yield np.concatenate(parts).tolist()


def plain_episode(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Support (1, N, K, M, T, V, C), query (1, Q, M, T, V, C), answer (1, Q)."""
    joints = torch.stack([item[0] for item in items])
    support, query = joints[: TASK.way * TASK.shot], joints[TASK.way * TASK.shot :]
    answer = torch.arange(TASK.way).repeat_interleave(TASK.queries_per_class)
    return support.view(1, TASK.way, TASK.shot, *joints.shape[1:]), query[None], answer[None]


def plain(store: FakeStore, workers: int) -> DataLoader[tuple[Tensor, int]]:
    """The loader, its workers kept between rounds."""
    return DataLoader(
        PlainClips(store),
        batch_sampler=PlainEpisodes(store.label),
        collate_fn=plain_episode,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


@pytest.fixture(autouse=True)
def as_in_training() -> Iterator[None]:
    """Shapes unchecked, and every core for both sides."""
    threads = torch.get_num_threads()
    jaxtyping.config.update("jaxtyping_disable", True)
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(threads)
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def store() -> FakeStore:
    """2,000 clips of 30 to 300 frames in 20 classes."""
    return even_store(classes=20, clips=100, shortest=30, longest=300)


@pytest.fixture(scope="module")
def server(store: FakeStore) -> EpisodeLoader:
    """Ours: a fresh temporal segment draw for every clip of every episode."""
    pool = Pool.load(store)
    draws = EpisodicSampler(Classes.of(pool, range(20)), TASK, seed=0, episodes=10**6)
    return EpisodeLoader(ClipTransform(pool, layout("ntu25"), Sampling(FRAMES), train=True), draws)


def seconds(episodes: Iterator[object]) -> float:
    """Wall time of `EPISODES` episodes."""
    start = time.perf_counter()
    assert sum(1 for _ in islice(episodes, EPISODES)) == EPISODES
    return time.perf_counter() - start


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_resident_gather_beats_the_best_dataloader(
    store: FakeStore, server: EpisodeLoader, capsys: pytest.CaptureFixture[str]
) -> None:
    loaders = {workers: plain(store, workers) for workers in (0, 2, 4)}
    served = iter(server)
    ours, theirs = [], {workers: [] for workers in loaders}
    for _ in range(ROUNDS):
        ours.append(seconds(served))
        for workers, loader in loaders.items():
            theirs[workers].append(seconds(iter(loader)))
    best = min(min(times) for times in theirs.values())
    with capsys.disabled():
        print(f"\nepisodes per second, 5w1s, 10 queries, T={FRAMES}, best of {ROUNDS} rounds taken in turn:")
        print(f"  resident {EPISODES / min(ours):.0f}", end="")
        print("".join(f", DataLoader({workers}) {EPISODES / min(times):.0f}" for workers, times in theirs.items()))
        print(f"  ratio to the best DataLoader {best / min(ours):.1f}")
    # 3.6 on an AVX2 machine, 5.6 on one with AVX-512.
    assert best / min(ours) >= 3


@pytest.mark.benchmark
def test_episode(benchmark, server: EpisodeLoader) -> None:
    steps = iter(range(10**6))
    benchmark(lambda: server.at(next(steps)))
