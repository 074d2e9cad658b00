"""Second views from another camera: which recordings replace which, and how often."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from helpers.stores import make_store

from episodes.cameras import Cameras
from episodes.loader import BatchLoader
from episodes.options import EpisodeError
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.transform import ClipTransform
from manifests.facts import layout
from prep.store.read import open_store

CPU, NTU = torch.device("cpu"), layout("ntu25")
PERFORMANCES = ["a", "b", "a", "c", "a", "c", "d"]
CLIPS = torch.arange(len(PERFORMANCES))


def partners(probability: float, keys: int = 600) -> list[Counter[int]]:
    """How often each clip was replaced by which."""
    cameras = Cameras.of(PERFORMANCES, probability, CPU)
    drawn = torch.stack([cameras.drawn(CLIPS, key) for key in range(keys)])
    return [Counter(column.tolist()) for column in drawn.T]


def test_every_other_recording_of_the_performance_is_drawn_and_nothing_else() -> None:
    for clip, found in enumerate(partners(1.0)):
        same = {other for other, of in enumerate(PERFORMANCES) if of == PERFORMANCES[clip] and other != clip}
        assert set(found) == (same or {clip})
        assert all(abs(count / 600 - 1 / len(found)) < 0.08 for count in found.values())


@pytest.mark.parametrize("probability", [0.0, 0.25, 0.5])
def test_a_clip_is_replaced_with_the_probability(probability: float) -> None:
    for clip, found in enumerate(partners(probability)):
        share = 1 - found[clip] / 600
        alone = PERFORMANCES.count(PERFORMANCES[clip]) == 1
        assert share == 0 if alone or not probability else abs(share - probability) < 0.07


def test_a_probability_beyond_one_is_refused() -> None:
    with pytest.raises(EpisodeError, match="probability is 1.5"):
        Cameras.of(PERFORMANCES, 1.5, CPU)


def test_the_first_view_is_the_clip_and_the_second_another_camera(tmp_path: object) -> None:
    pool = Pool.load(open_store(make_store(tmp_path / "s.zarr", clips_per_class=4)))  # type: ignore[operator]
    performances = [number // 2 for number in range(len(pool.names))]
    cameras = Cameras.of(performances, 1.0, CPU)

    def loader(cameras: Cameras | None) -> BatchLoader:
        transforms = [ClipTransform(pool, NTU, Sampling(8)) for _ in range(2)]
        return BatchLoader(transforms, range(len(pool.classes)), 8, 1, seed=4, cameras=cameras)

    plain, other = loader(None).at(1), loader(cameras).at(1)
    assert torch.equal(plain.clips[:, 0], other.clips[:, 0])
    position = torch.arange(len(pool.names))
    served = ClipTransform(pool, NTU, Sampling(8)).clips(position, position)
    [clip] = [torch.stack([(served == view).flatten(1).all(1) for view in plain.clips[:, 0]]).int().argmax(1)]
    assert torch.equal(served[clip ^ 1], other.clips[:, 1])
    assert torch.equal(plain.label, other.label)
