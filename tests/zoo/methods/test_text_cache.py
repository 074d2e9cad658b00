"""What is special to the cache over names: the rule written out, the transfer's networks, and names that decide."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import FIVE, GivenMaps, LinearBackbone, episode_of
from torch import Tensor

from zoo.learner import Known
from zoo.methods.text_cache import Model, Options
from zoo.pretrain import transfer

SMALL = {"hidden": 12, "width": 7}


def named(**options: object) -> Model:
    torch.manual_seed(0)
    text = 3 * torch.randn(9, 5)
    made = Model(GivenMaps(6), Options(**(SMALL | options)), Known(class_text=text))  # type: ignore[arg-type]
    for module in (made.projector, made.predictor, made.target_projector):
        module[1].running_mean.normal_()  # type: ignore[index,operator,union-attr]
    return made.eval()


def maps() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    support = torch.randn(2, 3, 2, 4, 5, 6, generator=generator)
    return support, torch.randn(2, 8, 4, 5, 6, generator=generator)


CLASS_ID = torch.tensor([[4, 0, 8], [1, 2, 3]])


@pytest.mark.parametrize("normalise", [True, False])
def test_scores_written_out(normalise: bool) -> None:
    made, (support, query) = named(beta=3.0, cache_weight=2.0, text_weight=0.5, normalise=normalise), maps()
    scores = made.checked_scores(support, query, CLASS_ID)
    for b in range(2):
        for q in range(8):
            own = query[b, q].mean((0, 1))
            skeleton = made.predictor(made.projector(made.adapter(own[None])))[0]
            for n in range(3):
                shots = support[b, n].mean((1, 2))
                cache = sum(torch.exp(-3 * (1 - F.cosine_similarity(own, shot, dim=0))) for shot in shots)
                vector = made.class_text[CLASS_ID[b, n]]
                name = made.target_projector((vector / vector.norm() if normalise else vector)[None])[0]
                expected = 2 * cache + 0.5 * F.cosine_similarity(skeleton, name, dim=0)
                torch.testing.assert_close(scores[b, q, n], expected)


def test_a_name_decides_where_the_support_does_not() -> None:
    made, (support, query) = named(text_weight=1.0), maps()
    same = support[:, :1].expand(-1, 3, -1, -1, -1, -1)
    differences = made.checked_scores(same, query, CLASS_ID).var(-1)
    assert (differences > 0).all()
    without = named(text_weight=0.0).checked_scores(same, query, CLASS_ID)
    torch.testing.assert_close(without, without[..., :1].expand_as(without))


def test_its_networks_are_those_of_the_transfer() -> None:
    stage = transfer.Model(LinearBackbone(), transfer.Options(**SMALL), Known(FIVE, ("a",), 5))
    made = Model(LinearBackbone(), Options(**SMALL), Known(FIVE, class_text=torch.randn(9, 5)))
    theirs = {name for name, _ in stage.state_dict().items()}
    assert made.state_dict().keys() == theirs
    made.load_state_dict(stage.state_dict())


def test_batch_statistics_of_the_transfer_stay_in_training() -> None:
    made, (support, query) = named().train(), maps()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    answer = torch.zeros(2, 8, dtype=torch.long)
    episode = episode_of(support[:, :, :, None], query[:, :, None], answer)
    made.losses(episode)
    assert made.training
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert not any(parameter.requires_grad for parameter in made.parameters())


def test_evidence_adds_up_to_the_scores() -> None:
    made, (support, query) = named(), maps()
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(2, 8, dtype=torch.long))
    evidence = made.evidence(episode)
    torch.testing.assert_close(evidence["cache_score"] + evidence["text_score"], made(episode))


@pytest.mark.parametrize(("options", "message"), [({"beta": 0.0}, "beta is 0.0"), ({"hidden": 0}, "hidden is 0")])
def test_options_that_make_no_sense(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Options(**options)  # type: ignore[arg-type]
