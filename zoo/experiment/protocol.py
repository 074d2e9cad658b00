"""The protocol of a split: the settings that recipes take from `zoo/recipes/protocols/<split>.toml`.

Custom splits share `custom.toml`, whose settings are fitted to the classes of the split and to the skeleton: a default
must not fail where a custom dataset is small, flat or without a left and a right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from manifests.facts import is_custom
from manifests.folder import stems
from manifests.layout import Layout
from manifests.split import Split
from manifests.split_file import split
from manifests.strict import InvalidValue
from manifests.user_code import is_user_code
from zoo import registry
from zoo.experiment.graph import DEFAULT
from zoo.experiment.layers import merged, with_base
from zoo.experiment.library import FOLDER, lineage

PROTOCOLS = FOLDER / "protocols"
CUSTOM = "custom"
# What concerns the test: the only part of a budget that an untrained recipe takes from a protocol.
TESTING = ("test_episodes", "exemplar_draws", "test_seed")


@dataclass(frozen=True)
class Protocol:
    """Settings for one recipe, the name of the file that has them ("" for none), and what was changed, in words."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    remarks: tuple[str, ...] = ()


def protocol(
    chosen: object,
    table: Mapping[str, Any],
    kind: str,
    layout: Layout | None = None,
    names: Sequence[str] = (),
    own: Mapping[str, Any] | None = None,
) -> Protocol:
    """The settings that the recipe with this table takes on split `chosen`; `kind` is "methods" or "pretrain".

    The protocol's tables `options` and `optimisers` hold options of the method, and what a stage is optimised with, by
    the name of the recipe or of a shipped recipe that it builds on. A stage takes the table `stage` in place of
    everything that concerns episodes. An untrained recipe takes the test tasks alone: everything else of a protocol is
    chosen for networks that are trained. A recipe that only measures its initial weights keeps its 0 episodes, and one
    with a network of its own keeps that. So does one with frames or augmentation of its own, which stand in `own`: its
    table without what many recipes share. Settings of a custom split are fitted to it, and to the store's `layout` and
    class `names` where they are known.
    """
    name = protocol_name(chosen)
    if not name:
        return Protocol()
    settings = with_base(PROTOCOLS / f"{name}.toml", PROTOCOLS)
    options, optimiser = (_of_recipe(settings.pop(key, {}), table) for key in ("options", "optimisers"))
    stage = settings.pop("stage", {})
    if table.get("backbone", {}).get("name", DEFAULT) != DEFAULT:
        settings.pop("backbone", None)
    if kind == "pretrain":
        settings = merged(
            {key: value for key, value in settings.items() if key in ("backbone", "data", "augment")}, stage
        )
        settings = merged(settings, {"optimiser": optimiser} if optimiser else {})
    elif is_untrained(table):
        settings = _test_tasks(settings, table)
    elif options:
        settings = merged(settings, {"method": {"options": options}})
    if kind != "pretrain" and trains_nothing(table):
        settings = merged(settings, {"budget": {"episodes": 0}})
    settings = _without_own(settings, own or {})
    remarks = _optimiser_remarks(optimiser, table, name) if kind == "pretrain" else ()
    if name != CUSTOM:
        change, remark = _whole_episodes(settings, table)
        return Protocol(merged(settings, change), name, (*([remark] if remark else []), *remarks))
    fitted = _fitted(settings, split(str(chosen)), table, layout, names)
    return replace(fitted, remarks=(*fitted.remarks, *remarks))


