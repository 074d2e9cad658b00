"""Contrastive training of the demo teacher: a video and the name of its class have similar vectors (Radford et al.,
2021). It runs on the CPU and is a function of its seed: with one thread, equal seeds give bit-identical weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from manifests.facts import encoder as facts_of
from prep.encoders._normalise import normalise
from prep.encoders._teacher_net import bags, initial_net, text_vectors, video_vectors
from prep.progress import Step, Work
from prep.teacher.clips import BaseVideos

if TYPE_CHECKING:
    import torch

TEMPERATURE, SMOOTHING = 0.1, 0.1
_BATCH, _RATE, _DECAY, _WARM_UP = 64, 3e-3, 1e-2, 0.15
# Augmentation: pixels of shift, logarithm of the change of speed, frames of shift in time.
_SHIFT, _SPEED, _DELAY = 3, 0.25, 1.5


@dataclass(frozen=True)
class Trained:
    """A trained network, and the share of held-out clips that are nearest to the text vector of their class."""

    net: torch.nn.ModuleDict
    accuracy: float


def train(base: BaseVideos, seed: int, epochs: int) -> Work[Trained]:
    """Train a network on the clips of `base` that are not held out; the stage of every step is "training"."""
    import torch

    net, features = initial_net(seed), torch.from_numpy(bags(base.classes))
    rows = np.flatnonzero(~base.held_out)
    order, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    size = min(_BATCH, len(rows))
    total = epochs * (len(rows) // size)
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=total + 1, pct_start=_WARM_UP)
    for step, batch in enumerate(_batches(rows, size, epochs, order), start=1):
        videos = video_vectors(net, _pixels(augment(base.clips[batch], order)), noise)
        similarity = videos @ text_vectors(net, features).T
        loss = contrastive_loss(similarity, torch.from_numpy(base.label[batch]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        yield Step(step, total, "training", f"loss {float(loss.detach()):.2f}")
    return Trained(net.eval(), _accuracy(net, base, features))


def contrastive_loss(similarity: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """CLIP's loss where several videos have one text, from the cosine similarities (videos, classes).

    The mean of two terms: each video finds its class (with label smoothing); each class that occurs finds its videos,
    the target being uniform over them (as in ActionCLIP, Wang et al., 2021, eq. 3). Similarities are divided by 0.1.

    >>> import torch
    >>> label = torch.tensor([0, 1, 1])
    >>> good, bad = (torch.eye(2)[rows] for rows in ([0, 1, 1], [1, 0, 0]))
    >>> bool(contrastive_loss(good, label) < contrastive_loss(bad, label))
    True
    """
    import torch
    from torch.nn import functional

    logits = similarity / TEMPERATURE
    to_text = functional.cross_entropy(logits, label, label_smoothing=SMOOTHING)
    members = functional.one_hot(label, logits.shape[1]).to(logits.dtype).T
    occurs = members.any(dim=1)
    target = members[occurs] / members[occurs].sum(dim=1, keepdim=True)
    to_video = functional.cross_entropy(logits.T[occurs], target)
    return torch.stack([to_text, to_video]).mean()


def augment(clips: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shift each clip (B, T, S, S, 3) by up to 3 pixels, and change its speed and its start; never mirror it.

    A mirrored action is often another class, also a novel one.
    """
    changed = np.empty_like(clips)
    centred = np.arange(clips.shape[1]) - (clips.shape[1] - 1) / 2
    for row, clip in zip(changed, clips, strict=True):
        speed, delay = np.exp(rng.uniform(-_SPEED, _SPEED)), rng.uniform(-_DELAY, _DELAY)
        times = np.clip(np.rint(centred * speed + delay - centred[0]).astype(int), 0, len(clip) - 1)
        row[...] = np.roll(clip[times], rng.integers(-_SHIFT, _SHIFT + 1, 2), axis=(1, 2))
    return changed


def _batches(rows: NDArray[np.int64], size: int, epochs: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Rows in random order, epoch by epoch; an incomplete last batch is left out."""
    for _ in range(epochs):
        shuffled = rng.permutation(rows)
        for start in range(0, len(rows) - size + 1, size):
            yield shuffled[start : start + size]


def _pixels(clips: NDArray[np.uint8]) -> torch.Tensor:
    facts = facts_of("demo_teacher")
    return normalise(clips, facts.mean, facts.std, "cpu")


def _accuracy(net: torch.nn.ModuleDict, base: BaseVideos, features: torch.Tensor) -> float:
    """The share of held-out clips whose nearest text vector is that of their class."""
    import torch

    clips, label = base.clips[base.held_out], base.label[base.held_out]
    with torch.no_grad():
        texts = text_vectors(net, features)
        parts = np.array_split(np.arange(len(clips)), -(-len(clips) // _BATCH))
        videos = torch.cat([video_vectors(net, _pixels(clips[part])) for part in parts])
    return float(((videos @ texts.T).argmax(dim=1).numpy() == label).mean())
