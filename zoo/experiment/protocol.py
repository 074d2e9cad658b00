"""The protocol of a split: the settings that recipes take from `zoo/recipes/protocols/<split>.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manifests.facts import split
from manifests.folder import stems
from zoo.experiment.layers import merged, with_base
from zoo.experiment.library import FOLDER

PROTOCOLS = FOLDER / "protocols"
# What concerns the test: the only part of a budget that an untrained recipe takes from a protocol.
TESTING = ("test_episodes", "exemplar_draws", "test_seed")


def protocol(chosen: object, table: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The settings that the recipe with this table takes on split `chosen`; none where it has no protocol.

    The protocol's table `options` holds options of the method by the recipe's name. A stage takes the table `stage` in
    place of everything that concerns episodes. An untrained recipe takes the test tasks alone: everything else of a
    protocol is chosen for networks that are trained.
    """
    name = protocol_name(chosen)
    if not name:
        return {}
    settings = with_base(PROTOCOLS / f"{name}.toml", PROTOCOLS)
    own, stage = settings.pop("options", {}).get(table.get("name"), {}), settings.pop("stage", {})
    if kind == "pretrain":
        kept = {key: value for key, value in settings.items() if key in ("backbone", "data", "augment")}
        return merged(kept, stage)
    if is_untrained(table):
        return _test_tasks(settings, table)
    return merged(settings, {"method": {"options": own}}) if own else settings


def protocol_name(chosen: object) -> str:
    """The protocol of a split, or of the split that it is a variation of; "" where there is none."""
    if not isinstance(chosen, str):
        return ""
    found = [name for name in (chosen, split(chosen).base) if name in stems(PROTOCOLS, ".toml")]
    return found[0] if found else ""


def is_untrained(table: Mapping[str, Any]) -> bool:
    """Whether a recipe's own file says that nothing is trained: 0 episodes, and no epochs.

    >>> is_untrained({"budget": {"episodes": 0}}), is_untrained({"budget": {"episodes": 0, "epochs": 9}})
    (True, False)
    """
    budget = table.get("budget", {})
    return isinstance(budget, Mapping) and budget.get("episodes") == 0 and not budget.get("epochs")


def _test_tasks(settings: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """The task, the test part of the budget and, where the recipe names no frames, the frames."""
    budget = {key: value for key, value in settings.get("budget", {}).items() if key in TESTING}
    frames = settings.get("data", {}).get("frames")
    named = frames is None or "frames" in table.get("data", {})
    return {"task": settings.get("task", {}), "budget": budget, "data": {} if named else {"frames": frames}}
