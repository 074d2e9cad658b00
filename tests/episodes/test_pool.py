from __future__ import annotations

import pytest
import torch
from helpers.fakes import FakeStore, even_store

import episodes.pool
from episodes.options import EpisodeError
from episodes.pool import Pool, PoolTooLarge


def clip(pool: Pool, place: int) -> torch.Tensor:
    return pool.joints[pool.start[place] : pool.start[place] + pool.length[place]]


def test_every_clip_is_as_the_store_has_it() -> None:
    store = even_store(classes=3, clips=4)
    pool = Pool.load(store)
    for i in range(12):
        assert torch.equal(clip(pool, i), torch.from_numpy(store.joints(store.offsets[i], store.offsets[i + 1])))
    assert pool.label.tolist() == store.label.tolist()
    assert pool.classes == ("action 0", "action 1", "action 2")
    assert not pool.joints[-1].any()


def test_a_part_keeps_the_stores_order_and_names() -> None:
    store = even_store(classes=3, clips=4)
    pool = Pool.load(store, keep=[7, 2, 7])
    assert pool.clip_id.tolist() == [2, 7]
    assert pool.names == ("clip0002", "clip0007")
    assert pool.label.tolist() == [2, 1]
    assert torch.equal(clip(pool, 1), torch.from_numpy(store.joints(store.offsets[7], store.offsets[8])))
    assert len(pool.joints) == pool.length.sum() + 1


def test_clips_without_frames_are_left_out_and_counted() -> None:
    pool = Pool.load(FakeStore([3, 0, 2, 0], [0, 0, 1, 1]), keep=[0, 1, 2])
    assert pool.left_out == 1
    assert pool.clip_id.tolist() == [0, 2]
    assert pool.length.tolist() == [3, 2]


def test_reads_are_slices_and_only_where_something_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes.pool, "SLICE", 10)
    store = FakeStore([8, 8, 8, 8, 8], [0] * 5)
    pool = Pool.load(store, keep=[0, 4])
    assert max(frames for _, frames in store.reads) <= 10
    assert [start for start, frames in store.reads if frames] == [0, 30]
    assert torch.equal(clip(pool, 1), torch.from_numpy(store.joints(32, 40)))


def test_several_pools_take_one_pass_over_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes.pool, "SLICE", 10)
    store = FakeStore([8, 8, 8, 8, 8], [0] * 5)
    first, second, none = Pool.load_several(store, [[0, 3], [1, 3, 4], []])
    assert [start for start, frames in store.reads if frames] == [0, 10, 20, 30]
    assert [pool.clip_id.tolist() for pool in (first, second, none)] == [[0, 3], [1, 3, 4], []]
    for pool, keep in ((first, [0, 3]), (second, [1, 3, 4]), (none, [])):
        alone = Pool.load(store, keep)
        assert torch.equal(pool.joints, alone.joints)
        assert torch.equal(pool.start, alone.start)


def test_nothing_to_keep_is_an_empty_pool() -> None:
    assert len(Pool.load(even_store(2, 2), keep=[]).names) == 0


@pytest.mark.parametrize("strange", [12, -1])
def test_a_clip_that_the_store_lacks_is_refused(strange: int) -> None:
    with pytest.raises(EpisodeError, match=rf"clip {strange} is not in the store, which has 12 clips: use 0\.\.11"):
        Pool.load(even_store(classes=3, clips=4), keep=[0, strange])


def test_a_pool_larger_than_the_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000_000_000, 2_000_000_000))
    with pytest.raises(PoolTooLarge, match=r"needs 1\.2 GB and cuda has 1\.0 GB free: keep fewer clips"):
        episodes.pool._check_room(2_000_000 * 150, torch.device("cuda"))
    episodes.pool._check_room(1_000_000 * 150, torch.device("cuda"))


def test_gather_is_indexing() -> None:
    store = even_store(classes=2, clips=3)
    pool = Pool.load(store)
    places, frame = torch.tensor([4, 0, 4]), torch.tensor([[0, 3], [2, -1], [1, 1]])
    out = pool.gather(pool.rows(places, frame))
    for x, place in enumerate(places.tolist()):
        for t, index in enumerate(frame[x].tolist()):
            expected = clip(pool, place)[index] if index >= 0 else torch.zeros(2, 25, 3)
            assert torch.equal(out[x, :, t], expected)
    assert out.is_contiguous()
