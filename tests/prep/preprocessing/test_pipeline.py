"""Pipelines as files, and what every pipeline guarantees for every clip."""

from __future__ import annotations

import inspect
from dataclasses import replace
from types import ModuleType
from typing import get_type_hints

import numpy as np
import pytest
from helpers.synthetic_ntu import person, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests import facts
from manifests.facts import dataset, names
from manifests.strict import InvalidValue
from prep.clip import Recording
from prep.preprocessing import bodies, quality, steps
from prep.preprocessing.moved import Joints, Moved
from prep.preprocessing.pipeline import ANY, Pipeline, apply, functions, pipeline, pipelines, read_pipeline


def kinect20(made: Recording) -> Recording:
    return replace(made, joints=made.joints[:, :20])


def openpose18(made: Recording) -> Recording:
    """The third number stands for the score, which is not negative."""
    joints = made.joints[:, :18].copy()
    joints[..., 2] = np.abs(joints[..., 2])
    return replace(made, joints=joints)


def coco17(made: Recording) -> Recording:
    return replace(made, joints=openpose18(made).joints[:, :17])


LAYOUTS = {"ntu25": lambda made: made, "kinect20": kinect20, "openpose18": openpose18, "coco17": coco17}
MOVING = {name for name, step in functions(steps).items() if get_type_hints(step)["return"] is Moved}
EVERY = [(name, layout) for name in pipelines() for layout in LAYOUTS if {layout, ANY} & pipeline(name).layouts.keys()]


@pytest.mark.parametrize("module", [bodies, steps])
def test_steps_are_found_without_postponed_annotations(module: ModuleType) -> None:
    """A step's annotation need not be the string "Joints"."""
    source = inspect.getsource(module)
    future = "from __future__ import annotations\n"
    assert future in source
    plain = ModuleType(module.__name__)
    exec(compile(source.replace(future, ""), "plain.py", "exec", dont_inherit=True), vars(plain))
    assert functions(plain).keys() == functions(module).keys() != set()


@pytest.mark.parametrize("module", [bodies, steps])
def test_every_public_function_with_the_result_of_a_step_is_a_step(module: ModuleType) -> None:
    public = {name: function for name, function in inspect.getmembers(module, inspect.isfunction) if name[0] != "_"}
    own = {name: function for name, function in public.items() if function.__module__ == module.__name__}
    results = (Joints, Moved)
    assert {name for name, step in own.items() if get_type_hints(step)["return"] in results} == {*functions(module)}


def test_every_dataset_names_pipelines_for_its_layout() -> None:
    for name in names("datasets"):
        data = dataset(name)
        for each in data.preprocessings:
            assert pipeline(each).steps(data.layout)
        assert max(pipeline(each).max_bodies(data.layout) for each in data.preprocessings) >= data.bodies


@pytest.mark.parametrize(("name", "layout"), EVERY)
@pytest.mark.parametrize("people", [0, 1, 2, 5])
@pytest.mark.parametrize("frames", [0, 1, 30])
def test_every_clip_is_finite_and_its_mask_is_true(name: str, layout: str, people: int, frames: int) -> None:
    made = LAYOUTS[layout](
        recording([[(number, person(40 * number + frame)[0]) for number in range(people)] for frame in range(frames)])
    )
    made.joints[::7, ::5] = np.nan
    clip = apply(pipeline(name), made, facts.layout(layout))
    assert clip.joints.dtype == np.float32
    assert clip.joints.shape[1:] == (pipeline(name).max_bodies(layout), *made.joints.shape[1:])
    assert np.isfinite(clip.joints).all()
    assert (clip.body_mask == steps.present(clip.joints)).all()
    assert bool(clip.quality & quality.EMPTY) == (not clip.body_mask.any()) == (people * frames == 0)
    assert bool(clip.quality & quality.NAN) == (people * frames > 0)


@pytest.mark.parametrize(("name", "layout"), EVERY)
def test_the_largest_coordinates_stay_finite(name: str, layout: str) -> None:
    made = LAYOUTS[layout](recording([[(n, person(n + f)[0]) for n in range(3)] for f in range(20)]))
    made.joints[...] *= 1e12 / np.abs(made.joints).max()
    assert np.isfinite(apply(pipeline(name), made, facts.layout(layout)).joints).all()


