"""Settings with which a run takes a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence

from helpers import tiny_backbone

SETTINGS = (
    f"backbone.name={tiny_backbone.__file__}",
    "data.frames=8",
    "budget.episodes=6",
    "budget.episodes_per_epoch=3",
    "budget.validation_episodes=2",
    "budget.checkpoint_every=2",
    "budget.test_episodes=4",
    "task.queries_per_class=2",
)
STAGE = 'init.settings=["budget.epochs=1", "budget.batch=12"]'


def words(settings: Sequence[str] = SETTINGS) -> list[str]:
    """The settings as words of a command."""
    return [word for setting in settings for word in ("--set", setting)]
