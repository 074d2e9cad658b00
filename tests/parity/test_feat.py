"""FEAT against its published code: scores, both losses, the gradient, and the attention alone."""

from __future__ import annotations

import pytest
import torch
from helpers.fill import authors, error, golden
from helpers.learners import GivenMaps, episode_of
from torch import Tensor

from zoo.methods import feat

NAMES = {"query": "w_qs", "key": "w_ks", "value": "w_vs", "output": "fc", "norm": "layer_norm"}
PRECISIONS = [("f64", torch.float64, 1e-9), ("f32", torch.float32, 2e-6)]
METRICS = {"euc0": "cosine", "euc1": "squared_euclidean"}
WAY, QUERIES = 5, 3


def model(metric: str) -> feat.Model:
    """FEAT with the golden's weights and settings."""
    _, about = golden("feat")
    theirs = authors(about["keys"])
    options = feat.Options(
        metric=METRICS[metric],
        temperature=16.0,
        contrastive_temperature=8.0,
        attention_dropout=0.0,
        dropout=0.0,
        rescale=False,
    )
    made = feat.Model(GivenMaps(64), options)
    parts = [name.split(".") for name in made.attention.state_dict()]
    made.attention.load_state_dict({f"{ours}.{part}": theirs[f"slf_attn.{NAMES[ours]}.{part}"] for ours, part in parts})
    return made


def class_major(rows: Tensor, each: int) -> Tensor:
    """The golden's rows (shot or query, then class) as (class, shot or query)."""
    return rows.unflatten(0, (each, WAY)).transpose(0, 1)


@pytest.mark.parametrize(("name", "kind", "limit"), PRECISIONS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shot", [1, 5])
def test_scores_losses_and_gradient(shot: int, metric: str, name: str, kind: torch.dtype, limit: float) -> None:
    arrays, _ = golden("feat")
    row, made = f"K{shot}_{metric}", model(metric).to(kind)
    clips = torch.from_numpy(arrays[f"emb_K{shot}"]).to(kind).requires_grad_()
    support, query = class_major(clips[: WAY * shot], shot), clips[WAY * shot :]
    answer = torch.arange(WAY).repeat(QUERIES)
    episode = episode_of(support[None, :, :, None, None, None], query[None, :, None, None, None], answer[None])
    losses = made.losses(episode)
    assert error(losses.scores[0], arrays[f"{row}_logits_{name}"]) < limit
    assert error(losses.parts["cross_entropy"], arrays[f"{row}_ce_{name}"]) < limit
    assert error(losses.parts["contrastive"] / 0.1, arrays[f"{row}_ce_reg_{name}"]) < limit
    gradient = torch.autograd.grad(losses.total, clips)[0]
    assert error(gradient, arrays[f"{row}_grad_{name}"]) < limit


@pytest.mark.parametrize(("name", "kind", "limit"), PRECISIONS)
def test_attention_alone(name: str, kind: torch.dtype, limit: float) -> None:
    arrays, _ = golden("feat")
    first = torch.from_numpy(arrays["emb_K1"]).to(kind)[:5]
    adapted = model("euc1").to(kind).attention(first[None])[0]
    assert error(adapted, arrays[f"K1_euc1_attn_of_first5_{name}"]) < limit
