"""Preparation recipes: which steps make a clip of a recording, in which order, layout by layout.

One TOML file per recipe in prep/preprocessing. The first step of a layout chooses bodies (a function in
prep.preprocessing.bodies), the others are functions in prep.preprocessing.steps; their options are the functions'
arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np

from manifests.facts import layout
from manifests.strict import FactError, build, hint, parse
from prep.clip import Clip, Recording
from prep.preprocessing import bodies, quality, steps

ANY = "any"  # steps that every layout without its own shares
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Step:
    """One function and the arguments that differ from its defaults."""

    step: str
    options: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A named, versioned way of preparing clips. The version rises whenever its numbers change."""

    name: str
    version: int
    source: str
    layouts: Mapping[str, tuple[Step, ...]]

    def steps(self, layout_name: str) -> tuple[Step, ...]:
        """The steps for clips of that layout. Raises FactError when there are none."""
        if layout_name not in self.layouts and ANY in self.layouts:
            return self.layouts[ANY]
        if layout_name not in self.layouts:
            rule = f"recipe {self.name} has no steps for the layout `{layout_name}`"
            raise FactError(f"{rule}. {hint(layout_name, self.layouts)}")
        return self.layouts[layout_name]

    def max_bodies(self, layout_name: str) -> int:
        """M of every clip that this recipe makes of that layout. Raises FactError."""
        first = self.steps(layout_name)[0]
        return int(first.options.get("bodies", _default_bodies(first.step)))


def recipes() -> list[str]:
    """The names of all recipes, sorted.

    >>> recipes()
    ['agcn', 'ctrgcn', 'imported', 'imported_all', 'raw', 'stgcn', 'stgcn_matched']
    """
    return sorted(path.stem for path in _HERE.glob("*.toml"))


@cache
def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises FactError for an unknown name, layout, step or option.

    >>> recipe("ctrgcn").max_bodies("ntu25")
    2
    """
    if name not in recipes():
        raise FactError(f"`{name}` is not a recipe. {hint(name, recipes())}")
    return read_recipe((_HERE / f"{name}.toml").read_text(encoding="utf-8"), name)


def read_recipe(text: str, name: str) -> Recipe:
    """A recipe's TOML text, checked. Raises FactError."""
    where = f"recipes/{name}.toml"
    value = parse(text, where)
    found = build(Recipe, {**value, "name": name}, where)
    for layout_name, chain in found.layouts.items():
        place = f"{where}: {layout_name}"
        joints = 1 if layout_name == ANY else len(layout(layout_name).joints)
        if not chain:
            raise FactError(f"{place}: has no step; the first one chooses bodies")
        for number, step in enumerate(chain):
            build(Step, value["layouts"][layout_name][number], place)
            _check_step(bodies if number == 0 else steps, step, joints, f"{place}: step {number + 1}")
    return found


def apply(chosen: Recipe, recording: Recording, layout_name: str) -> Clip:
    """The clip that a recipe makes of a recording: every number finite, M as `max_bodies` says, L may be zero.

    Raises FactError when the recipe has no steps for the layout.
    """
    first, *rest = chosen.steps(layout_name)
    whole = bodies.fill_nan(recording)
    joints = _steps(bodies)[first.step](whole, **first.options)
    kept = int(steps.present(joints).sum())
    for step in rest:
        joints = _steps(steps)[step.step](joints, **step.options)
    mask = steps.present(joints)
    flags = (
        quality.EMPTY * (not mask.any())
        + quality.NAN * (whole is not recording)
        + quality.EXTRA_BODIES * (kept < int(whole.joints.any(axis=(1, 2)).sum()))
        + quality.DROPPED_FRAMES * (len(joints) < recording.frames)
    )
    shape = (len(joints), chosen.max_bodies(layout_name), *joints.shape[2:])
    clip = Clip(np.zeros(shape, np.float32), np.zeros(shape[:2], np.bool_), flags)
    clip.joints[:, : joints.shape[1]], clip.body_mask[:, : joints.shape[1]] = joints, mask
    return clip


@cache
def _steps(module: ModuleType) -> Mapping[str, Callable[..., steps.Joints]]:
    """What can be a step: the module's public functions that return joints."""
    functions = vars(module).items()
    return {
        name: function
        for name, function in functions
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
        and function.__annotations__.get("return") == "Joints"
    }


@cache
def _default_bodies(chooser: str) -> int:
    return int(inspect.signature(_steps(bodies)[chooser]).parameters["bodies"].default)


def _check_step(module: ModuleType, step: Step, joints: int, where: str) -> None:
    known = _steps(module)
    if step.step not in known:
        raise FactError(f"{where}: `{step.step}` is not a function in {module.__name__}. {hint(step.step, known)}")
    allowed = dict(list(inspect.signature(known[step.step]).parameters.items())[1:])
    types = get_type_hints(known[step.step])
    for name, value in step.options.items():
        if name not in allowed:
            raise FactError(f"{where}: `{name}` is not an option of {step.step}. {hint(name, allowed)}")
        if get_origin(types[name]) is Literal:
            rule, fits = f"one of {', '.join(get_args(types[name]))}", value in get_args(types[name])
        elif module is steps:
            rule, fits = f"a joint, 0 to {joints - 1}", type(value) is int and 0 <= value < joints
        else:
            rule, fits = "an integer from 1 on", type(value) is int and value >= 1
        if not fits:
            raise FactError(f"{where}: {name} is {value!r}; it must be {rule}")
    needed = [name for name, parameter in allowed.items() if parameter.default is parameter.empty]
    if lacking := [name for name in needed if name not in step.options]:
        raise FactError(f"{where}: {step.step} needs {', '.join(lacking)}")
