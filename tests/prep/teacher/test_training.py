"""The training of the teacher: its loss, its augmentation, and that it depends on the seed alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from prep.progress import result
from prep.teacher.clips import BaseVideos, held_out
from prep.teacher.training import SMOOTHING, TEMPERATURE, Trained, augment, contrastive_loss, train
from prep.tensors import weights_digest


def squares(each: int = 10) -> BaseVideos:
    """Two classes: a bright square that rises or sinks, anywhere in the image."""
    rng, clips = np.random.default_rng(0), np.full((2 * each, 16, 32, 32, 3), 120, np.uint8)
    label = np.arange(2 * each) % 2
    for clip, sinks in zip(clips, label, strict=True):
        left = rng.integers(0, 26)
        for t in range(16):
            top = 2 + t if sinks else 20 - t
            clip[t, top : top + 6, left : left + 6] = (250, 80, 30)
    return BaseVideos(("move down", "move up"), clips, label, held_out(label), (), ())


def trained(seed: int = 0, epochs: int = 2) -> Trained:
    return result(train(squares(), seed, epochs))


def test_equal_seeds_give_equal_weights_and_the_global_generator_rests() -> None:
    state = torch.random.get_rng_state()
    one, same, other = (weights_digest(trained(seed).net.state_dict().items()) for seed in (0, 0, 1))
    assert one == same != other
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.slow
def test_direction_of_time_is_learnt_and_steps_are_counted() -> None:
    steps = []
    work = train(squares(), 0, 40)
    while True:
        try:
            steps.append(next(work))
        except StopIteration as stop:
            accuracy = stop.value.accuracy
            break
    assert [(step.done, step.total, step.stage) for step in steps] == [(n, 40, "training") for n in range(1, 41)]
    assert float(steps[-1].note.split()[1]) < float(steps[0].note.split()[1]) - 0.5
    # Both classes have the same frames in opposite order.
    assert accuracy == 1


def test_loss_beside_its_plain_form() -> None:
    similarity, label = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).tanh(), [0, 2, 2, 1, 0, 2]
    logits = (similarity / TEMPERATURE).tolist()

    def log_share(values: list[float], at: int) -> float:
        return values[at] - math.log(sum(math.exp(value) for value in values))

    videos = 0.0
    for row, own in zip(logits, label, strict=True):
        for at in range(4):
            videos -= log_share(row, at) * ((1 - SMOOTHING) * (at == own) + SMOOTHING / 4) / 6
    texts, columns = 0.0, list(zip(*logits, strict=True))
    for number in (0, 1, 2):
        members = [n for n in range(6) if label[n] == number]
        texts -= sum(log_share(list(columns[number]), n) for n in members) / len(members) / 3
    ours = contrastive_loss(similarity, torch.tensor(label))
    assert float(ours) == pytest.approx((videos + texts) / 2, rel=1e-5)


def test_augmentation_shifts_and_warps_but_never_mirrors() -> None:
    clip = np.zeros((1, 16, 32, 32, 3), np.uint8)
    # In every frame the left mark has its number and the right one is 200.
    clip[0, :, 16, 10], clip[0, :, 16, 20] = np.arange(1, 17)[:, None], 200
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        changed = augment(clip, rng)[0, ..., 0]
        row, left = (int(index[0]) for index in np.nonzero(changed[0])[:2])
        assert abs(row - 16) <= 3
        assert abs(left - 10) <= 3
        assert (changed[:, row, left + 10] == 200).all()
        times = changed[:, row, left].astype(int)
        assert (np.diff(times) >= 0).all()
        seen.add(tuple(times.tolist()))
    assert len(seen) > 50
