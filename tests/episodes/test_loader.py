from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from helpers.fakes import FakeStore, even_store
from torch.utils._python_dispatch import TorchDispatchMode

from episodes.draw import Classes, draw
from episodes.episode import Episode
from episodes.loader import BatchLoader, EpisodeLoader
from episodes.options import Augment, EpisodeError, Task
from episodes.pool import Pool
from episodes.resample import RULES, Sampling, sample
from episodes.sampler import EpisodicSampler, ExemplarSampler
from episodes.streams import STREAMS
from episodes.transform import ClipTransform
from manifests.facts import layout

NTU = layout("ntu25")
STORE = even_store(classes=6, clips=8)
POOL = Pool.load(STORE)
CLASSES = Classes.of(POOL, range(6))
TASK = Task(3, 2, 3)
PLAIN: dict[str, Any] = {"sampling": Sampling(10)}
WILD: dict[str, Any] = PLAIN | {
    "streams": ("joint", "bone"),
    "augment": Augment((20.0, 20.0, 20.0), (0.9, 1.1), 0.5),
}


def loader(
    options: dict[str, Any] = WILD, episodes: int = 7, batch: int = 1, train: bool = True, pool: Pool = POOL
) -> EpisodeLoader:
    classes = CLASSES if pool is POOL else Classes.of(pool, range(6))
    transform = ClipTransform(pool, NTU, **options, seed=3, train=train)
    return EpisodeLoader(transform, EpisodicSampler(classes, TASK, 3, episodes, batch))


def joined(episodes: list[Episode]) -> Episode:
    return Episode(*(torch.cat([getattr(e, field.name) for e in episodes]) for field in fields(Episode)))


def assert_equal(here: Episode, there: Episode) -> None:
    for field in fields(Episode):
        torch.testing.assert_close(getattr(here, field.name), getattr(there, field.name), rtol=0, atol=1e-6)


def test_an_episode_holds_the_clips_that_were_drawn() -> None:
    episode = loader(PLAIN, train=False).at(2)
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
    single = list(loader())
    batched = list(loader(batch=batch))
    assert sum(len(episode.answer) for episode in batched) == 7
    assert_equal(joined(batched), joined(single))
    assert all(e.support.is_contiguous() and e.query.is_contiguous() for e in batched)


def test_steps_can_be_had_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(loader(batch=2))
    monkeypatch.setattr("episodes.sampler.CLIPS_AT_ONCE", 60)
    blocks = loader(batch=2)
    assert blocks.sampler.block == 2
    for step in (3, 0, 2, 1, 1, 3):
        assert_equal(blocks.at(step), whole[step])
    with pytest.raises(IndexError, match="Step 4 does not exist: there are 4"):
        blocks.at(4)


def test_training_draws_afresh_and_evaluation_does_not() -> None:
    def sampled(train: bool, rule: str) -> set[tuple[float, ...]]:
        """The ways in which clip 11 is sampled over many episodes."""
        samples = set()
        for episode in loader({"sampling": Sampling(10, rule)}, episodes=60, train=train):
            first = episode.query[0, :, 0, :, 0, 0]
            samples |= {tuple(row.tolist()) for row in first[episode.query_clip[0] == 11]}
        return samples

    assert len(sampled(train=True, rule="segments")) > 5
    assert len(sampled(train=True, rule="dastm_official")) == 1
    assert len(sampled(train=False, rule="segments")) == 1


def test_a_draw_per_clip_belongs_to_the_clip_not_to_the_pool() -> None:
    options = {"sampling": Sampling(10, "dastm_official"), "train": True}
    part = Pool.load(STORE, keep=[11, 30])
    key = torch.tensor([1, 2])
    whole, few = ClipTransform(POOL, NTU, **options), ClipTransform(part, NTU, **options)
    assert torch.equal(whole.clips(torch.tensor([11, 30]), key), few.clips(torch.tensor([0, 1]), key.flip(0)))


def test_an_episode_says_which_clips_it_holds() -> None:
    episode = loader(PLAIN, train=False).at(1)
    assert torch.equal(POOL.label[episode.support_clip], episode.class_id[:, :, None].expand(-1, -1, 2))
    assert torch.equal(POOL.label[episode.query_clip], episode.class_id.gather(1, episode.answer))
    assert torch.equal(episode.query[..., 0, 0, 0, 0].int(), episode.query_clip.int())


