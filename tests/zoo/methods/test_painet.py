"""PAINet against its equations taken literally, and what every switch of Tables 2-4 changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import plain_painet as plain
from helpers.learners import FIVE, LinearBackbone, episode_of
from torch import Tensor

from episodes.episode import Episode
from zoo.learner import Known
from zoo.methods.painet import Model, Options

T, WIDTH = 4, LinearBackbone.width
BASE = Options()


class OneJoint(LinearBackbone):
    """A backbone that pools joints."""

    def __init__(self) -> None:
        super().__init__()
        self.map_joints = 1

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(clips).mean(2, keepdim=True)


def task(batch: int = 2, way: int = 3, shot: int = 2, queries: int = 4) -> Episode:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, 1, T, 5, 3, dtype=torch.float64, generator=generator)

    answer = torch.randint(way, (batch, queries), generator=generator)
    return episode_of(draw(batch, way, shot), draw(batch, queries), answer)


def model(options: Options = BASE, backbone: type[LinearBackbone] = LinearBackbone) -> Model:
    torch.manual_seed(0)
    made = Model(backbone(), options, Known(FIVE, frames=T)).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("learnt"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def like_base(**changed: Any) -> Model:
    """A model with other options, and the weights of the unchanged model wherever it has them."""
    made = model(replace(BASE, **changed))
    theirs = {k: v for k, v in model().state_dict().items() if k in made.state_dict()}
    made.load_state_dict({k: v for k, v in theirs.items() if v.shape == made.state_dict()[k].shape}, strict=False)
    return made


def distances(made: Model, episode: Episode) -> dict[str, Tensor]:
    with torch.no_grad():
        return made.distances(*made.maps(episode))


def test_distances_are_equations_1_to_8() -> None:
    made, episode = model(), task()
    found = distances(made, episode)
    with torch.no_grad():
        support, query = made.maps(episode)
    key, norm, value = literal_matcher(made)
    for b in range(2):
        for q in range(4):
            mine = query[b, q]
            for n in range(3):
                shots = support[b, n]
                part = made.cross.part
                facing = [plain.cross_sequence(mine, shot, made.cross.query, part) for shot in shots]
                others = [plain.cross_sequence(shot, mine, made.cross.support, part) for shot in shots]
                spatial = plain.set_metric(torch.stack(facing).mean(0), others)
                assert found["spatial"][b, q, n].item() == pytest.approx(spatial.item(), rel=1e-9)
                mixed, *rest = (
                    plain.mixer(
                        torch.stack([plain.self_frame(frame, made.within) for frame in clip]), made.mixers["temporal"]
                    )
                    for clip in (mine, *shots)
                )
                temporal = plain.cross_matcher(mixed, rest, key, norm, value)
                assert found["temporal"][b, q, n].item() == pytest.approx(temporal.item(), rel=1e-9)


def literal_matcher(made: Model) -> tuple[torch.nn.Module, ...]:
    """W1, the layer norm and W2 of eq. 7."""
    return made.matcher.key, made.matcher.norm, made.matcher.value


def test_loss_and_scores_are_equation_9() -> None:
    made, episode = model(replace(BASE, temporal_weight=0.3)), task()
    found, losses = distances(made, episode), made.losses(episode)
    answer = episode.answer.flatten()
    expected = {name: F.cross_entropy(-distance.flatten(0, 1), answer) for name, distance in found.items()}
    torch.testing.assert_close(losses.parts["spatial"], expected["spatial"])
    torch.testing.assert_close(losses.parts["temporal"], 0.3 * expected["temporal"])
    torch.testing.assert_close(losses.total, expected["spatial"] + 0.3 * expected["temporal"])
    torch.testing.assert_close(losses.scores, -(found["spatial"] + 0.3 * found["temporal"]))
    with torch.no_grad():
        torch.testing.assert_close(made(episode), losses.scores)


# What an option changes: the branches whose distance it moves; the others stay to the last digit.
SWITCHES: list[tuple[dict[str, Any], str]] = [
    ({"sca": False}, "spatial"),
    ({"ssa": False}, "temporal"),
    ({"tcm": "none"}, "temporal"),
    ({"tcm": "both"}, "spatial"),
    ({"tcm": "spatial"}, "spatial temporal"),
    ({"joint_part": False}, "temporal"),
    ({"joint_semantic": False}, "temporal"),
    ({"cross_relations": False}, "spatial"),
    ({"part_matrix": "bipartite"}, "spatial temporal"),
    ({"part_matrix": "joint"}, "spatial temporal"),
    ({"aggregation": "mask"}, ""),
    ({"aggregation": "mask_st"}, "temporal"),
    ({"aggregation": "channel_specific", "joint_part": False}, "temporal"),
    ({"metric": "hungarian"}, "spatial"),
    ({"unit": "frame"}, "spatial"),
    ({"unit": "frame", "metric": "euclidean"}, "spatial"),
    ({"unit": "frame", "metric": "dtw"}, "spatial"),
    ({"unit": "frame", "metric": "emd"}, "spatial"),
    ({"unit": "frame", "metric": "emd", "emd_weights": "uniform"}, "spatial"),
    ({"unit": "frame", "metric": "hungarian"}, "spatial"),
    ({"emd_weights": "uniform"}, ""),
    ({"key_width": 4}, "temporal"),
    ({"temporal_weight": 2.0}, ""),
    ({"temperature": 2.0}, "spatial temporal"),
]


@pytest.mark.parametrize(("changed", "branches"), SWITCHES, ids=lambda value: str(value))
def test_switch_changes_its_branch_and_nothing_else(changed: dict[str, Any], branches: str) -> None:
    episode = task()
    before, after = distances(model(), episode), distances(like_base(**changed), episode)
    assert set(before) == set(after) == {"spatial", "temporal"}
    for branch, distance in before.items():
        assert torch.equal(distance, after[branch]) == (branch not in branches.split()), branch


@pytest.mark.parametrize(
    ("changed", "kept", "gone"),
    [
        ({"tca": False, "ssa": False, "tcm": "none"}, "spatial", ("within.", "mixers.", "matcher.")),
        ({"tsm": False, "sca": False}, "temporal", ("cross.",)),
    ],
)
def test_one_branch_alone(changed: dict[str, Any], kept: str, gone: tuple[str, ...]) -> None:
    episode, made = task(), like_base(**changed)
    found = distances(made, episode)
    assert list(found) == [kept]
    assert torch.equal(found[kept], distances(model(), episode)[kept])
    expected = {name for name, _ in model().named_parameters() if not name.startswith(gone)}
    assert {name for name, _ in made.named_parameters()} == expected
    assert list(made.losses(episode).parts) == [kept]


def test_mask_works_in_training_only() -> None:
    episode, made, base = task(), like_base(aggregation="mask", mask_ratio=0.5), model()
    torch.manual_seed(5)
    trained = distances(made.train(), episode)
    assert not torch.equal(trained["temporal"], distances(base, episode)["temporal"])
    assert torch.equal(trained["spatial"], distances(base, episode)["spatial"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tsm": False, "sca": False, "tca": False, "ssa": False, "tcm": "none"}, "nothing is compared"),
        ({"tsm": False}, "sca needs tsm"),
        ({"tca": False}, "ssa needs tca"),
        ({"tca": False, "ssa": False}, "there is no temporal branch"),
        ({"tsm": False, "sca": False, "tcm": "both"}, "there is no spatial branch"),
        ({"ssa": False, "aggregation": "mask"}, "Set ssa = true"),
        ({"aggregation": "channel_specific"}, "Set joint_part = false"),
        ({"metric": "dtw"}, "Set unit = frame"),
        ({"metric": "euclidean"}, "Set unit = frame"),
        ({"metric": "emd"}, "Set unit = frame, or emd_weights = uniform"),
        ({"temporal_weight": 0.0}, "temporal_weight is 0.0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"mask_ratio": 1.0}, "mask_ratio is 1.0"),
        ({"window": 2}, "window is 2"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Options(**options)


def test_layout_is_needed() -> None:
    with pytest.raises(ValueError, match="needs the layout"):
        Model(LinearBackbone(), BASE, Known(frames=T))


@pytest.mark.parametrize("aggregation", ["self", "mask_st", "channel_specific"])
def test_on_maps_of_one_joint_everything_learns(aggregation: str) -> None:
    options = replace(BASE, aggregation=aggregation, joint_part=aggregation != "channel_specific")
    made = model(options, OneJoint)
    assert not [name for name, _ in made.named_parameters() if "semantic" in name or "part" in name]
    made.train().losses(task()).total.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in made.parameters())


def test_evidence_explains_the_distances() -> None:
    made, episode = model(), task()
    with torch.no_grad():
        found = made.evidence(episode)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "cross_attention": (2, 4, 3, T, 5, 5),
        "self_attention": (2, 4, T, 5, 5),
        "frame_distance": (2, 4, 3, 2, T, T),
        "alignment": (2, 4, 3, 2, T, T),
        "tuple_weights": (2, 4, 3, 6, 2, 6),
    }
    for name, axes in (("cross_attention", -1), ("self_attention", -1), ("tuple_weights", (-2, -1))):
        total = found[name].sum(axes)
        torch.testing.assert_close(total, torch.ones_like(total))
    torch.testing.assert_close(found["alignment"].sum((-3, -2, -1)), torch.full((2, 4, 3), 2.0, dtype=torch.float64))
    nearest = []
    for table in found["frame_distance"].flatten(0, 2).square():
        pairs = [
            [table[k, i, m] + table[k, j, n] for k in range(2) for m in range(T) for n in range(m + 1, T)]
            for i in range(T)
            for j in range(i + 1, T)
        ]
        nearest.append(torch.tensor([min(pair) for pair in pairs]).sqrt().mean())
    torch.testing.assert_close(
        torch.stack(nearest).view(2, 4, 3).double(), distances(made, episode)["spatial"], rtol=1e-6, atol=0
    )


def test_evidence_of_what_is_switched_off_is_left_out() -> None:
    with torch.no_grad():
        found = model(Options(sca=False, ssa=False, tcm="none", tca=False)).evidence(task())
        pooled = model(BASE, OneJoint).evidence(task())
    assert set(found) == {"frame_distance", "alignment"}
    assert set(pooled) == {"frame_distance", "alignment", "tuple_weights"}


def test_adapted_vectors_are_the_branches_means_over_frames_and_shots() -> None:
    made, episode = model(), task()
    with torch.no_grad():
        support, query = made.maps(episode)
        own, other = made.adapted(support, query)
        frames, others = made.facing(support, query)
        width = own.shape[-1] // 2
        for n in range(3):
            torch.testing.assert_close(own[:, :, n, :width], frames[:, :, n].mean(2))
            torch.testing.assert_close(other[:, :, n, :width], others[:, :, n].flatten(2, 3).mean(2))
            torch.testing.assert_close(own[:, :, n, width:], made._frames(query).mean(2))
            torch.testing.assert_close(other[:, 0, n, width:], made._frames(support)[:, n].flatten(1, 2).mean(1))
