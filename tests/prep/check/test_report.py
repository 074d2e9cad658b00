"""A check finds what was put into a store, says what it could not try, and draws it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.stores import clip_name, info, write_clips

from prep.check import chart
from prep.check.folder import write_folder
from prep.check.measures import Inspection
from prep.check.report import Report, markdown, report, told
from prep.errors import PrepError
from prep.preprocessing import quality
from prep.store.read import open_store

PNG = b"\x89PNG\r\n\x1a\n"


def people(seed: int, frames: int = 30) -> np.ndarray:
    """(frames, 1, 20, 3) of a tall figure that sways."""
    rng = np.random.default_rng(seed)
    joints = rng.standard_normal((20, 3)) * [0.1, 0.5, 0.1] + [0, 0, 3]
    return (joints + 0.03 * rng.standard_normal((frames, 1, 20, 3))).astype(np.float32)


def store(path: Path, recipe: str = "raw", **more: object) -> Path:
    """Ten clips: the third has a jumping bone, the fourth frozen frames, the seventh copies the sixth, the ninth is
    one frame, the tenth is empty; the build has flagged the second."""
    clips = [people(seed) for seed in range(10)]
    clips[2][7, 0, 15] += 8
    clips[3][4:9] = clips[3][4]
    clips[6] = clips[5]
    clips[8] = clips[8][:1]
    clips[9] = clips[9][:0]
    names = [clip_name("nw_ucla", label, 0) for label in range(10)]
    flags = [0, quality.EXTRA_BODIES, *[0] * 8]
    return write_clips(path, info("nw_ucla", recipe), names, range(10), clips, quality=flags, **more)


def check(path: Path) -> Report:
    opened = open_store(path)
    inspection = Inspection(opened)
    steps = list(inspection.run())
    assert steps[-1].done == steps[-1].total == len(opened)
    return report(opened, inspection.measures())


def found(checked: Report) -> dict[str, list[int]]:
    names = [clip_name("nw_ucla", label, 0) for label in range(10)]
    return {finding.name: [names.index(name) for name in finding.clips] for finding in checked.flags}


def test_what_was_put_in_is_found(tmp_path: Path) -> None:
    checked = check(store(tmp_path / "s.zarr"))
    assert found(checked) == {"empty": [9], "extra-bodies": [1], "frozen": [3], "bone-jump": [2]}
    assert checked.flagged == 4
    a, b, single = (clip_name("nw_ucla", label, 0) for label in (5, 6, 8))
    assert {each.name: each.clips for each in checked.others} == {"copies": (f"{a} = {b}",), "one-frame": (single,)}
    text = told(checked)
    assert "bone-jump            1   10.00%  a bone's length changes" in text
    assert "tried again here" in text
    assert "clips of 0 to 30 frames, median 30; 10 classes of 1 clip" in text


def test_of_a_prepared_store_the_stored_flags_are_told(tmp_path: Path) -> None:
    checked = check(store(tmp_path / "s.zarr", recipe="agcn"))
    assert found(checked) == {"empty": [9], "extra-bodies": [1]}
    assert "the recipe agcn has changed the joints" in told(checked)


def test_labels_are_compared_with_names_where_the_data_set_is_known(tmp_path: Path) -> None:
    names = [clip_name("nw_ucla", label, 0) for label in range(2)]
    clips = [people(0), people(1)]
    known = check(write_clips(tmp_path / "a.zarr", info("nw_ucla", "agcn"), names, [0, 3], clips))
    assert [(finding.name, finding.clips) for finding in known.flags] == [("label", (names[1],))]
    own = info("nw_ucla", "agcn", dataset_name="mine")
    unknown = check(write_clips(tmp_path / "b.zarr", own, names, [0, 3], clips))
    assert unknown.flags == ()
    assert "no data set `mine` ships" in told(unknown)


def test_bones_vary_as_much_as_they_do(tmp_path: Path) -> None:
    clip = people(0)
    clip[:] = clip[0]
    clip[:15, 0, 0] = clip[:15, 0, 1] + [0.0, 0.1, 0.0]
    clip[15:, 0, 0] = clip[15:, 0, 1] + [0.0, 0.3, 0.0]
    checked = check(write_clips(tmp_path / "s.zarr", info("nw_ucla", "agcn"), ["a01_s01_e00_v01"], [0], [clip]))
    name, length, spread = checked.bones[0]
    assert name == "hip centre - spine"
    assert (length, spread) == (pytest.approx(0.2, rel=1e-4), pytest.approx(0.5, rel=1e-4))
    assert all(each < 1e-3 for _, _, each in checked.bones[1:10])


def test_the_folder_holds_report_and_pictures(tmp_path: Path) -> None:
    path, folder = store(tmp_path / "s.zarr"), tmp_path / "report"
    folder.mkdir()
    for name in ("report.md", "ghost.png"):  # of an earlier check
        (folder / name).write_text("old")
    steps = list(write_folder(open_store(path), check(path), folder))
    pictures = {"lengths", "classes", "bones", "empty", "extra-bodies", "frozen", "bone-jump"}
    assert {file.name for file in folder.iterdir()} == {f"{name}.png" for name in pictures} | {
        "report.md",
        "report.json",
    }
    assert steps[-1].done == steps[-1].total == len(pictures) + 2
    assert all(file.read_bytes().startswith(PNG) for file in folder.glob("*.png"))
    record = json.loads((folder / "report.json").read_text())
    assert (record["flagged"], record["clips"]) == (4, 10)
    text = (folder / "report.md").read_text()
    assert all(f"({name}.png)" in text for name in pictures)
    assert "| bone-jump | 1 | 10.00% |" in text


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = store(tmp_path / "s.zarr")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").write_text("dear to me")
    with pytest.raises(PrepError, match="holds something else than a report. Give --out a new folder"):
        list(write_folder(open_store(path), check(path), tmp_path / "mine"))
    with pytest.raises(PrepError, match="is a file. Give --out a folder"):
        list(write_folder(open_store(path), check(path), tmp_path / "mine" / "photo.png"))
    assert (tmp_path / "mine" / "photo.png").read_text() == "dear to me"


def test_many_classes_are_drawn_without_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "NAMED_CLASSES", 3)
    chart.draw_classes(check(store(tmp_path / "s.zarr")), tmp_path / "classes.png")
    assert (tmp_path / "classes.png").read_bytes().startswith(PNG)


def test_a_bar_in_a_name_does_not_break_the_table(tmp_path: Path) -> None:
    path = write_clips(tmp_path / "s.zarr", info("nw_ucla", "raw"), ["a|b"], [0], [people(0)[:0]])
    assert "a\\|b" in markdown(check(path), [])
