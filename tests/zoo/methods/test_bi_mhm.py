"""bi-MHM against HyRSM's and ESR-MM's published code, and what is special to it: the order of frames does not count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.fill import error, golden
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.methods.bi_mhm import Model, Options


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(**options: object) -> Model:
    return Model(GivenMaps(4), Options(**options))


@pytest.mark.parametrize(("name", "kind", "limit"), [("f64", torch.float64, 1e-9), ("f32", torch.float32, 3e-6)])
@pytest.mark.parametrize("size", ["K1", "K3"])
def test_parity_with_published_code(size: str, name: str, kind: torch.dtype, limit: float) -> None:
    arrays, _ = golden("set_metrics")
    query, support = (torch.from_numpy(arrays[f"{letter}_{size}"]).to(kind) for letter in "QS")
    order = torch.from_numpy(np.argsort(arrays[f"labels_{size}"], kind="stable"))
    classes, queries = support[order].unflatten(0, (5, -1))[None, :, :, :, None], query[None, :, :, None]
    assert error(model().score(classes, queries)[0], arrays[f"{size}_bimhm_hyrsm_logits_{name}"]) < limit
    each = model(reduction="mean", consistency=0.1).score(support[None, :, None, :, None], queries)[0]
    assert error(-each, arrays[f"{size}_esrmm_bimhm_cosine_{name}"]) < limit


def test_the_order_of_frames_counts_for_the_penalty_alone() -> None:
    support, query = maps(1, 2, 3, 5, 3, 4), maps(1, 4, 5, 3, 4, seed=1)
    shuffled = query[:, :, torch.tensor([2, 0, 4, 1, 3])]
    torch.testing.assert_close(model().score(support, shuffled), model().score(support, query))
    penalised = model(consistency=0.1)
    assert not torch.allclose(penalised.score(support, shuffled), penalised.score(support, query))


def test_shots_are_averaged_as_distances_or_as_maps() -> None:
    support, query = maps(1, 2, 3, 5, 3, 4), maps(1, 4, 5, 3, 4, seed=1)
    each = torch.stack([model().score(support[:, :, k : k + 1], query) for k in range(3)])
    torch.testing.assert_close(model(temperature=2.0).score(support, query), each.mean(0) / 2)
    first = model().score(support.mean(2, keepdim=True), query)
    torch.testing.assert_close(model(shots="map").score(support, query), first)
    torch.testing.assert_close(10 * model(reduction="mean").score(support, query), model().score(support, query))


def test_evidence_is_the_nearest_frames_of_both_directions() -> None:
    support, query = maps(1, 2, 3, 5, 3, 4), maps(1, 4, 5, 3, 4, seed=1)
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 4, dtype=torch.long))
    evidence = model().evidence(episode)
    assert evidence["frame_distance"].shape == evidence["alignment"].shape == (1, 4, 2, 3, 5, 5)
    total = (evidence["frame_distance"] * evidence["alignment"]).sum((-1, -2)).mean(-1)
    torch.testing.assert_close(-total, model().score(support, query))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"consistency": -1.0}, r"consistency is -1.0; it must be 0 \(none\) or positive"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be positive"),
    ],
)
def test_values_without_a_meaning_are_refused(options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Options(**options)
