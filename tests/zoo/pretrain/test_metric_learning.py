"""What is special to metric learning: both losses and the miner written out, and batches without pairs."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import LinearBackbone
from torch import Tensor

from episodes.episode import Batch
from zoo.experiment.resolve import initial, resolve
from zoo.learner import Known
from zoo.parts.metric_extra import ExtraMissing
from zoo.pretrain.metric_learning import Model, Options, make_miner

LABELS = (0, 1, 2, 0, 1, 2, 0, 1)


def made(classes: int = 3, **options: object) -> Model:
    torch.manual_seed(0)
    return Model(LinearBackbone(), Options(**options), Known(None, tuple("abcdefgh"[:classes])))


def batch(label: tuple[int, ...] = LABELS) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.randn(len(label), 1, 1, 4, 5, 3, generator=generator), torch.tensor(label))


def unit(embeddings: Tensor) -> list[list[float]]:
    return F.normalize(embeddings.double(), dim=-1).tolist()


def mined(embeddings: Tensor, label: list[int], epsilon: float) -> tuple[list, list]:
    """Wang et al., eq. 12 and 13, pair by pair: (anchor, positive) and (anchor, negative)."""
    vectors = unit(embeddings)
    positives, negatives = [], []
    for i, anchor in enumerate(vectors):
        cosine = [sum(a * b for a, b in zip(anchor, other, strict=True)) for other in vectors]
        same = [j for j in range(len(label)) if label[j] == label[i] and j != i]
        different = [j for j in range(len(label)) if label[j] != label[i]]
        negatives += [(i, j) for j in different if same and cosine[j] > min(cosine[k] for k in same) - epsilon]
        positives += [(i, j) for j in same if different and cosine[j] < max(cosine[k] for k in different) + epsilon]
    return positives, negatives


def multi_similarity(embeddings: Tensor, positives: list, negatives: list, options: Options) -> float:
    """Wang et al., eq. 16, with the pairs that were kept."""
    vectors, total = unit(embeddings), 0.0
    for i, anchor in enumerate(vectors):
        cosine = [sum(a * b for a, b in zip(anchor, other, strict=True)) for other in vectors]
        near = sum(math.exp(-options.alpha * (cosine[j] - options.base)) for a, j in positives if a == i)
        far = sum(math.exp(options.beta * (cosine[j] - options.base)) for a, j in negatives if a == i)
        total += math.log(1 + near) / options.alpha + math.log(1 + far) / options.beta
    return total / len(vectors)


def triplet(embeddings: Tensor, positives: list, negatives: list, options: Options) -> float:
    """The mean of the terms above 0, of every kept positive with every kept negative of its anchor."""
    vectors = unit(embeddings)
    terms = [
        max(0.0, math.dist(vectors[a], vectors[p]) - math.dist(vectors[a], vectors[n]) + options.margin)
        for a, p in positives
        for b, n in negatives
        if a == b
    ]
    above = [term for term in terms if term > 0]
    return sum(above) / len(above)


@pytest.mark.parametrize(("loss", "plain"), [("multi_similarity", multi_similarity), ("triplet", triplet)])
def test_both_parts_written_out(loss: str, plain) -> None:
    stage, given = made(loss=loss, metric_weight=0.3), batch()
    embeddings = stage.backbone(given.clips[:, 0]).mean((1, 2)).detach()
    kept = mined(embeddings, given.label.tolist(), stage.options.epsilon)
    losses = stage.losses(given)
    scores = embeddings @ stage.classifier.weight.T + stage.classifier.bias
    assert list(losses.parts) == [loss, "cross_entropy"]
    assert float(losses.parts[loss].detach()) == pytest.approx(0.3 * plain(embeddings, *kept, stage.options), rel=1e-5)
    torch.testing.assert_close(losses.parts["cross_entropy"], 0.7 * F.cross_entropy(scores, given.label))
    assert float(losses.accuracy) == (scores.argmax(-1) == given.label).float().mean()  # type: ignore[arg-type]
    assert int(stage.batches_without_pairs) == 0


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_the_miner_keeps_the_pairs_of_the_paper(epsilon: float) -> None:
    embeddings = torch.randn(12, 4, generator=torch.Generator().manual_seed(2))
    label = torch.arange(12) % 3
    anchor, positives, other, negatives = (
        part.tolist() for part in make_miner(Options(epsilon=epsilon))(embeddings, label)
    )
    plain = mined(embeddings, label.tolist(), epsilon)
    assert sorted(zip(anchor, positives, strict=True)) == sorted(plain[0])
    assert sorted(zip(other, negatives, strict=True)) == sorted(plain[1])


@pytest.mark.parametrize("loss", ["multi_similarity", "triplet"])
@pytest.mark.parametrize("label", [(1, 1, 1, 1), (0, 1, 2)])
def test_a_batch_without_pairs_has_no_metric_loss_and_is_counted(loss: str, label: tuple[int, ...]) -> None:
    stage = made(loss=loss)
    losses = stage.losses(batch(label))
    assert losses.parts[loss].requires_grad
    assert float(losses.parts[loss].detach()) == 0
    (gradient,) = torch.autograd.grad(losses.parts[loss], stage.backbone.map.weight, retain_graph=True)
    assert gradient.eq(0).all()
    losses.total.backward()
    assert stage.backbone.map.weight.grad.abs().sum() > 0
    stage.eval().losses(batch(label))
    assert int(stage.batches_without_pairs) == 1
    assert int(stage.state_dict()["batches_without_pairs"]) == 1


@pytest.mark.parametrize("loss", ["multi_similarity", "triplet"])
def test_clips_without_a_body_have_finite_gradients(loss: str) -> None:
    stage, given = made(loss=loss), batch()
    stage.losses(replace(given, clips=torch.zeros_like(given.clips))).total.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in stage.parameters())


def test_the_metric_loss_is_not_in_half_precision() -> None:
    stage, given = made(), batch()
    exact = stage.losses(given).parts["multi_similarity"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = stage.losses(given).parts["multi_similarity"]
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.02, atol=0)


def test_one_class_is_too_few() -> None:
    with pytest.raises(ValueError, match="needs at least 2 base classes; there are 1. Choose another split"):
        made(classes=1)


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pytorch_metric_learning", "pytorch_metric_learning.losses"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ExtraMissing, match=r"`pytorch_metric_learning` cannot be.*pip install 'fewshot-skeleton\[metric\]'"
    ):
        made()


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match=r"metric_weight is 1.5; it must be 0 \(cross-entropy alone\) to 1 \(none\)"):
        Options(metric_weight=1.5)
    with pytest.raises(ValueError, match=r"beta is 0.0; it must be positive"):
        Options(beta=0.0)


@pytest.mark.parametrize(
    ("recipe", "encoding", "weights", "loss", "before"),
    [
        ("sl_dml", "sl_dml", "imagenet", "triplet", ""),
        ("skeleton_dml", "skeleton_dml", "imagenet", "multi_similarity", ""),
        ("skeleton_dml_random", "skeleton_dml", "random", "multi_similarity", ""),
        ("skeleton_dml_imagenet", "skeleton_dml", "imagenet", "multi_similarity", ""),
        ("skeleton_dml_transfer", "skeleton_dml", "random", "multi_similarity", "transfer"),
    ],
)
@pytest.mark.parametrize("on", ["", "ntu120_one_shot"])
def test_recipes_train_the_embedding_that_they_measure(
    recipe: str, encoding: str, weights: str, loss: str, before: str, on: str
) -> None:
    chosen = resolve(recipe, on, ["backbone.name=resnet18"])
    stage = initial(chosen)
    assert chosen.budget.episodes == 0
    assert chosen.backbone == stage.backbone
    assert {key: stage.backbone.options[key] for key in ("encoding", "weights", "embedding_width")} == {
        "encoding": encoding,
        "weights": weights,
        "embedding_width": 128,
    }
    assert (stage.method.name, stage.method.options["loss"], stage.init.source) == ("metric_learning", loss, before)
    assert (stage.optimiser.name, stage.optimiser.lr, stage.optimiser.momentum) == ("rmsprop", 1e-6, 0)