def test_augmentation_is_for_training_only() -> None:
    plain = WILD | {"augment": Augment()}
    assert_equal(loader(WILD, train=False).at(0), loader(plain, train=False).at(0))
    assert not torch.allclose(loader(WILD).at(0).query, loader(plain).at(0).query)


def test_the_official_rule_mixes_the_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    official = loader({"sampling": Sampling(10, "dastm_official")}).at(0).query
    monkeypatch.setitem(RULES, "dastm_official", replace(RULES["dastm_official"], rearrange=None))
    plain = loader({"sampling": Sampling(10, "dastm_official")}).at(0).query
    assert not torch.equal(plain, official)
    assert torch.equal(plain.flatten().sort().values, official.flatten().sort().values)


def test_exemplars_are_served_alike() -> None:
    steps = ExemplarSampler(POOL, CLASSES, shot=1, chunk=20)
    served = list(EpisodeLoader(ClipTransform(POOL, NTU, Sampling(10)), steps))
    assert [episode.query.shape[1] for episode in served] == [20, 20, 2]
    assert all(torch.equal(episode.support, served[0].support) for episode in served)


def test_a_transform_without_options_gives_plain_clips() -> None:
    transform = ClipTransform(POOL, NTU, Sampling(10))
    clip = torch.tensor([5, 0])
    frame = sample(POOL.length[clip], clip, Sampling(10))
    assert torch.equal(transform.clips(clip, clip), POOL.gather(POOL.rows(clip, frame)))


def test_errors_name_the_remedy() -> None:
    with pytest.raises(EpisodeError, match="`bones` is not a stream. Did you mean `bone`"):
        ClipTransform(POOL, NTU, streams=("bones",))
    with pytest.raises(EpisodeError, match="is not a stream"):
        ClipTransform(POOL, NTU, streams=())
    with pytest.raises(EpisodeError, match="Layout kinect20 has 20 joints and the pool's clips have 25"):
        ClipTransform(POOL, layout("kinect20"))


def test_scores_are_no_coordinates() -> None:
    """In an image the third number of a joint is a score: it is not turned or scaled."""
    store = FakeStore([9, 9, 9], [0, 0, 0], shape=(1, 17, 3))
    pool, wild = Pool.load(store), Augment((0.0, 0.0, 30.0), (2.0, 3.0))
    clip = torch.arange(3)
    transform = ClipTransform(pool, layout("coco17"), Sampling(5), augment=wild, train=True)
    rows = transform.rows(clip, clip)
    served, stored = transform.gather(rows, clip, clip), pool.gather(rows)
    torch.testing.assert_close(served[..., 2], stored[..., 2])
    assert bool((served[..., :2].norm(dim=-1) > 1.9 * stored[..., :2].norm(dim=-1)).all())
    with pytest.raises(EpisodeError, match="turns about z only"):
        ClipTransform(pool, layout("coco17"), augment=Augment((0.0, 10.0, 0.0)))


