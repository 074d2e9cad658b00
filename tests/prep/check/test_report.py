"""A check reports the faults that were put into a store, and the rules that it could not test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.faulty_store import faulty_store, people
from helpers.stores import clip_name, info, write_clips
from helpers.synthetic_own import KINECT

from prep.check import charts
from prep.check.measures import measure
from prep.check.report import Report, as_markdown, as_text, make_report
from prep.progress import result
from prep.store.read import open_store

PNG = b"\x89PNG\r\n\x1a\n"
EVIL = "a\x1b[2J\nForged: line \u202e<img src=x> | `b` $x$ $y$"


def check(path: Path) -> Report:
    opened = open_store(path)
    return make_report(opened, result(measure(opened)))


def flagged(checked: Report) -> dict[str, list[int]]:
    names = [clip_name("nw_ucla", label, 0) for label in range(10)]
    return {finding.name: [names.index(name) for name in finding.clips] for finding in checked.flags}


def test_the_faults_that_were_put_in_are_reported(tmp_path: Path) -> None:
    checked = check(faulty_store(tmp_path / "s.zarr"))
    assert flagged(checked) == {"empty": [9], "extra-bodies": [1], "frozen": [3], "bone-jump": [2]}
    assert checked.flagged == 4
    a, b, single = (clip_name("nw_ucla", label, 0) for label in (5, 6, 8))
    others = {each.name: each.clips for each in checked.others if each.name != "joint-order"}
    classes = open_store(tmp_path / "s.zarr").info.classes
    assert others == {"label-conflict": (f"{a} ({classes[5]}) = {b} ({classes[6]})",), "one-frame": (single,)}
    text = as_text(checked)
    assert "bone-jump            1   10.00%  a bone's length changes" in text
    assert "tested again here" in text
    assert "clips of 0 to 30 frames, median 30; 10 classes of 1 clip" in text


def test_flags_of_a_preprocessed_store_are_those_of_the_build(tmp_path: Path) -> None:
    checked = check(faulty_store(tmp_path / "s.zarr", preprocessing="agcn"))
    assert flagged(checked) == {"empty": [9], "extra-bodies": [1]}
    assert "the preprocessing agcn has changed the joints" in as_text(checked)


def test_labels_are_compared_with_names_if_the_dataset_ships(tmp_path: Path) -> None:
    names = [clip_name("nw_ucla", label, 0) for label in range(2)]
    clips = [people(0), people(1)]
    known = check(write_clips(tmp_path / "a.zarr", info("nw_ucla", "agcn"), names, [0, 3], clips))
    assert [(finding.name, finding.clips) for finding in known.flags] == [("label", (names[1],))]
    own = info("nw_ucla", "agcn", dataset_name="mine")
    unknown = check(write_clips(tmp_path / "b.zarr", own, names, [0, 3], clips))
    assert unknown.flags == ()
    assert "`mine` does not ship" in as_text(unknown)


def test_the_variation_of_a_bone_is_measured(tmp_path: Path) -> None:
    clip = people(0)
    clip[:] = clip[0]
    clip[:15, 0, 0] = clip[:15, 0, 1] + [0.0, 0.1, 0.0]
    clip[15:, 0, 0] = clip[15:, 0, 1] + [0.0, 0.3, 0.0]
    checked = check(write_clips(tmp_path / "s.zarr", info("nw_ucla", "agcn"), ["a01_s01_e00_v01"], [0], [clip]))
    name, length, spread = checked.bones[0]
    assert name == "hip centre - spine"
    assert (length, spread) == (pytest.approx(0.2, rel=1e-4), pytest.approx(0.5, rel=1e-4))
    assert all(each < 1e-3 for _, _, each in checked.bones[1:10])


def standing(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(KINECT, 0.01, (9, 1, 20, 3)).astype(np.float32)


def others(path: Path, clips: list[np.ndarray], preprocessing: str = "raw", **more: Any) -> dict[str, tuple[str, ...]]:
    names = [clip_name("nw_ucla", 0, number) for number in range(len(clips))]
    stored = write_clips(path, info("nw_ucla", preprocessing), names, [0] * len(clips), clips, **more)
    return {each.name: each.clips for each in check(stored).others if each.name != "no-clips"}


def test_copies_with_one_label_are_copies(tmp_path: Path) -> None:
    a, b, _ = (clip_name("nw_ucla", 0, number) for number in range(3))
    assert others(tmp_path / "s.zarr", [standing(0), standing(0), standing(1)]) == {"copies": (f"{a} = {b}",)}


def test_a_wrong_order_of_joints_is_a_finding(tmp_path: Path) -> None:
    """Proportions that no body has, also after a preprocessing that puts the hips at zero."""
    order = [0, 1, 2, 3, *range(4, 12), 13, 12, 14, 15, 17, 16, 18, 19]  # hips and knees exchanged
    good = [standing(seed) for seed in range(3)]
    assert others(tmp_path / "good.zarr", good) == {}
    centred = [clip - clip[:, :, :1] for clip in good]
    assert others(tmp_path / "centred.zarr", centred, "standard") == {}
    for name, clips, preprocessing in (("a", good, "raw"), ("b", centred, "standard")):
        lines = others(tmp_path / f"{name}.zarr", [clip[:, :, order] for clip in clips], preprocessing)["joint-order"]
        assert len(lines) == 2
        assert lines[0].startswith("the hip bone `left hip - hip centre` is longer than the thigh `left knee - left")


def test_a_head_below_the_hips_is_a_finding(tmp_path: Path) -> None:
    """As recorded: a preprocessing may turn bodies, and the store leads back."""
    turn = np.diag([1, -1, -1]).astype(np.float32)
    upside_down = [standing(seed) @ turn for seed in range(3)]
    (line,) = others(tmp_path / "a.zarr", upside_down)["joint-order"]
    assert line == "the head lies below the hips in 3 of 3 clips, and kinect20 has y up"
    assert others(tmp_path / "b.zarr", upside_down, "standard", to_recorded=np.stack([turn] * 3)) == {}


def test_steps_count_clips(tmp_path: Path) -> None:
    opened = open_store(faulty_store(tmp_path / "s.zarr"))
    steps = list(measure(opened))
    assert steps[-1].done == steps[-1].total == len(opened)


def test_many_classes_are_drawn_without_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "NAMED_CLASSES", 3)
    charts.draw_classes(check(faulty_store(tmp_path / "s.zarr")), tmp_path / "classes.png")
    assert (tmp_path / "classes.png").read_bytes().startswith(PNG)


def test_a_bar_in_a_name_does_not_break_the_table(tmp_path: Path) -> None:
    path = write_clips(tmp_path / "s.zarr", info("nw_ucla", "raw"), ["a|b"], [0], [people(0)[:0]])
    assert "a\\|b" in as_markdown(check(path), [])


def hostile(path: Path) -> Report:
    checked = check(faulty_store(path))
    finding = replace(checked.flags[0], clips=(EVIL,), worst=EVIL)
    return replace(checked, dataset=EVIL, flags=(finding,), classes=((EVIL, 1), ("b", 2)))


def test_names_from_outside_are_shown_without_control_characters(tmp_path: Path) -> None:
    checked = hostile(tmp_path / "s.zarr")
    for text in (as_text(checked), as_markdown(checked, [(EVIL, "zero.png")])):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "[2J\\x0aForged: line \\u202e" in text.replace("\\\\", "\\").replace("\\[", "[")
        assert not any(line.startswith("Forged") for line in text.split("\n"))
    assert "<img" not in as_markdown(checked, [(EVIL, "zero.png")])


def test_names_from_outside_are_drawn_as_they_are(tmp_path: Path) -> None:
    """`$x$` would be read as TeX, and `$}$` as broken TeX."""
    checked = replace(hostile(tmp_path / "s.zarr"), classes=(("$}$", 1), (EVIL, 2)))
    charts.draw_classes(checked, tmp_path / "classes.png")
    charts.draw_lengths(checked, tmp_path / "lengths.png")
    assert (tmp_path / "classes.png").read_bytes().startswith(PNG)
