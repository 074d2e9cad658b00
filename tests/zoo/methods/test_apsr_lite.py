"""What is special to the part relevance: the rule written out, equal weights at first, names that change the answer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.learners import FIVE, GivenMaps, LinearBackbone, episode_of
from torch import Tensor

from manifests.facts import layout
from zoo.backbones._backbone import ShapeError
from zoo.learner import Known
from zoo.methods.apsr_lite import Model, Options

D, TEXT = 6, 5
LAYOUT = layout("ntu25")
V, P = len(LAYOUT.joints), len(LAYOUT.parts)
CLASS_ID = torch.tensor([[4, 0, 8]])


def model(**options: float) -> Model:
    torch.manual_seed(0)
    made = Model(GivenMaps(D), Options(**options), Known(LAYOUT, class_text=torch.randn(9, TEXT)))
    torch.nn.init.normal_(made.relevance.weight)
    torch.nn.init.normal_(made.relevance.bias)
    return made.eval()


def maps() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, 2, 4, V, D, generator=generator), torch.randn(1, 7, 4, V, D, generator=generator)


def vectors(clip: Tensor) -> Tensor:
    return torch.stack([F.normalize(clip[:, list(joints)].mean((0, 1)), dim=0) for joints in LAYOUT.parts.values()])


def test_scores_written_out() -> None:
    made, (support, query) = model(temperature=0.2, relevance_temperature=0.5), maps()
    scores = made.checked_scores(support, query, CLASS_ID)
    for n, label in enumerate(CLASS_ID[0].tolist()):
        text = made.class_text[label]
        weights = (made.relevance(text / text.norm()) / 0.5).softmax(-1)
        centre = (vectors(support[0, n, 0]) + vectors(support[0, n, 1])) / 2
        for q in range(7):
            cosine = F.cosine_similarity(vectors(query[0, q]), centre, dim=-1)
            torch.testing.assert_close(scores[0, q, n], (weights * cosine).sum() / 0.2)


def test_all_parts_count_the_same_before_training() -> None:
    made = Model(GivenMaps(D), Options(), Known(LAYOUT, class_text=torch.randn(9, TEXT)))
    torch.testing.assert_close(made.weights(torch.randn(1, 2, TEXT)), torch.full((1, 2, P), 1 / P))


def test_a_name_chooses_the_part_that_is_compared() -> None:
    """Two classes differ in the left arm; in the torso, the query is like the wrong one."""
    made, support = model(), torch.ones(1, 2, 1, 4, V, D)
    names = list(LAYOUT.parts)
    arm, torso = (list(LAYOUT.parts[name]) for name in ("left_arm", "torso"))
    support[:, 0, :, :, arm, 0] = support[:, 1, :, :, torso, 1] = -5.0
    query = torch.ones(1, 1, 4, V, D)
    query[:, :, :, arm, 0] = query[:, :, :, torso, 1] = -5.0
    for part, nearest in (("left_arm", 0), ("torso", 1)):
        torch.nn.init.zeros_(made.relevance.weight)
        made.relevance.bias.data = 20 * F.one_hot(torch.tensor(names.index(part)), P).float()
        assert made.checked_scores(support, query, CLASS_ID[:, :2])[0, 0].argmax() == nearest


def test_evidence_adds_up_to_the_scores() -> None:
    made, (support, query) = model(), maps()
    episode = episode_of(support[:, :, :, None], query[:, :, None], torch.zeros(1, 7, dtype=torch.long))
    evidence = made.evidence(episode)
    torch.testing.assert_close(evidence["part_score"].sum(-1), made(episode))
    torch.testing.assert_close(evidence["relevance"].sum(-1), torch.ones(1, 7, 3))
    assert evidence["part_score"].shape == evidence["relevance"].shape == (1, 7, 3, P)


def test_a_backbone_without_joints_and_a_missing_layout_are_refused() -> None:
    text = torch.randn(9, TEXT)
    with pytest.raises(ValueError, match=r"apsr_lite needs the layout of the skeleton: give Known\(layout\)"):
        Model(LinearBackbone(), Options(), Known(class_text=text))
    with pytest.raises(ShapeError, match="apsr_lite needs maps of the 25 joints of layout `ntu25`, .* one of: agcn"):
        Model(LinearBackbone(), Options(), Known(LAYOUT, class_text=text))
    with pytest.raises(ValueError, match=r"apsr_lite needs text vectors of the names of all classes: give Known\(cl"):
        Model(LinearBackbone(), Options(), Known(FIVE))
    with pytest.raises(ValueError, match="temperature is 0.0; it must be positive"):
        Options(temperature=0.0)
