"""What is special to JEANIE: views of queries, in training and from stored maps; its distance and loss written out."""

from __future__ import annotations

import pytest
import torch
from helpers import plain_views as plain
from helpers.learners import FIVE, LinearBackbone, episode_of
from helpers.stores import make_store
from torch import Tensor

from episodes.draw import Classes
from episodes.episode import Episode
from episodes.loader import EpisodeLoader
from episodes.options import Task
from episodes.pool import Pool
from episodes.resample import Sampling
from episodes.sampler import EpisodicSampler
from episodes.transform import ClipTransform
from manifests.facts import layout
from prep.store.read import open_store
from zoo.backbones._backbone import ShapeError
from zoo.backbones.jeanie import Model as Encoder
from zoo.backbones.jeanie import Options as EncoderOptions
from zoo.engine.maps import MapTable
from zoo.engine.scorer import EpisodeScorer, MapScorer, can_use_maps
from zoo.learner import Known
from zoo.methods.jeanie import Model, Options, similarity_loss
from zoo.parts.soft_dtw import soft_dtw
from zoo.parts.view_alignment import block_distance, rotations


def made(**options: object) -> Model:
    torch.manual_seed(0)
    return Model(LinearBackbone(), Options(**options), Known(FIVE)).eval()  # type: ignore[arg-type]


def task(way: int = 2, shot: int = 2, queries: int = 3, frames: int = 3) -> Episode:
    generator = torch.Generator().manual_seed(0)
    support = torch.randn(1, way, shot, 1, frames, 5, 3, generator=generator)
    query = torch.randn(1, queries, 1, frames, 5, 3, generator=generator)
    return episode_of(support, query, torch.arange(queries)[None] % way)


def by_hand(model: Model, query: Tensor, support: Tensor) -> Tensor:
    """The raw cost of one query clip (1, T, V, 3), turned into every view, against one support clip."""
    turned = [model.backbone((query @ matrix.float())[None])[0].flatten(1) for matrix in rotations(model.options.views)]
    blocks, other = torch.stack(turned), model.backbone(support[None])[0].flatten(1)
    side = len(model.options.views)
    return block_distance(blocks[:, :, None], other).permute(1, 2, 0).unflatten(2, (side, side)).double()


