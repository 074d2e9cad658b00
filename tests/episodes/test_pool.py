from __future__ import annotations

import pytest
import torch
from helpers.fakes import FakeStore, even_store

import episodes.pool
from episodes.options import EpisodeError
from episodes.pool import Pool


def clip(pool: Pool, place: int) -> torch.Tensor:
    """The whole clip, (L, M, V, C)."""
    frame = torch.arange(int(pool.length[place]))[None]
    return pool.gather(pool.rows(torch.tensor([place]), frame))[0].transpose(0, 1)


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
    assert len(pool.joints) == 2 * pool.length.sum() + 1
    assert len(pool.origin) == pool.length.sum() + 1


def test_clips_without_frames_are_left_out_and_counted() -> None:
    pool = Pool.load(FakeStore([3, 0, 2, 0], [0, 0, 1, 1]), keep=[0, 1, 2])
    assert pool.left_out == 1
    assert pool.clip_id.tolist() == [0, 2]
    assert pool.length.tolist() == [3, 2]


def test_clips_that_show_nobody_are_left_out_unless_they_are_kept() -> None:
    store = FakeStore([3, 2, 0, 2], [0, 0, 1, 1], bodies=[1, 0, 1, 2])
    pool = Pool.load(store)
    assert (pool.left_out, pool.clip_id.tolist()) == (2, [0, 3])
    assert torch.equal(clip(pool, 1), torch.from_numpy(store.joints(5, 7)))
    assert len(pool.origin) == 3 + 2 + 1
    kept = Pool.load(store, keep_empty=True)
    assert (kept.left_out, kept.clip_id.tolist()) == (1, [0, 1, 3])
    assert not clip(kept, 1).any()


def test_subjects_and_cameras_belong_to_their_clips() -> None:
    store = FakeStore([3, 2, 1], [0, 0, 1])
    store.subject[:], store.camera[:] = [4, -1, 2], [1, 2, 3]
    pool = Pool.load(store, keep=[0, 2])
    assert (pool.subject.tolist(), pool.camera.tolist()) == ([4, 2], [1, 3])


def test_clips_that_lie_in_two_blocks_are_whole() -> None:
    store = FakeStore([8, 8, 8, 8, 8], [0] * 5, block=10)
    pool = Pool.load(store, keep=[1, 4])
    assert torch.equal(clip(pool, 0), torch.from_numpy(store.joints(8, 16)))
    assert torch.equal(clip(pool, 1), torch.from_numpy(store.joints(32, 40)))


def test_several_pools_take_one_pass_over_the_store() -> None:
    store = FakeStore([8, 8, 8, 8, 8], [0] * 5, block=10)
    first, second, none = Pool.load_several(store, [[0, 3], [1, 3, 4], []])
    assert store.reads == 1
    assert [pool.clip_id.tolist() for pool in (first, second, none)] == [[0, 3], [1, 3, 4], []]


def test_nothing_to_keep_is_an_empty_pool() -> None:
    assert len(Pool.load(even_store(2, 2), keep=[]).names) == 0


@pytest.mark.parametrize("strange", [12, -1])
def test_a_clip_that_the_store_lacks_is_refused(strange: int) -> None:
    with pytest.raises(EpisodeError, match=rf"clip {strange} is not in the store, which has 12 clips: use 0\.\.11"):
        Pool.load(even_store(classes=3, clips=4), keep=[0, strange])


@pytest.mark.parametrize("bodies", [[1, 2, 0, 2], [1, 1, 1, 1]])
def test_absent_bodies_take_no_rows(bodies: list[int]) -> None:
    lengths = [5, 3, 4, 6]
    store = FakeStore(lengths, [0, 0, 1, 1], bodies=bodies)
    pool = Pool.load(store, keep_empty=True)
    assert len(pool.joints) == sum(count * length for count, length in zip(bodies, lengths, strict=True)) + 1
    for i in range(4):
        assert torch.equal(clip(pool, i), torch.from_numpy(store.joints(store.offsets[i], store.offsets[i + 1])))
    assert ((pool.stride > 0).sum(1)).tolist() == bodies


def test_a_body_that_comes_later_keeps_all_its_frames() -> None:
    store = FakeStore([6], [0], bodies=[2])
    store.body_mask[:4, 1] = False
    store._joints[:4, 1] = 0
    assert torch.equal(clip(Pool.load(store), 0), torch.from_numpy(store.joints()))


@pytest.mark.parametrize(("dtype", "most"), [(torch.float16, 2.0**-11), (torch.bfloat16, 2.0**-8)])
def test_half_precision_halves_the_joints_and_is_off_by_its_rounding(dtype: torch.dtype, most: float) -> None:
    store = even_store(classes=3, clips=4)
    full, half = Pool.load(store), Pool.load(store, dtype=dtype)
    assert 2 * half.joints.nbytes == full.joints.nbytes
    row = full.rows(torch.arange(12), torch.arange(5).expand(12, -1))
    exact, served = full.gather(row), half.gather(row)
    assert served.dtype == torch.float32
    assert torch.equal(served, exact.to(dtype).float())
    # Half a unit in the last place, relative to the number; below the smallest normal number absolute.
    assert bool(((served - exact).abs() <= most * exact.abs() + 2.0**-25).all())
    assert bool((served != exact).any())


def test_half_precision_errors() -> None:
    with pytest.raises(EpisodeError, match=r"dtype is torch.float64: a pool keeps its joints as torch.float32, torch"):
        Pool.load(even_store(2, 2), dtype=torch.float64)
    store = even_store(2, 2)
    store._joints[3] = 70_000
    with pytest.raises(EpisodeError, match=r"The joints reach 7e\+04, too large for torch.float16: use torch.bfloat16"):
        Pool.load(store, dtype=torch.float16)
    Pool.load(store, dtype=torch.bfloat16)


def test_a_pool_larger_than_the_gpu_stays_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1_000_000_000, 2_000_000_000))
    assert episodes.pool._too_large(760_000_000, torch.device("cuda"))
    assert not episodes.pool._too_large(740_000_000, torch.device("cuda"))
    assert not episodes.pool._too_large(10**15, torch.device("cpu"))
    assert not Pool.load(even_store(2, 2)).on_host


def test_recorded_coordinates_belong_to_their_frames() -> None:
    store = FakeStore([5, 0, 3, 4], [0, 1, 0, 1], bodies=[2, 2, 1, 2])
    pool = Pool.load(store, keep=[0, 1, 3])
    assert torch.equal(pool.to_recorded, torch.from_numpy(store.to_recorded[[0, 3]]))
    row = pool.rows(torch.tensor([1, 0]), torch.tensor([[0, 3, -1], [4, 1, 1]]))
    origin = pool.origins(torch.tensor([1, 0]), row)
    assert torch.equal(origin[0, 0, :2], torch.from_numpy(store.origin()[[8, 11]]))
    assert torch.equal(origin[1, 1], torch.from_numpy(store.origin()[[4, 1, 1]]))
    assert not origin[0, :, 2].any()


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
