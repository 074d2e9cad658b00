"""What is special to Koopman pooling: its operators, written out, and that it tells dynamics apart."""

from __future__ import annotations

import pytest
import torch
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.methods.koopman import Model, Options


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rtol", [0.9, 0.3, 1e-6])
def test_scores_written_out(rtol: float) -> None:
    support, query = maps(1, 2, 3, 5, 4, 6), maps(1, 3, 5, 4, 6, seed=1)
    scores = Model(GivenMaps(6), Options(rtol=rtol, temperature=2.0)).score(support, query)
    for q in range(3):
        x = query[0, q].mean(1).double().T
        for n in range(2):
            errors = []
            for shot in support[0, n]:
                s = shot.mean(1).double().T
                u, values, v = torch.linalg.svd(s[:, :-1], full_matrices=False)
                kept = torch.where(values > rtol * values[0], 1 / values, 0)
                operator = s[:, 1:] @ v.T @ kept.diag() @ u.T
                errors.append((operator @ x[:, :-1] - x[:, 1:]).norm(dim=0).mean())
            torch.testing.assert_close(scores[0, q, n].double(), -min(errors) / 2, rtol=1e-4, atol=1e-4)


def test_queries_with_the_dynamics_of_a_class_belong_to_it() -> None:
    """The same frames in every class; a query starts elsewhere and turns at the speed of its class."""

    def turning(speed: float, start: float) -> Tensor:
        angle = start + speed * torch.arange(8.0)
        return torch.stack([angle.cos(), angle.sin()], dim=-1)[:, None]

    support = torch.stack([turning(speed, 0.0) for speed in (0.3, 1.0)])[None, :, None]
    query = torch.stack([turning(speed, 2.0) for speed in (1.0, 0.3)])[None]
    scores = Model(GivenMaps(2), Options(rtol=0.01)).score(support, query)
    assert scores[0].argmax(-1).tolist() == [1, 0]
    assert scores[0].amax(-1).abs().max() < 1e-4


def test_evidence_is_what_scores_are_made_of() -> None:
    support, query = maps(1, 2, 3, 5, 4, 6), maps(1, 3, 5, 4, 6, seed=1)
    model = Model(GivenMaps(6), Options())
    arrays = model.evidence(episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 3).long()))
    errors = arrays["prediction_error"]
    assert errors.shape == (1, 3, 2, 3, 4)
    torch.testing.assert_close(-errors.mean(-1).amin(-1), model.score(support, query))


def test_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r"but maps have 1 frame. Choose a backbone that keeps frames"):
        Model(GivenMaps(6), Options()).score(maps(1, 2, 1, 1, 4, 6), maps(1, 3, 1, 4, 6))


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match=r"rtol is 1\.0; it must be at least 0 and below 1"):
        Options(rtol=1.0)
    with pytest.raises(ValueError, match=r"temperature is 0\.0; it must be positive"):
        Options(temperature=0.0)