@torch.no_grad()
@pytest.mark.parametrize("paths", ["free", "monotone"])
def test_the_score_is_minus_the_mean_distance_over_shots(paths: str) -> None:
    model, given = made(paths=paths, views=(-20.0, 0.0, 20.0), gamma=0.1, temperature=2.0), task()
    for q, n in ((0, 1), (2, 0)):
        costs = [by_hand(model, given.query[0, q], given.support[0, n, k]) for k in range(2)]
        values = [
            plain.view_alignment(cost, 0.1, 1) if paths == "free" else plain.monotone_alignment(cost, 0.1)
            for cost in costs
        ]
        expected = -torch.stack(values).mean() / (3 * 3) / 2.0
        torch.testing.assert_close(model(given)[0, q, n].double(), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_one_view_is_soft_dtw_of_blocks() -> None:
    model, given = made(views=(0.0,), normalise_by_length=False), task()
    cost = by_hand(model, given.query[0, 1], given.support[0, 0, 1])[..., 0, 0]
    distance = model.distances(*model.maps(given))[0, 1, 0, 1]
    torch.testing.assert_close(distance.double(), soft_dtw(cost, 0.01), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("paths", ["free", "monotone"])
def test_with_the_divergence_a_clip_is_near_itself(paths: str) -> None:
    given = task(shot=1, queries=2)
    same = episode_of(given.support, given.support[:, :, 0], given.answer)
    model = made(views=(0.0,), divergence=True, paths=paths, gamma=0.5)
    torch.testing.assert_close(model(same)[0].diagonal(), torch.zeros(2), rtol=0, atol=1e-5)
    several = made(views=(-1.0, 0.0, 1.0), divergence=True, paths=paths)
    assert several(same)[0].argmax(-1).tolist() == [0, 1]


@torch.no_grad()
def test_a_turned_query_is_recognised() -> None:
    """Class 1 looks like the query from the front; class 0 is the query, seen from 40 degrees."""
    given = task(shot=1, queries=1)
    support = 3 * given.support
    matrix = rotations((0.0, 40.0))[2].float()
    query = support[:, 0] @ matrix
    support[:, 1, 0] = query[:, 0] + 0.7
    turned = episode_of(support, query, torch.zeros(1, 1).long())
    assert made(views=(0.0,))(turned).argmax() == 1
    assert made(views=(-40.0, 0.0, 40.0))(turned).argmax() == 0


def test_similarity_loss_written_out() -> None:
    generator = torch.Generator().manual_seed(0)
    distance = torch.rand(2, 8, 3, generator=generator, requires_grad=True)
    answer = torch.randint(3, (2, 8), generator=generator)
    parts = []
    for values, label in zip(distance, answer, strict=True):
        same = torch.stack([values[q, label[q]] for q in range(8)])
        other = torch.stack([values[q, n] for q in range(8) for n in range(3) if n != label[q]])
        lowest, highest = same.detach().sort().values[:2].mean(), other.detach().sort().values[-6:].mean()
        parts.append((same.mean() - lowest).relu() + (highest - other.mean()).relu())
    expected, loss = torch.stack(parts).mean(), similarity_loss(distance, answer, nearest=2)
    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(each, distance)[0] for each in (loss, expected)]
    torch.testing.assert_close(*gradients)


def test_the_authors_loss_is_an_option() -> None:
    model, given = made(loss="similarity", temperature=3.0), task(shot=1, queries=6)
    losses = model.losses(given)
    distance = model.distances(*model.maps(given)).squeeze(-1)
    torch.testing.assert_close(losses.total, similarity_loss(distance, given.answer, 3))
    assert list(losses.parts) == ["similarity"]
    losses.total.backward()
    assert model.backbone.map.weight.grad.abs().sum() > 0


def test_evidence_is_what_scores_are_made_of() -> None:
    model, given = made(), task()
    arrays = model.evidence(given)
    assert arrays["block_distance"].shape == arrays["alignment"].shape == (1, 3, 2, 2, 3, 3, 3, 3)
    share = arrays["alignment"].sum((-1, -2))
    torch.testing.assert_close(share[..., 0, 0], torch.ones(1, 3, 2, 2), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(share[..., -1, -1], torch.ones(1, 3, 2, 2), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_each_clip_is_embedded_once_in_evaluation(tmp_path) -> None:  # type: ignore[no-untyped-def]
    pool = Pool.load(open_store(make_store(tmp_path / "toy.zarr", clips_per_class=4, separable=0.2)))
    transform = ClipTransform(pool, layout("ntu25"), Sampling(12, "segments"))
    loader = EpisodeLoader(transform, EpisodicSampler(Classes.of(pool, range(5)), Task(3, 1, 2), seed=1, episodes=2))
    torch.manual_seed(0)
    encoder = Encoder(layout("ntu25"), 3, transform.view(torch.tensor([0])).shape[1], EncoderOptions(width=6))
    method, seen = Model(encoder, Options(), Known(layout("ntu25"))).eval(), []
    assert can_use_maps(method, loader)
    quick = MapScorer(MapTable(method, transform))
    inner = encoder.forward
    encoder.forward = lambda clips: seen.append(len(clips)) or inner(clips)  # type: ignore[method-assign]
    scores = [quick.scores(loader, step)[0] for step in (0, 1, 0, 1)]
    wanted = {
        int(clip)
        for step in (0, 1)
        for part in ("support", "query")
        for clip in getattr(loader.sampler.at(step), part).flatten()
    }
    assert sum(seen) == 9 * len(wanted)
    for step in (0, 1):
        torch.testing.assert_close(scores[step], EpisodeScorer(method).scores(loader, step)[0], rtol=1e-4, atol=1e-4)


def test_clips_that_cannot_be_turned_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"layout `five` have 2 channels.*set method\.options\.views = \[0\.0\]"):
        Model(LinearBackbone(2), Options(), Known())
    with pytest.raises(ShapeError, match="jeanie turns clips in space"):
        Model(LinearBackbone(), Options(), Known(layout("coco17")))
    with pytest.raises(ShapeError, match="6 channels of joint, path, height, speed"):
        Model(LinearBackbone(6), Options(), Known(FIVE, streams=("joint", "path", "height", "speed")))
    assert not Model(LinearBackbone(2), Options(views=(0.0,)), Known(layout("coco17"))).turns


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"views": (-1.0, 1.0)}, r"views is \(-1\.0, 1\.0\); it must be different angles in increasing order, with 0"),
        ({"views": (1.0, 0.0)}, "neighbouring views are neighbours in the list"),
        ({"view_steps": -1}, r"view_steps is -1; it must be 0 \(none\) or positive"),
        ({"nearest": 0}, "nearest is 0; it must be at least 1"),
        ({"gamma": -1.0}, r"gamma is -1\.0"),
    ],
)
def test_options_are_checked(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