@pytest.mark.parametrize(("name", "layout"), EVERY)
def test_a_clip_depends_on_nothing_but_the_recording(name: str, layout: str) -> None:
    made = LAYOUTS[layout](recording([[(n, person(n + f)[0]) for n in range(3)] for f in range(20)]))
    before = made.joints.copy()
    first, second = (apply(pipeline(name), made, facts.layout(layout)) for _ in range(2))
    assert (made.joints == before).all()
    assert (first.joints == second.joints).all()
    assert (first.body_mask == second.body_mask).all()


def selected_only(name: str, layout: str) -> Pipeline:
    """The pipeline without the steps that change coordinates."""
    kept = tuple(step for step in pipeline(name).steps(layout) if step.step not in MOVING)
    return replace(pipeline(name), layouts={layout: kept})


def sorted_bodies(joints: np.ndarray) -> np.ndarray:
    """The bodies of each frame in an order of their own: `match_bodies` reorders them by moved coordinates."""
    order = np.argsort(joints[..., 0].sum(axis=2), axis=1)
    return np.take_along_axis(joints, order[..., None, None], axis=1)


@pytest.mark.parametrize(("name", "layout"), EVERY)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_recorded_coordinates_come_back(name: str, layout: str, data: st.DataObject) -> None:
    people, frames = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 15))
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    shown, seeds = rng.random((frames, people)) < data.draw(st.sampled_from([0.3, 1])), rng.integers(10**6, size=people)
    drawn = [[(n, person(int(seeds[n]) + f)[0]) for n in range(people) if shown[f, n]] for f in range(frames)]
    made = LAYOUTS[layout](recording(drawn))
    made.joints[..., :2] += data.draw(st.sampled_from([0, 5, -300]))
    if data.draw(st.booleans()):
        made.joints[..., 2] = 3
    clip, recorded = (
        apply(chosen, made, facts.layout(layout)) for chosen in (pipeline(name), selected_only(name, layout))
    )
    linear, joints = clip.to_recorded.astype(float), clip.joints.astype(float)
    back = np.einsum("dc,lmvc->lmvd", linear, joints) + clip.origin[:, None, None]
    back[~joints.any(axis=-1)] = 0  # absent
    wanted = recorded.joints
    if name == "stgcn_matched":
        back, wanted = sorted_bodies(back), sorted_bodies(wanted)
    assert (clip.to_recorded.dtype, clip.origin.dtype) == (np.float32, np.float32)
    assert (clip.to_recorded.shape, clip.origin.shape) == ((3, 3), (len(joints), 3))
    compared = back.any(axis=-1) & wanted.any(axis=-1)
    assert compared.sum() >= 0.9 * wanted.any(axis=-1).sum()
    assert np.abs(back - wanted)[compared].max(initial=0) <= 1e-5 * max(1, np.ptp(wanted) if wanted.any() else 0)


def test_positions_as_recorded_need_no_way_back() -> None:
    clip = apply(pipeline("raw"), recording([[(1, person(n)[0])] for n in range(5)]), facts.layout("ntu25"))
    assert clip.to_recorded.tolist() == np.eye(3).tolist()
    assert not clip.origin.any()


def test_an_axis_without_extent_has_its_value_in_the_origin() -> None:
    made = kinect20(recording([[(1, person(n)[0])] for n in range(5)]))
    made.joints[..., 2] = 7
    clip = apply(pipeline("ctrgcn"), made, facts.layout("kinect20"))
    assert not clip.to_recorded[:, 2].any()
    assert clip.origin[:, 2].tolist() == [7] * 5


def test_a_centre_per_frame_is_an_origin_per_frame() -> None:
    made = recording([[(1, person(n)[0])] for n in range(5)])
    clip = apply(pipeline("agcn"), made, facts.layout("ntu25"))
    np.testing.assert_allclose(clip.origin, made.joints[:, 1], atol=1e-6)


def test_an_image_with_y_up_has_a_negative_axis() -> None:
    clip = apply(pipeline("agcn"), openpose18(recording([[(1, person(0)[0])]])), facts.layout("openpose18"))
    assert np.diag(clip.to_recorded).tolist() == [1, -1, 1]
    assert clip.origin.tolist() == [[0.5, 0.5, 0]]


