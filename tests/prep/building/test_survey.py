"""The survey of a custom dataset: counts, measurements, and a warning for each likely mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.synthetic_own import clips, write_own

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
    "pixels": ('"metre"', '"image"', changed(lambda a: 400 + 100 * a), "Divide x by the width and y by the height."),
    "copies": (
        "",
        "",
        one(CLIP, "a02_s0_e0"),
        "1 clips are copies of others, `a02_s0_e0` of `a01_s0_e0`. Take them out.",
    ),
    "nobody": ("", "", one(0 * CLIP), "1 clips show nobody, for example `a01_s0_e0`. Check them"),
    "no motion": ("", "", one(CLIP[:1].repeat(9, 0)), "1 clips show no motion: every frame is the first, for example"),
    "one frame": ("", "", one(CLIP[:1]), "1 clips have one frame, for example `a01_s0_e0`"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_likely_slip_is_a_warning_and_the_only_one(tmp_path: Path, slip: str) -> None:
    old, new, arrays, words = SLIPS[slip]
    report = surveyed(write_own(tmp_path, old, new, arrays))
    assert report.bad == ()
    assert len(report.warnings) == 1, report.warnings
    assert words in report.warnings[0]


@pytest.mark.parametrize("turn", [np.diag([1, -1, 1]), np.eye(3)[[0, 2, 1]]], ids=["y down", "z up"])
def test_an_axis_the_wrong_way_is_said_for_layouts_that_have_one(tmp_path: Path, turn: Any) -> None:
    manifest = write_own(tmp_path, arrays=changed(lambda a: np.repeat(a @ turn, 3, axis=1)[:, :20]))
    assert surveyed(write_own(tmp_path / "own", arrays=changed(lambda a: a @ turn))).warnings == ()
    text = manifest.read_text()
    manifest.write_text(text[: text.index("[custom_layout]")] + 'layout = "kinect20"\n')
    upright = {name: np.random.default_rng(1).normal(0, 0.2, (9, 20, 3)) for name in clips()}
    for index, (name, array) in enumerate(upright.items()):
        array[:, 3] += [0, 1, index / 100]  # kinect20's head
        np.save(tmp_path / "clips" / f"{name}.npy", array @ turn)
    report = surveyed(manifest)
    assert len(report.warnings) == 1
    where = report.up[0][0]
    assert f"the head lies towards {where} in 20 of 20 clips, and kinect20 has y up." in report.warnings[0]


def test_nothing_at_all_is_no_crash(tmp_path: Path) -> None:
    report = surveyed(write_own(tmp_path, arrays={"a09_s0_e0": CLIP}))
    assert (report.clips, report.frames, report.low, len(report.bad)) == (0, (0, 0, 0), (), 1)
