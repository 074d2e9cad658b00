"""Preprocessing pipelines: for each layout, the steps that turn a recording into a clip, in order.

One TOML file per pipeline in prep/preprocessing. The first step of a layout selects bodies (a function in
prep.preprocessing.bodies); the others transform joints (functions in prep.preprocessing.steps). The options of a step
are arguments of its function; a function with an argument `layout` is given the layout of the clip. Steps that drop or
repeat frames come before those that change coordinates.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from manifests import facts
from manifests.folder import stems
from manifests.layout import Layout
from manifests.strict import InvalidValue, build, hint, parse
from prep.clip import Clip, Recording
from prep.preprocessing import bodies, quality, steps
from prep.preprocessing.moved import Joints, Moved

ANY = "any"  # key of the steps for layouts that have no steps of their own
LAYOUT = "layout"  # argument of steps that take the facts of the clip's layout
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class PipelineStep:
    """A function's name, and the arguments that differ from its defaults."""

    step: str
    options: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pipeline:
    """A named sequence of steps per layout. `version` rises whenever the resulting numbers change."""

    name: str
    version: int
    source: str
    layouts: Mapping[str, tuple[PipelineStep, ...]]

    def steps(self, layout_name: str) -> tuple[PipelineStep, ...]:
        """The steps for clips of a layout. Raises InvalidValue if there are none."""
        if layout_name not in self.layouts and ANY in self.layouts:
            return self.layouts[ANY]
        if layout_name not in self.layouts:
            rule = f"preprocessing {self.name} has no steps for the layout `{layout_name}`"
            raise InvalidValue(f"{rule}. {hint(layout_name, self.layouts)}")
        return self.layouts[layout_name]

    def max_bodies(self, layout_name: str) -> int:
        """M of every clip of a layout. Raises InvalidValue if the layout has no steps."""
        first = self.steps(layout_name)[0]
        return int(first.options.get("bodies", _default_bodies(first.step)))


def pipelines() -> list[str]:
    """Names of all pipelines, sorted.

    >>> pipelines()
    ['agcn', 'ctrgcn', 'imported', 'imported_all', 'raw', 'standard', 'stgcn', 'stgcn_matched']
    """
    return stems(_HERE, ".toml")


@cache
def pipeline(name: str) -> Pipeline:
    """Load a pipeline by name. Raises InvalidValue for an unknown name, layout, step or option.

    >>> pipeline("ctrgcn").max_bodies("ntu25")
    2
    """
    if name not in pipelines():
        raise InvalidValue(f"`{name}` is not a preprocessing. {hint(name, pipelines())}")
    return read_pipeline((_HERE / f"{name}.toml").read_text(encoding="utf-8"), name)


def read_pipeline(text: str, name: str) -> Pipeline:
    """Parse and check the TOML text of a pipeline. Raises InvalidValue."""
    where = f"preprocessing/{name}.toml"
    value = parse(text, where)
    read = build(Pipeline, {**value, "name": name}, where)
    for layout_name, sequence in read.layouts.items():
        layout_key = f"{where}: {layout_name}"
        joints = 1 if layout_name == ANY else len(facts.layout(layout_name).joints)
        if not sequence:
            raise InvalidValue(f"{layout_key}: has no step; the first one selects bodies")
        for index, step in enumerate(sequence):
            build(PipelineStep, value["layouts"][layout_name][index], layout_key)
            _check_step(bodies if index == 0 else steps, step, joints, f"{layout_key}: step {index + 1}")
        _check_order(sequence[1:], layout_key)
    return read


def apply(chosen: Pipeline, recording: Recording, layout: Layout) -> Clip:
    """Turn a recording into a clip: every number is finite, M is `max_bodies`, L may be zero.

    Raises InvalidValue if the pipeline has no steps for the layout.
    """
    first, *rest = chosen.steps(layout.name)
    filled = bodies.fill_nan(recording)
    selected: Joints = functions(bodies)[first.step](filled, **first.options)
    moved = run_steps(rest, _as_read(selected, recording), layout)
    mask = steps.present(moved.joints)
    flags = (
        quality.EMPTY * (not mask.any())
        + quality.NAN * (filled is not recording)
        + quality.EXTRA_BODIES * (int(steps.present(selected).sum()) < int(filled.joints.any(axis=(1, 2)).sum()))
        + quality.DROPPED_FRAMES * (len(moved.joints) < recording.frames)
        + quality.NO_HIPS * moved.stand_in
    )
    return _clip(moved, mask, chosen.max_bodies(layout.name), flags)