def _of_recipe(choices: Mapping[str, Any], table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The choice for a recipe, else for the nearest recipe that it builds on: a variant takes its method's."""
    name = str(table.get("name"))
    found: Mapping[str, Any] = next((choices[each] for each in (name, *lineage(name)) if each in choices), {})
    return found


def _without_own(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without those that a recipe names itself: the frames of its network, and how it augments.

    A protocol's augmentation would come on top of that of a stage that augments its clips itself.
    """
    kept = {key: value for key, value in settings.items() if key != "augment" or key not in own}
    if "frames" in own.get("data", {}):
        kept["data"] = {key: value for key, value in kept.get("data", {}).items() if key != "frames"}
    return kept


def _optimiser_remarks(optimiser: Mapping[str, Any], table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """What a protocol changes in the optimiser of a stage."""
    before = table.get("optimiser", {})
    changed = {key: value for key, value in optimiser.items() if before.get(key) != value}
    return tuple(
        f"optimiser.{key} is {value}, not {before.get(key)}: protocols/{name}.toml has small networks and few steps"
        for key, value in changed.items()
    )


def protocol_name(chosen: object) -> str:
    """The protocol of a split, or of the split that it varies, or of all custom splits; "" where there is none."""
    if not isinstance(chosen, str):
        return ""
    found = [name for name in (chosen, split(chosen).base) if name in stems(PROTOCOLS, ".toml")]
    return found[0] if found else CUSTOM if is_custom(chosen) else ""


def is_untrained(table: Mapping[str, Any]) -> bool:
    """Whether a recipe's own file says that no weight is ever trained: nothing here, and no initial weights.

    >>> is_untrained({"budget": {"episodes": 0}}), is_untrained({"budget": {"episodes": 0, "epochs": 9}})
    (True, False)
    >>> is_untrained({"budget": {"episodes": 0}, "init": {"source": "supervised"}})
    False
    """
    return trains_nothing(table) and not table.get("init", {}).get("source")


def trains_nothing(table: Mapping[str, Any]) -> bool:
    """Whether a recipe's own file has 0 episodes and no epochs: what it measures is its initial weights."""
    budget = table.get("budget", {})
    return isinstance(budget, Mapping) and budget.get("episodes") == 0 and not budget.get("epochs")


def _test_tasks(settings: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """The task, the test part of the budget and, where the recipe names no frames, the frames."""
    budget = {key: value for key, value in settings.get("budget", {}).items() if key in TESTING}
    frames = settings.get("data", {}).get("frames")
    named = frames is None or "frames" in table.get("data", {})
    return {"task": settings.get("task", {}), "budget": budget, "data": {} if named else {"frames": frames}}


def _fitted(
    settings: dict[str, Any], chosen: Split, table: Mapping[str, Any], layout: Layout | None, names: Sequence[str]
) -> Protocol:
    """The protocol of a custom split."""
    changes = [_way(settings, chosen)]
    way = changes[0][0].get("task", {}).get("way", 0)
    changes += [_validation(settings, chosen, way), _rotation(settings, layout)]
    changes += [_evaluation(settings, table, chosen, layout, names)]
    for change, _ in changes:
        settings = merged(settings, change)
    return Protocol(settings, CUSTOM, tuple(remark for _, remark in changes if remark))


def _way(settings: Mapping[str, Any], chosen: Split) -> tuple[dict[str, Any], str]:
    """As many ways as there are classes to train on and, in random test tasks, to test on."""
    if "way" not in settings.get("task", {}):
        return {}, ""
    parts = [(draw.train, draw.test) for draw in chosen.draws] or [(chosen.train, chosen.test)]
    train, test = (min(len(part) for part in kind) for kind in zip(*parts, strict=True))
    wanted = settings["task"]["way"]
    way = min(wanted, train, test) if chosen.protocol == "episodic" else min(wanted, train)
    classes = f"{chosen.name} has {train} classes to train on and {test} to test on"
    if min(train, test) < 2:
        raise InvalidValue(f"{classes}; a task tells at least 2 apart. Give each part of the split 2 classes or more.")
    return {"task": {"way": way}}, f"task.way is {way}, not {wanted}: {classes}" if way < wanted else ""


def _validation(settings: Mapping[str, Any], chosen: Split, way: int) -> tuple[dict[str, Any], str]:
    """No validation where there are fewer validation classes than a task has ways."""
    if not settings.get("budget", {}).get("validation_episodes") or not 0 < len(chosen.val) < way:
        return {}, ""
    remark = (
        f"budget.validation_episodes is 0: {chosen.name} has {len(chosen.val)} classes to validate on, a task {way}"
    )
    return {"budget": {"validation_episodes": 0}}, remark


def _rotation(settings: Mapping[str, Any], layout: Layout | None) -> tuple[dict[str, Any], str]:
    """The turn about y becomes one about the vertical of the layout; a flat skeleton turns about z alone."""
    rotation = settings.get("augment", {}).get("rotation", [0, 0, 0])
    if layout is None or not any(rotation[:2]):
        return {}, ""
    axis = layout.vertical[0]
    if layout.axes > 2 and axis == 1:
        return {}, ""
    if layout.axes > 2:
        turned = list(rotation)
        turned[1], turned[axis] = turned[axis], turned[1]
        return {"augment": {"rotation": turned}}, f"augment.rotation is {turned}: {'xyz'[axis]} of {layout.name} is up"
    flat = [0.0, 0.0, rotation[2]]
    return {"augment": {"rotation": flat}}, f"augment.rotation is {flat}: the layout {layout.name} has no depth"


def _evaluation(
    settings: Mapping[str, Any], table: Mapping[str, Any], chosen: Split, layout: Layout | None, names: Sequence[str]
) -> tuple[dict[str, Any], str]:
    """No mirror image of a skeleton without a left and a right, nor where these tell two classes apart; nothing at test
    time for a method that needs more than maps."""
    if not settings.get("evaluation", {}).get("mirror"):
        return {}, ""
    off, whole = {"evaluation": {"mirror": False}}, _whole_episodes(settings, table)
    if whole[0]:
        return whole
    if layout is not None and not layout.mirror:
        return off, f"evaluation.mirror is off: the layout {layout.name} has no mirror pairs"
    sides = mirrored_names([names[label] for label in _tested(chosen) if label < len(names)])
    if sides:
        return off, f"evaluation.mirror is off: {sides[0]} and {sides[1]} are mirror images of each other"
    return {}, ""


def _whole_episodes(settings: Mapping[str, Any], table: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Nothing at test time for a user's method that scores whole episodes rather than maps of single clips."""
    method = str(table.get("method", {}).get("name", ""))
    if not (settings.get("evaluation") and is_user_code(method) and _overrides(method)):
        return {}, ""
    nothing = {"evaluation": {"mirror": False, "join": ""}}
    return nothing, f"evaluation.mirror is off, and join: {method} does not score maps of single clips"


def mirrored_names(names: Sequence[str]) -> tuple[str, ...]:
    """Two of the names that differ by left and right alone; empty where there are none.

    >>> mirrored_names(["wave", "kick with left foot", "kick with right foot"])
    ('kick with left foot', 'kick with right foot')
    """
    sides = {"left": "right", "right": "left"}
    known = {name.lower(): name for name in names}
    for name in names:
        swapped = re.sub("left|right", lambda match: sides[match.group()], name.lower())
        if swapped != name.lower() and swapped in known:
            return name, known[swapped]
    return ()


def _tested(chosen: Split) -> set[int]:
    return {label for draw in chosen.draws for label in draw.test} or set(chosen.test)


def _overrides(method: str) -> bool:
    """Whether a user's method replaces what makes one map of each clip (zoo.engine.scorer.can_use_maps)."""
    from zoo.methods._method import Method

    model = registry.learner(method).model
    return any(getattr(model, name, None) is not getattr(Method, name) for name in ("forward", "maps", "embed"))
