"""Settings that make a run on the demo protocol a matter of a second."""

from __future__ import annotations

from helpers import tiny_backbone

SMALL = (
    f"backbone.name={tiny_backbone.__file__}",
    "data.frames=8",
    'data.streams=["joint"]',
    "evaluation.mirror=false",
    "evaluation.join=",
    "budget.episodes=24",
    "budget.episodes_per_epoch=12",
    "budget.validation_episodes=4",
    "budget.checkpoint_every=6",
    "budget.test_episodes=10",
    "task.queries_per_class=2",
)
