"""Recipes as files, and what every recipe promises of every clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.synthetic_ntu import person, recording

from manifests.facts import dataset, names
from manifests.strict import FactError
from prep.clip import Recording
from prep.preprocessing import quality, steps
from prep.preprocessing.pipeline import ANY, apply, read_pipeline, pipeline, pipelines


def kinect20(made: Recording) -> Recording:
    return replace(made, joints=made.joints[:, :20])


def openpose18(made: Recording) -> Recording:
    """The third number stands for the score."""
    return replace(made, joints=made.joints[:, :18])


LAYOUTS = {"ntu25": lambda made: made, "kinect20": kinect20, "openpose18": openpose18}
EVERY = [(name, layout) for name in pipelines() for layout in LAYOUTS if {layout, ANY} & pipeline(name).layouts.keys()]


def test_every_data_set_names_recipes_for_its_layout() -> None:
    for name in names("datasets"):
        facts = dataset(name)
        for each in facts.recipes:
            assert pipeline(each).steps(facts.layout)
        assert max(pipeline(each).max_bodies(facts.layout) for each in facts.recipes) >= facts.bodies


@pytest.mark.parametrize(("name", "layout"), EVERY)
@pytest.mark.parametrize("people", [0, 1, 2, 5])
@pytest.mark.parametrize("frames", [0, 1, 30])
def test_every_clip_is_finite_and_its_mask_is_true(name: str, layout: str, people: int, frames: int) -> None:
    made = LAYOUTS[layout](
        recording([[(number, person(40 * number + frame)[0]) for number in range(people)] for frame in range(frames)])
    )
    made.joints[::7, ::5] = np.nan
    clip = apply(pipeline(name), made, layout)
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
    assert np.isfinite(apply(pipeline(name), made, layout).joints).all()


@pytest.mark.parametrize(("name", "layout"), EVERY)
def test_a_clip_depends_on_nothing_but_the_recording(name: str, layout: str) -> None:
    made = LAYOUTS[layout](recording([[(n, person(n + f)[0]) for n in range(3)] for f in range(20)]))
    before = made.joints.copy()
    first, second = (apply(pipeline(name), made, layout) for _ in range(2))
    assert (made.joints == before).all()
    assert (first.joints == second.joints).all()
    assert (first.body_mask == second.body_mask).all()


def test_quality_says_what_was_left_out() -> None:
    one = [[(1, person(n)[0])] for n in range(20)]
    assert apply(pipeline("ctrgcn"), recording(one), "ntu25").quality == 0
    assert apply(pipeline("ctrgcn"), recording([*one, []]), "ntu25").quality == quality.DROPPED_FRAMES
    assert apply(pipeline("raw"), recording([*one, []]), "ntu25").quality == 0
    three = [[(i, person(30 * i + n)[0]) for i in range(3)] for n in range(20)]
    assert apply(pipeline("ctrgcn"), recording(three), "ntu25").quality == quality.EXTRA_BODIES
    assert apply(pipeline("raw"), recording(three), "ntu25").quality == 0
    both = quality.EMPTY | quality.DROPPED_FRAMES
    assert apply(pipeline("ctrgcn"), recording([[], []]), "ntu25").quality == both


GOOD = """
version = 1
source = "me"
[layouts]
ntu25 = [{ step = "agcn_slots" }, { step = "align", options = { start = 0, end = 1, axis = "z" } }]
"""


def test_a_recipe_is_read_from_text() -> None:
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
        "own.toml: ntu25: step 1: `agcn_slot` is not a function in prep.preprocessing.bodies. Did",
    ),
    ("agcn_slots", "scale_axes", "`scale_axes` is not a function in prep.preprocessing.bodies."),
    ("agcn_slots", "fill_nan", "`fill_nan` is not a function in prep.preprocessing.bodies."),
    ('"align"', '"allign"', "step 2: `allign` is not a function in prep.preprocessing.steps. Did you mean `align`?"),
    ('"align"', '"present"', "`present` is not a function in prep.preprocessing.steps."),
    ("start = 0", "begin = 0", "step 2: `begin` is not an option of align."),
    ("start = 0", "start = 25", "start is 25; it must be a joint, 0 to 24"),
    ("start = 0", "start = -1", "start is -1; it must be a joint"),
    ("start = 0", "start = true", "options.start.int: Input should be a valid integer"),
    ("start = 0", 'start = "hip"', "start is 'hip'; it must be a joint"),
    ('"z"', '"w"', "axis is 'w'; it must be one of x, y, z"),
    ("start = 0, ", "", "align needs start"),
    ('"agcn_slots"', '"agcn_slots", options = { bodies = 0 }', "bodies is 0; it must be an integer from 1 on"),
    ("options", "option", "`option` is not a key of Step. Did you mean `options`?"),
    ("ntu25", "ntu24", "`ntu24` is not one of the layouts. Did you mean `ntu25`?"),
    ("version = 1", 'version = "1"', "version: Input should be a valid integer"),
    ("version", "versions", "`versions` is not a key of Recipe. Did you mean `version`?"),
    ("[layouts]", "[layouts", "recipes/own.toml: not readable as TOML"),
]


@pytest.mark.parametrize(("old", "new", "words"), FAULTS)
def test_faults_are_refused_in_words_that_help(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(FactError) as caught:
        read_pipeline(GOOD.replace(old, new, 1), "own")
    assert words in str(caught.value)


def test_a_layout_needs_a_step() -> None:
    with pytest.raises(FactError, match="kinect20: has no step; the first one chooses bodies"):
        read_pipeline(GOOD + "kinect20 = []\n", "own")


def test_unknown_names_come_with_a_hint() -> None:
    with pytest.raises(FactError, match=r"`ctr-gcn` is not a recipe\. Did you mean `ctrgcn`\?"):
        pipeline("ctr-gcn")
    with pytest.raises(FactError, match=r"recipe ctrgcn has no steps for the layout `coco17`\. Known: kinect20, ntu25"):
        apply(pipeline("ctrgcn"), recording([]), "coco17")
