"""The survey of a custom dataset: counts, measurements, and a warning for each likely mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_own import KINECT, MANIFEST, clips, write_own

from manifests.facts import layout
from prep.building.survey import Survey, survey
from prep.progress import result


def surveyed(file: Path) -> Survey:
    made, steps = result(survey(file)), list(survey(file))
    total = made.clips + len(made.bad)
    # Files that are bad already when they are listed take no step.
    assert [step.done for step in steps] == list(range(total - len(steps) + 1, total + 1))
    assert {step.total for step in steps} <= {total}
    return made


def test_it_counts_and_measures(tmp_path: Path) -> None:
    arrays = clips() | {"x": np.zeros((2, 7, 3))}
    first = arrays["a01_s0_e0"] = arrays["a01_s0_e0"].copy()
    first[0, 3] = np.nan
    first[1, :, 2] = np.nan
    report = surveyed(write_own(tmp_path, arrays=arrays))
    assert (report.clips, report.frames, report.bodies, report.missing) == (20, (20, 22, 23), 1, 1)
    assert report.clips_per_class == tuple((name, 4) for name in report.data.classes)
    assert [name for name, _ in report.bad] == ["x"]
    every = np.concatenate(list(clips().values()))
    np.testing.assert_allclose(report.low, every.min((0, 1)), atol=0.02)
    np.testing.assert_allclose(report.high, every.max((0, 1)), atol=0.02)
    assert 1.5 < report.size < 1.9
    assert report.up == (("+y", 20),)
    assert report.warnings == ()


def changed(change: Any) -> dict[str, Any]:
    return {name: change(array) for name, array in clips().items()}


def one(array: Any, name: str = "a01_s0_e0") -> dict[str, Any]:
    return clips() | {name: array}


CLIP = clips()["a01_s0_e0"]
TWO = np.stack([CLIP, CLIP], axis=1)
NTU = 'layout = "ntu25"\n[other]'
SLIPS: dict[str, tuple[str, str, Any, str]] = {
    "a class without clips": (
        '"clap"]',
        '"clap", "bow"]',
        clips(),
        "class `bow` has no clip. Add some, or take it out",
    ),
    "a class with one": (
        '"clap"]',
        '"clap", "bow"]',
        one(CLIP + 1, "a06_s0_e0"),
        "class `bow` has one clip; a few-shot",
    ),
    "more bodies": (
        "",
        "",
        one(TWO),
        "clips show up to 2 bodies, but bodies = 1, and the others are left out. Raise `bodies`.",
    ),
    "fewer bodies": ("bodies = 1", "bodies = 2", clips(), "bodies = 2, but no clip shows more than 1. Lower `bodies`"),
    "millimetres": ("", "", changed(lambda a: 1000 * a), "The numbers look like millimetres. Convert them."),
    "centimetres": ("", "", changed(lambda a: 100 * a), "The numbers look like centimetres. Convert them."),
    "metres": ('"metre"', '"millimetre"', clips(), "in millimetres. The numbers look like metres. Convert them."),
    "giants": ("", "", changed(lambda a: 1e6 * a), "no size of a person in metres. Check the numbers."),
    "pixels": ('"metre"', '"image"', changed(lambda a: 400 - 100 * a), "Divide x by the width and y by the height."),
    "copies": (
        "",
        "",
        one(CLIP, "a01_s9_e0"),
        "1 clip is a copy of another, `a01_s9_e0` of `a01_s0_e0`. Take them out.",
    ),
    "a label conflict": (
        "",
        "",
        one(CLIP, "a02_s0_e0"),
        "label conflict: 1 clip is a copy of a clip of another class, `a02_s0_e0` (point) and `a01_s0_e0` (wave). Corr",
    ),
    "nobody": ("", "", one(0 * CLIP), "1 clip shows nobody, for example `a01_s0_e0`. Check them"),
    "no motion": ("", "", one(CLIP[:1].repeat(9, 0)), "1 clip shows no motion, for example `a01_s0_e0`"),
    "one frame": ("", "", one(CLIP[:1]), "1 clip has one frame, for example `a01_s0_e0`"),
    "another order": (
        "",
        "",
        changed(lambda a: a[:, [0, 1, 6, 3, 4, 5, 2]]),
        "the head lies below the hips in 20 of 20 clips, and gestures has y up. Set `up` in custom_layout, or",
    ),
    "unequal sides": (
        "",
        "",
        changed(lambda a: a[:, [0, 1, 2, 3, 5, 4, 6]]),
        "`left hand - neck` and `right hand - neck` have unequal lengths (0.5",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_likely_slip_is_a_warning_and_the_only_one(tmp_path: Path, slip: str) -> None:
    old, new, arrays, words = SLIPS[slip]
    report = surveyed(write_own(tmp_path, old, new, arrays))
    assert report.bad == ()
    assert len(report.warnings) == 1, report.warnings
    assert words in report.warnings[0]


@pytest.mark.parametrize("turn", [np.diag([1, -1, 1]), np.eye(3)[[0, 2, 1]]], ids=["y down", "z up"])
def test_an_axis_the_wrong_way_is_a_warning(tmp_path: Path, turn: Any) -> None:
    """The layout says where up is: one that ships, or a custom one, where `up` is the remedy."""
    custom = write_own(tmp_path / "own", arrays=changed(lambda a: a @ turn))
    report = surveyed(custom)
    where = report.up[0][0]
    shown = "below the hips" if where == "-y" else "towards +z"
    assert where in ("-y", "+z")
    assert report.warnings == (
        f"the head lies {shown} in 20 of 20 clips, and gestures has y up. "
        "Set `up` in custom_layout, or check the order of the joints (`joint_order`).",
    )
    custom.write_text(custom.read_text() + f'up = "{where.removeprefix("+")}"\n')
    assert surveyed(custom).warnings == ()
    (tmp_path / "own" / "clips").rename(tmp_path / "clips")
    manifest = tmp_path / "upright.toml"
    manifest.write_text(MANIFEST[: MANIFEST.index("[custom_layout]")] + 'layout = "kinect20"\n')
    for seed, name in enumerate(clips()):
        np.save(tmp_path / "clips" / f"{name}.npy", np.random.default_rng(seed).normal(KINECT, 0.01, (9, 20, 3)) @ turn)
    report = surveyed(manifest)
    assert report.warnings == (
        f"the head lies {shown} in 20 of 20 clips, and kinect20 has y up. "
        "Exchange or negate the axes, or check the order of the joints (`joint_order`).",
    )


def test_a_hip_bone_longer_than_the_thigh_is_a_warning_and_joint_order_is_the_remedy(tmp_path: Path) -> None:
    manifest = write_own(tmp_path)
    text = MANIFEST[: MANIFEST.index("[custom_layout]")] + 'layout = "kinect20"\n'
    manifest.write_text(text)
    order = [0, 1, 2, 3, *range(4, 12), 13, 12, 14, 15, 17, 16, 18, 19]  # hips and knees exchanged
    for seed, name in enumerate(clips()):
        body = np.random.default_rng(seed).normal(KINECT, 0.01, (9, 20, 3))
        np.save(tmp_path / "clips" / f"{name}.npy", body[:, order])
    (warning,) = surveyed(manifest).warnings
    assert warning.startswith(
        "the hip bone `left hip - hip centre` is longer than the thigh `left knee - left hip` (0.5"
    )
    assert warning.endswith("and 1 more pair of bones. Check the order of the joints (`joint_order`).")
    names = layout("kinect20").joints
    manifest.write_text(text + f"joint_order = {json.dumps([names[joint] for joint in order])}\n")
    assert surveyed(manifest).warnings == ()


def test_nothing_at_all_is_no_crash(tmp_path: Path) -> None:
    report = surveyed(write_own(tmp_path, arrays={"a09_s0_e0": CLIP}))
    assert (report.clips, report.frames, report.low, len(report.bad)) == (0, (0, 0, 0), (), 1)