def test_quality_says_what_was_left_out() -> None:
    one = [[(1, person(n)[0])] for n in range(20)]
    assert apply(pipeline("ctrgcn"), recording(one), facts.layout("ntu25")).quality == 0
    assert apply(pipeline("ctrgcn"), recording([*one, []]), facts.layout("ntu25")).quality == quality.DROPPED_FRAMES
    assert apply(pipeline("raw"), recording([*one, []]), facts.layout("ntu25")).quality == 0
    three = [[(i, person(30 * i + n)[0]) for i in range(3)] for n in range(20)]
    assert apply(pipeline("ctrgcn"), recording(three), facts.layout("ntu25")).quality == quality.EXTRA_BODIES
    assert apply(pipeline("raw"), recording(three), facts.layout("ntu25")).quality == 0
    both = quality.EMPTY | quality.DROPPED_FRAMES
    assert apply(pipeline("ctrgcn"), recording([[], []]), facts.layout("ntu25")).quality == both


GOOD = """
version = 1
source = "me"
[layouts]
ntu25 = [{ step = "agcn_slots" }, { step = "align", options = { start = 0, end = 1, axis = "z" } }]
"""


def test_a_pipeline_is_read_from_text() -> None:
    made = read_pipeline(GOOD, "own")
    assert (made.name, made.version, made.max_bodies("ntu25")) == ("own", 1, 2)
    assert (
        read_pipeline(GOOD.replace('"agcn_slots"', '"agcn_slots", options = { bodies = 3 }'), "own").max_bodies("ntu25")
        == 3
    )


FAULTS = [
    (
        "agcn_slots",
        "agcn_slot",
        "own.toml: ntu25: step 1: `agcn_slot` is not a step in prep.preprocessing.bodies. Did",
    ),
    ("agcn_slots", "scale_axes", "`scale_axes` is not a step in prep.preprocessing.bodies."),
    ("agcn_slots", "fill_nan", "`fill_nan` is not a step in prep.preprocessing.bodies."),
    ('"align"', '"allign"', "step 2: `allign` is not a step in prep.preprocessing.steps. Did you mean `align`?"),
    ('"align"', '"present"', "`present` is not a step in prep.preprocessing.steps."),
    ("start = 0", "begin = 0", "step 2: `begin` is not an option of align."),
    ("start = 0", "start = 25", "start is 25; it must be a joint, 0 to 24"),
    ("start = 0", "start = -1", "start is -1; it must be a joint"),
    ("start = 0", "start = true", "options.start.int: Input should be a valid integer"),
    ("start = 0", 'start = "hip"', "start is 'hip'; it must be a joint"),
    ('"z"', '"w"', "axis is 'w'; it must be one of x, y, z"),
    ("start = 0, ", "", "align needs start"),
    ('"agcn_slots"', '"agcn_slots", options = { bodies = 0 }', "bodies is 0; it must be an integer of at least 1"),
    ("options", "option", "`option` is not a key of PipelineStep. Did you mean `options`?"),
    ("ntu25", "ntu24", "`ntu24` is not one of the layouts. Did you mean `ntu25`?"),
    ("version = 1", 'version = "1"', "version: Input should be a valid integer"),
    ("version", "versions", "`versions` is not a key of Pipeline. Did you mean `version`?"),
    (
        '"align", options = { start = 0, end = 1, axis = "z" } }',
        '"scale_axes" }, { step = "repeat_tail" }',
        "ntu25: `repeat_tail` comes after `scale_axes`; steps that drop or repeat frames come before those that",
    ),
    ("[layouts]", "[layouts", "preprocessing/own.toml: not readable as TOML"),
]


@pytest.mark.parametrize(("old", "new", "words"), FAULTS)
def test_faults_are_refused_in_words_that_help(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidValue) as caught:
        read_pipeline(GOOD.replace(old, new, 1), "own")
    assert words in str(caught.value)


def test_a_layout_needs_a_step() -> None:
    with pytest.raises(InvalidValue, match="kinect20: has no step; the first one selects bodies"):
        read_pipeline(GOOD + "kinect20 = []\n", "own")


def test_unknown_names_come_with_a_hint() -> None:
    with pytest.raises(InvalidValue, match=r"`ctr-gcn` is not a preprocessing\. Did you mean `ctrgcn`\?"):
        pipeline("ctr-gcn")
    with pytest.raises(
        InvalidValue, match=r"preprocessing ctrgcn has no steps for the layout `coco17`\. Known: kinect20, ntu25"
    ):
        apply(pipeline("ctrgcn"), recording([]), facts.layout("coco17"))