class Spy(TorchDispatchMode):
    """Notes every operation that torch carries out."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.seen.add(str(operation))
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_read_back_by_the_host(rule: str) -> None:
    """Operations whose result the host must wait for: a number, a list of places, a tensor made from host values."""
    wild = loader(WILD | {"sampling": Sampling(10, rule), "streams": STREAMS}, episodes=500, batch=2)
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
    on_gpu = loader(pool=Pool.load(STORE, device="cuda"), batch=2)
    on_gpu.at(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        episode = on_gpu.at(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for field in fields(Episode):
        torch.testing.assert_close(
            getattr(episode, field.name).cpu(), getattr(loader(batch=2).at(1), field.name), rtol=1e-5, atol=1e-5
        )


def batches(size: int = 10, epochs: int = 2, views: int = 2, pool: Pool = POOL, **options: Any) -> BatchLoader:
    transforms = [ClipTransform(pool, NTU, **WILD, seed=3, train=True) for _ in range(views)]
    return BatchLoader(transforms, range(6), size, epochs, seed=5, **options)


def test_an_epoch_holds_every_clip_at_most_once_in_an_order_of_its_own() -> None:
    plain = BatchLoader([ClipTransform(POOL, NTU, Sampling(10))], range(6), 10, 2, seed=5)
    assert (len(plain), plain.steps_per_epoch) == (8, 4)
    clips = [batch.clips[:, 0, 0, 0, 0, 0].int().tolist() for batch in plain]
    first, second = ([clip for batch in epoch for clip in batch] for epoch in (clips[:4], clips[4:]))
    assert len(set(first)) == len(set(second)) == 40
    assert first != second
    assert clips == [plain.at(step).clips[:, 0, 0, 0, 0, 0].int().tolist() for step in range(8)]


def test_views_differ_and_depend_on_the_step_alone() -> None:
    serving = batches()
    batch = serving.at(3)
    assert batch.clips.shape == (10, 2, 2, 10, 25, 6)
    assert not torch.allclose(batch.clips[:, 0], batch.clips[:, 1])
    serving.at(0)
    assert torch.equal(serving.at(3).clips, batch.clips)


def test_labels_are_rows_of_the_base_classes() -> None:
    some = Pool.load(STORE, keep=[clip for clip in range(48) if clip % 6 in (2, 4, 5)])
    loading = BatchLoader([ClipTransform(some, NTU, Sampling(10))], [5, 2, 4], 8, 1)
    for batch in loading:
        assert set(batch.label.tolist()) <= {0, 1, 2}
    assert torch.equal(loading.label, torch.searchsorted(torch.tensor([2, 4, 5]), some.label))
    with pytest.raises(EpisodeError, match="Clip clip0005 is not of the 2 classes that this loader serves"):
        BatchLoader([ClipTransform(some, NTU)], [2, 4], 8, 1)


def test_targets_belong_to_their_clips_and_those_without_are_left_out() -> None:
    vectors = torch.arange(48.0)[:, None].expand(48, 3)
    plain = BatchLoader([ClipTransform(POOL, NTU, Sampling(10))], range(6), 10, 2, targets=(vectors, vectors[:, 0] > 9))
    assert len(plain) == 6
    for batch in plain:
        assert batch.target is not None
        assert torch.equal(batch.target[:, 0], batch.clips[:, 0, 0, 0, 0, 0].round())
        assert bool((batch.target[:, 0] > 9).all())
    with pytest.raises(EpisodeError, match="0 clips in batches of 10"):
        BatchLoader([ClipTransform(POOL, NTU, Sampling(10))], range(6), 10, 2, targets=(vectors, vectors[:, 0] < 0))


def test_a_pool_smaller_than_a_batch_is_one_batch() -> None:
    assert (len(batches(size=100, epochs=3)), len(batches(size=100).at(0).label)) == (3, 48)
    with pytest.raises(EpisodeError, match="in batches of 0"):
        batches(size=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_joints_on_the_host_are_sent_a_block_at_a_time(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("episodes.sampler.CLIPS_AT_ONCE", 60)
    wild = WILD | {"streams": ("joint", "recorded", "path")}
    resident = Pool.load(STORE, dtype=dtype)
    far = Pool.load(STORE, dtype=dtype, on_host=True)
    assert (far.on_host, resident.on_host) == (True, False)
    gathered = []
    monkeypatch.setattr(Pool, "gather", lambda pool, row, inner=Pool.gather: gathered.append(row) or inner(pool, row))
    serving, beside = loader(wild, pool=far, batch=2), loader(wild, pool=resident, batch=2)
    for step in (0, 1, 2, 3):
        assert_equal(serving.at(step), beside.at(step))
    # Blocks of two steps from the host; every step from the device.
    assert [len(row) for row in gathered] == [60, 30, 30, 45, 30, 15]


@pytest.mark.gpu
def test_joints_on_the_host_are_the_same_on_the_gpu() -> None:
    far = loader(pool=Pool.load(STORE, device="cuda", on_host=True), batch=2)
    near = loader(pool=Pool.load(STORE, device="cuda"), batch=2)
    assert far.transform.pool.joints.device.type == "cpu"
    for step in range(len(far)):
        assert far.at(step).query.is_cuda
        assert_equal(far.at(step), near.at(step))
