"""Episodes served from a pool against what anyone would write: a few lines of numpy, index_select, a DataLoader.

All make the same tensors from the same clips: support (1, N, K, M, T, V, C), query (1, Q, M, T, V, C), answer (1, Q).
"""

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
from helpers.load import CORES, need_idle_cores
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
TAKEN = TASK.shot + TASK.queries_per_class


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
    """A list of clips, support first, as an episode."""
    return cut(torch.stack([item[0] for item in items]))


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
    return serve(Pool.load(store))


def serve(pool: Pool) -> EpisodeLoader:
    """Ours: a fresh temporal segment draw for every clip of every episode."""
    draws = EpisodicSampler(Classes.of(pool, range(20)), TASK, seed=0, episodes=10**6)
    return EpisodeLoader(ClipTransform(pool, layout("ntu25"), Sampling(FRAMES), train=True), draws)


def seconds(episodes: Iterator[object]) -> float:
    """Wall time of `EPISODES` episodes."""
    start = time.perf_counter()
    assert sum(1 for _ in islice(episodes, EPISODES)) == EPISODES
    return time.perf_counter() - start


def numpy_episodes(store: FakeStore) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Seven lines of numpy and one fancy index, with a fresh draw of frames like ours."""
    joints, start, length, members, random = flat(store)
    while True:
        rows = random.permutation(20)[: TASK.way]
        clip = np.stack([random.permutation(members[row])[:TAKEN] for row in rows])
        clip = np.concatenate([clip[:, : TASK.shot].ravel(), clip[:, TASK.shot :].ravel()])
        place = (np.arange(FRAMES) + random.random((len(clip), FRAMES))) * (length[clip, None] / FRAMES)
        taken = joints[start[clip, None] + np.minimum(place.astype(np.int64), length[clip, None] - 1)]
        yield cut(torch.from_numpy(taken).transpose(1, 2))


def select_episodes(store: FakeStore) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The same with torch's index_select, body by body, so that no transposed copy is left to the network."""
    joints, start, length, members, random = flat(store)
    bodies = torch.from_numpy(joints).view(len(joints) * 2, 75)
    while True:
        rows = random.permutation(20)[: TASK.way]
        clip = np.stack([random.permutation(members[row])[:TAKEN] for row in rows])
        clip = np.concatenate([clip[:, : TASK.shot].ravel(), clip[:, TASK.shot :].ravel()])
        place = (np.arange(FRAMES) + random.random((len(clip), FRAMES))) * (length[clip, None] / FRAMES)
        frame = start[clip, None] + np.minimum(place.astype(np.int64), length[clip, None] - 1)
        row = torch.from_numpy(frame[:, None] * 2 + np.arange(2)[:, None]).view(-1)
        yield cut(bodies.index_select(0, row).view(len(clip), 2, FRAMES, 25, 3))


def fixed_episodes(store: FakeStore) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """One index_select over clips that were cut to T frames once: less work than ours, no frame is drawn anew."""
    joints, start, length, members, random = flat(store)
    frame = start[:, None] + (2 * np.arange(FRAMES) + 1) * length[:, None] // (2 * FRAMES)
    clips = torch.from_numpy(np.ascontiguousarray(joints[frame].transpose(0, 2, 1, 3, 4)))
    while True:
        rows = random.permutation(20)[: TASK.way]
        clip = np.stack([random.permutation(members[row])[:TAKEN] for row in rows])
        clip = np.concatenate([clip[:, : TASK.shot].ravel(), clip[:, TASK.shot :].ravel()])
        yield cut(clips.index_select(0, torch.from_numpy(clip)))


def flat(store: FakeStore) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray], np.random.Generator]:
    """All frames, the first of each clip, lengths, the clips of each class, and a generator."""
    members = [np.flatnonzero(store.label == label) for label in range(20)]
    return store.joints(), store.offsets[:-1], np.diff(store.offsets), members, np.random.default_rng(0)


def cut(joints: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Support, query and answer."""
    shots = TASK.way * TASK.shot
    support, query = joints[:shots], joints[shots:]
    answer = torch.arange(TASK.way).repeat_interleave(TASK.queries_per_class)
    return support.reshape(1, TASK.way, TASK.shot, *joints.shape[1:]), query[None], answer[None]


@pytest.mark.benchmark
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_a_pool_against_plain_versions(
    store: FakeStore, server: EpisodeLoader, capsys: pytest.CaptureFixture[str]
) -> None:
    need_idle_cores(CORES)
    loaders = {f"DataLoader, {workers} workers": plain(store, workers) for workers in (0, 2, 4)}
    endless = {
        "pool": iter(server),
        "numpy, one fancy index": numpy_episodes(store),
        "index_select": select_episodes(store),
        "index_select, frames fixed beforehand": fixed_episodes(store),
    }
    times = {name: list[float]() for name in (*endless, *loaders)}
    for _ in range(ROUNDS):
        for name in times:
            times[name].append(seconds(endless[name] if name in endless else iter(loaders[name])))
    best = {name: min(rounds) for name, rounds in times.items()}
    with capsys.disabled():
        print(f"\nepisodes per second, 5w1s, 10 queries, T={FRAMES}, best of {ROUNDS} rounds taken in turn:")
        for name, least in best.items():
            print(f"  {name:40} {EPISODES / least:6.0f}   pool / this {least / best['pool']:5.2f}")
    best_loader = min(best[name] for name in loaders)
    # 2.9 on one AVX-512 core, 3.6 on two AVX2 ones.
    assert best_loader / best["pool"] >= 2
    # Both copy the same rows and little else, so that there is nothing to win, and nothing must be lost: 0.95 to 1.06.
    assert best["numpy, one fancy index"] / best["pool"] >= 0.8
    assert best["index_select"] / best["pool"] >= 0.8


@pytest.mark.benchmark
@pytest.mark.parametrize("bodies", [1, 2])
def test_half_precision_and_absent_bodies(bodies: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A pool in half precision takes half the memory, a pool of single bodies half again, and neither is slower."""
    need_idle_cores(1)
    store = even_store(classes=20, clips=100, shortest=30, longest=300, bodies=[bodies] * 2000)
    pools = {dtype: Pool.load(store, dtype=dtype) for dtype in (torch.float32, torch.float16, torch.bfloat16)}
    served = {dtype: iter(serve(pool)) for dtype, pool in pools.items()}
    times = {dtype: list[float]() for dtype in pools}
    for _ in range(ROUNDS):
        for dtype, episodes in served.items():
            times[dtype].append(seconds(episodes))
    with capsys.disabled():
        print(f"\n{bodies} of 2 bodies present: bytes per frame and episodes per second")
        for dtype, pool in pools.items():
            size = pool.joints.nbytes / len(pool.origin)
            print(f"  {dtype!s:15} {size:4.0f} bytes {EPISODES / min(times[dtype]):6.0f}")
            assert round(size) == 150 * bodies * dtype.itemsize // 2
    assert min(times[torch.float16]) <= 1.25 * min(times[torch.float32])


@pytest.mark.benchmark
def test_episode(benchmark, server: EpisodeLoader) -> None:
    steps = iter(range(10**6))
    benchmark(lambda: server.at(next(steps)))
