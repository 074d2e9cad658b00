"""One clip of each class is drawn, also where no clip has a flag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.stores import info, write_clips
from helpers.synthetic_own import KINECT

from manifests.facts import layout
from prep.check.folder import write_report
from prep.check.gallery import Example, _lines, draw_gallery
from prep.check.measures import measure
from prep.check.report import make_report
from prep.progress import result
from prep.store.read import open_store


def standing(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(KINECT, 0.01, (9, 1, 20, 3)).astype(np.float32)


def test_a_report_without_flags_shows_a_clip_of_each_class(tmp_path: Path) -> None:
    names = ["a01_s01_e00_v01", "a01_s02_e00_v01", "a03_s01_e00_v01"]
    path = write_clips(tmp_path / "s.zarr", info("nw_ucla", "raw"), names, [0, 0, 2], [standing(i) for i in range(3)])
    store = open_store(path)
    report = make_report(store, result(measure(store)))
    assert report.flags == ()
    result(write_report(store, report, tmp_path / "report"))
    (figure,) = (tmp_path / "report").rglob("examples.png")
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "## One clip of each class" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize("name", ["kinect20", "coco17"])
def test_bones_of_every_body_and_frame_are_drawn_side_by_side(name: str, tmp_path: Path) -> None:
    joints = np.random.default_rng(0).random((5, 2, len(layout(name).joints), 3)).astype(np.float32) + 1
    mask = np.array([[True, True]] * 4 + [[True, False]])
    example = Example("$x$\n\x1b[2J", joints, mask)
    lines = _lines(example, layout(name))
    assert [len(points) for _, points in lines] == [3 * len(layout(name).bones)] * 9
    starts = [np.nanmin(points[:, 0]) for (_, points), body in zip(lines, [0, 1] * 4 + [0], strict=True) if body == 0]
    assert starts == sorted(starts)
    assert _lines(Example("", joints, mask & False), layout(name)) == []
    draw_gallery([example, Example("", joints[:1], mask[:1] & False)], layout(name), tmp_path / "examples.png")
    assert (tmp_path / "examples.png").read_bytes().startswith(b"\x89PNG")