def run_steps(sequence: Sequence[PipelineStep], start: Moved, layout: Layout) -> Moved:
    """Run the steps after body selection; the result leads back to where `start` leads back to."""
    moved = start
    for step in sequence:
        function = functions(steps)[step.step]
        more = {LAYOUT: layout} if LAYOUT in inspect.signature(function).parameters else {}
        after: Joints | Moved = function(moved.joints, **step.options, **more)
        moved = moved.then(after) if isinstance(after, Moved) else replace(moved, joints=after)
    return moved


def _as_read(selected: Joints, recording: Recording) -> Moved:
    """Joints before the first step, which are as recorded unless the file says how they were preprocessed."""
    start = Moved.start(selected)
    if recording.to_recorded is None or recording.origin is None:
        return start
    return replace(start, linear=recording.to_recorded.astype(np.float64), origin=recording.origin.astype(np.float64))


def _clip(moved: Moved, mask: NDArray[np.bool_], max_bodies: int, flags: int) -> Clip:
    frames, bodies_found, vertices, channels = moved.joints.shape
    joints = np.zeros((frames, max_bodies, vertices, channels), np.float32)
    body_mask = np.zeros((frames, max_bodies), np.bool_)
    joints[:, :bodies_found], body_mask[:, :bodies_found] = moved.joints, mask
    origin = np.broadcast_to(moved.origin, (frames, channels)).astype(np.float32)
    return Clip(joints, body_mask, moved.linear.astype(np.float32), origin, flags)


@cache
def functions(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    """The functions of `bodies` or `steps` that a pipeline may name: those in the module's STEPS.

    >>> "scale_axes" in functions(steps), "present" in functions(steps)
    (True, False)
    """
    return {function.__name__: function for function in module.STEPS}


@cache
def _default_bodies(selection: str) -> int:
    return int(inspect.signature(functions(bodies)[selection]).parameters["bodies"].default)


def _check_order(sequence: Sequence[PipelineStep], where: str) -> None:
    """Refuse steps whose frames would no longer be those of the origins that steps before them have noted."""
    moving = ""
    for step in sequence:
        if functions(steps)[step.step] in steps.FRAME_STEPS and moving:
            rule = "steps that drop or repeat frames come before those that change coordinates"
            raise InvalidValue(f"{where}: `{step.step}` comes after `{moving}`; {rule}. Swap them")
        moving = step.step if get_type_hints(functions(steps)[step.step])["return"] is Moved else moving


def _check_step(module: ModuleType, step: PipelineStep, joints: int, where: str) -> None:
    allowed = functions(module)
    if step.step not in allowed:
        raise InvalidValue(f"{where}: `{step.step}` is not a step in {module.__name__}. {hint(step.step, allowed)}")
    parameters = dict(list(inspect.signature(allowed[step.step]).parameters.items())[1:])
    parameters.pop(LAYOUT, None)
    types = get_type_hints(allowed[step.step])
    for name, value in step.options.items():
        if name not in parameters:
            raise InvalidValue(f"{where}: `{name}` is not an option of {step.step}. {hint(name, parameters)}")
        if get_origin(types[name]) is Literal:
            rule, valid = f"one of {', '.join(get_args(types[name]))}", value in get_args(types[name])
        elif module is steps:
            rule, valid = f"a joint, 0 to {joints - 1}", type(value) is int and 0 <= value < joints
        else:
            rule, valid = "an integer of at least 1", type(value) is int and value >= 1
        if not valid:
            raise InvalidValue(f"{where}: {name} is {value!r}; it must be {rule}")
    required = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    if missing := [name for name in required if name not in step.options]:
        raise InvalidValue(f"{where}: {step.step} needs {', '.join(missing)}")
