from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from helpers.fakes import even_store
from torch.utils._python_dispatch import TorchDispatchMode

from episodes.augment import Augment
from episodes.draw import Classes, Task, draw
from episodes.episode import Episode, EpisodeError
from episodes.loader import Server, View, Viewer
from episodes.pool import Pool
from episodes.protocol import Episodic, Exemplars
from episodes.resample import RULES, Sampling, sample
from manifests.facts import layout

NTU = layout("ntu25")
STORE = even_store(classes=6, clips=8)
POOL = Pool.load(STORE)
CLASSES = Classes.of(POOL, range(6))
TASK = Task(3, 2, 3)
WILD = View(Sampling(10), streams=("joint", "bone"), augment=Augment((20.0, 20.0, 20.0), (0.9, 1.1), 0.5))


def server(view: View = WILD, episodes: int = 7, batch: int = 1, train: bool = True, pool: Pool = POOL) -> Server:
    classes = CLASSES if pool is POOL else Classes.of(pool, range(6))
    return Server(Viewer(pool, NTU, view, seed=3, train=train), Episodic(classes, TASK, 3, episodes, batch))


def joined(episodes: list[Episode]) -> Episode:
    return Episode(*(torch.cat([getattr(e, field.name) for e in episodes]) for field in fields(Episode)))


def assert_equal(here: Episode, there: Episode) -> None:
    for field in fields(Episode):
        torch.testing.assert_close(getattr(here, field.name), getattr(there, field.name), rtol=0, atol=1e-6)


def test_an_episode_holds_the_clips_that_were_drawn() -> None:
    episode = server(View(Sampling(10)), train=False).at(2)
    drawn = draw(CLASSES, TASK, seed=3, step=2)
    assert episode.support.shape == (1, 3, 2, 2, 10, 25, 3)
    assert episode.query.shape == (1, 9, 2, 10, 25, 3)
    assert (episode.way, episode.shot) == (3, 2)
    assert torch.equal(episode.answer, drawn.answer)
    assert torch.equal(episode.class_id, drawn.class_id)
    # The first number of every frame is clip + frame / 1000.
    for clip, seen in zip(drawn.query[0].tolist(), episode.query[0, :, 0, :, 0, 0], strict=True):
        length = int(POOL.length[clip])
        frame = torch.tensor([(2 * j + 1) * length // 20 for j in range(10)])
        torch.testing.assert_close(seen, clip + frame / 1000, rtol=0, atol=1e-5)
    assert torch.equal(episode.support[..., 0, 0, 0, 0].int(), drawn.support.int())


@pytest.mark.parametrize("batch", [2, 3, 7, 100])
def test_batching_changes_nothing(batch: int) -> None:
    single = list(server())
    batched = list(server(batch=batch))
    assert sum(len(episode.answer) for episode in batched) == 7
    assert_equal(joined(batched), joined(single))
    assert all(e.support.is_contiguous() and e.query.is_contiguous() for e in batched)


def test_steps_can_be_had_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(server(batch=2))
    monkeypatch.setattr("episodes.protocol.CLIPS_AT_ONCE", 60)
    blocks = server(batch=2)
    assert blocks.draws.block == 2
    for step in (3, 0, 2, 1, 1, 3):
        assert_equal(blocks.at(step), whole[step])
    with pytest.raises(IndexError, match="Step 4 does not exist: there are 4"):
        blocks.at(4)


def test_training_draws_afresh_and_evaluation_does_not() -> None:
    def seen(train: bool, frozen: bool) -> set[tuple[float, ...]]:
        """The ways in which clip 11 is sampled over many episodes."""
        view = View(Sampling(10, "segments", frozen))
        found = set()
        for episode in server(view, episodes=60, train=train):
            first = episode.query[0, :, 0, :, 0, 0]
            found |= {tuple(row.tolist()) for row in first[first[:, 0].int() == 11]}
        return found

    assert len(seen(train=True, frozen=False)) > 5
    assert len(seen(train=True, frozen=True)) == 1
    assert len(seen(train=False, frozen=False)) == 1


def test_a_frozen_draw_belongs_to_the_clip_not_to_the_pool() -> None:
    view = View(Sampling(10, "dastm_official", frozen=True))
    part = Pool.load(STORE, keep=[11, 30])
    key = torch.tensor([1, 2])
    whole, few = Viewer(POOL, NTU, view, train=True), Viewer(part, NTU, view, train=True)
    assert torch.equal(whole.clips(torch.tensor([11, 30]), key), few.clips(torch.tensor([0, 1]), key.flip(0)))


def test_augmentation_is_for_training_only() -> None:
    plain = replace(WILD, augment=Augment())
    assert_equal(server(WILD, train=False).at(0), server(plain, train=False).at(0))
    assert not torch.allclose(server(WILD).at(0).query, server(plain).at(0).query)


def test_scrambling_reaches_the_episode() -> None:
    plain, official = (View(Sampling(10, "dastm_official", True, scrambled)) for scrambled in (False, True))
    here, there = server(plain).at(0).query, server(official).at(0).query
    assert not torch.equal(here, there)
    assert torch.equal(here.flatten().sort().values, there.flatten().sort().values)


def test_exemplars_are_served_alike() -> None:
    steps = Exemplars(POOL, CLASSES, shot=1, chunk=20)
    served = list(Server(Viewer(POOL, NTU, View(Sampling(10))), steps))
    assert [episode.query.shape[1] for episode in served] == [20, 20, 2]
    assert all(torch.equal(episode.support, served[0].support) for episode in served)


def test_a_viewer_gives_plain_clips() -> None:
    viewer = Viewer(POOL, NTU, View(Sampling(10)))
    clip = torch.tensor([5, 0])
    frame = sample(POOL.length[clip], clip, Sampling(10))
    assert torch.equal(viewer.clips(clip, clip), POOL.gather(POOL.rows(clip, frame)))


def test_errors_name_the_remedy() -> None:
    with pytest.raises(EpisodeError, match="`bones` is not a stream. Did you mean `bone`"):
        View(streams=("bones",))
    with pytest.raises(EpisodeError, match="is not a stream"):
        View(streams=())
    with pytest.raises(EpisodeError, match="Layout kinect20 has 20 joints and the pool's clips have 25"):
        Viewer(POOL, layout("kinect20"), View())


class Spy(TorchDispatchMode):
    """Notes every operation that torch carries out."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.seen.add(str(operation))
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("frozen", [False, True])
def test_nothing_is_read_back_by_the_host(rule: str, frozen: bool) -> None:
    """Operations whose result the host must wait for: a number, a list of places, a tensor made from host values."""
    wild = server(replace(WILD, sampling=Sampling(10, rule, frozen, scrambled=True)), episodes=500, batch=2)
    with Spy() as spy:
        wild.at(0)
        wild.at(200)
    waits = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh", "equal.default")
    assert not [name for name in spy.seen if any(word in name for word in waits)]
    with Spy() as spy:
        torch.arange(3).sum().item()
    assert "aten._local_scalar_dense.default" in spy.seen


@pytest.mark.gpu
def test_the_gpu_serves_the_same_episodes_without_waiting() -> None:
    on_gpu = server(pool=Pool.load(STORE, device="cuda"), batch=2)
    on_gpu.at(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        episode = on_gpu.at(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for field in fields(Episode):
        torch.testing.assert_close(
            getattr(episode, field.name).cpu(), getattr(server(batch=2).at(1), field.name), rtol=1e-5, atol=1e-5
        )
