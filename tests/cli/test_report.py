"""fszoo report and fszoo explain: files of a run made by the commands, refusals, and the page in a browser."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.browser import chromium, pixels, watched
from helpers.shell import Shell
from helpers.small_run import SMALL
from playwright.sync_api import Page

from zoo.named_arrays import read


@pytest.fixture
def run(in_demo: Path, shell: Shell, tmp_path: Path) -> Path:
    """A run of the small demo, trained by the command."""
    words = [word for setting in SMALL for word in ("--set", setting)]
    done = shell(["fszoo", "train", "protonet", "--data", "demo", "--out", str(tmp_path / "run"), *words])
    assert done.exit_code == 0, done.output
    for name in ("curves.png", "confusion.png"):
        assert (tmp_path / "run" / name).read_bytes().startswith(b"\x89PNG")
    return tmp_path / "run"


BENCH = ["bench", "Cross-modal Table V", "--quick"]  # its stores are not in the workspace, so nothing is trained


@pytest.mark.slow
def test_outputs_that_cannot_be_written_are_refused_in_one_sentence(
    run: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.svg").mkdir()
    lines = (
        (["report", run, "--out", tmp_path / "file"], "File exists"),
        (["report", run, "--out", tmp_path / "file" / "deeper"], "Not a directory"),
        (["explain", run, "similarity", "--out", tmp_path / "folder.svg"], "Is a directory"),
        ([*BENCH, "--out", tmp_path / "file"], "File exists"),
    )
    for line, words in lines:
        done = shell(["fszoo", *map(str, line)])
        assert (done.exit_code, done.stderr.count("Error: ")) == (2, 1), done.output
        assert f"cannot be written ({words}). Choose another folder" in done.stderr
    assert (tmp_path / "file").read_text() == "x"

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("prep.files.os.fsync", refuse)
    for code in (errno.ENOSPC, errno.EROFS, errno.EIO):
        for line in (["report", run], ["explain", run, "similarity"], BENCH):
            done = shell(["fszoo", *map(str, line), "--out", f"{tmp_path}/out.svg"])
            assert (done.exit_code, done.stderr.count("Error: ")) == (2, 1), done.output
            assert ("the disk is full" if code == errno.ENOSPC else os.strerror(code)) in done.stderr


def test_a_report_and_a_figure_are_written_with_their_arrays(run: Path, shell: Shell, tmp_path: Path) -> None:
    done = shell(f"fszoo report {run} --json")
    assert done.exit_code == 0, done.output
    files = {key: Path(value) for key, value in json.loads(done.stdout).items()}
    assert files == {"report": run / "report" / "report.html", "arrays": run / "report" / "report.npz"}
    assert files["report"].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "run1/accuracy" in read(files["arrays"])
    assert "of the process" in files["report"].read_text(encoding="utf-8")
    done = shell(f"fszoo explain {run} similarity --out {tmp_path / 'x.svg'} --set untrained=true --json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["numbers"]) == 2
    assert read(tmp_path / "x.npz").labels["run"] == ("protonet", "protonet, untrained")
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
    for line, words in (
        (f"fszoo report {tmp_path}", "no recipe.toml, so it is not a run"),
        (f"fszoo report {run} --store {tmp_path / 'gone.zarr'}", "gone.zarr"),
        (f"fszoo explain {run} heat", "`heat` is not a figure. Known: activation, attribution"),
        (f"fszoo explain {run} similarity --out x.gif", "`.gif` is not the suffix of a figure"),
        (f"fszoo explain {run} similarity --set clips=3", "`clips` is not a key of Options"),
        (f"fszoo explain {run} gains", "`gains` takes 2 runs, not 1"),
    ):
        refused = shell(line)
        assert refused.exit_code == 2, refused.output
        assert words in refused.output


@pytest.mark.slow
def test_a_run_whose_store_is_gone_is_reported_without_clips(
    run: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSPREP_HOME", str(tmp_path / "empty"))
    done = shell(f"fszoo report {run}")
    assert done.exit_code == 0, done.output
    assert "no clips and no mistakes" in done.output
    html = (run / "report" / "report.html").read_text(encoding="utf-8")
    assert "Not shown, since the store of this run was not opened" in html
    assert "<canvas" not in html


def check_cells(page: Page) -> None:
    """A click on a cell, or Enter, plays its clips, those of another cell in their place; arrow keys move."""
    cells = page.locator(".confusion button")
    first, second = cells.nth(0), cells.nth(1)
    before = page.locator("canvas").count()
    first.click()
    figures = page.locator(".cell figure")
    assert 0 < figures.count() == page.locator("canvas").count() - before <= 4
    assert "confusion.json" in page.locator(".cell code").inner_text()
    assert page.locator(".cell h3").inner_text().endswith("answered rightly")
    first.focus()
    page.keyboard.press("ArrowRight")
    assert second.evaluate("one => one === document.activeElement")
    page.keyboard.press("Enter")
    assert " taken for " in page.locator(".cell h3").inner_text()
    assert (first.get_attribute("aria-pressed"), second.get_attribute("aria-pressed")) == ("false", "true")
    page.locator("#play").click()
    canvas = page.locator(".cell canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    still = pixels(canvas)
    page.wait_for_timeout(700)
    assert np.any(still != pixels(canvas))
    assert page.locator(".confusion button[tabindex='0']").count() == 1


@pytest.mark.slow
def test_the_page_plays_its_clips_in_a_browser(run: Path, shell: Shell) -> None:
    """No message of an error, no request, and the joints that are drawn move as those of the clip."""
    assert shell(f"fszoo report {run}").exit_code == 0
    address = (run / "report" / "report.html").resolve().as_uri()
    with chromium() as browser, watched(browser, address, allowed=address) as page:
        page.external = [url for url in page.external if not url.startswith("data:")]
        canvas = page.page.locator("canvas").first
        canvas.scroll_into_view_if_needed()
        page.page.wait_for_timeout(400)
        first = pixels(canvas)
        page.page.wait_for_timeout(700)
        assert np.any(first != pixels(canvas))
        button = page.page.locator("#play")
        button.focus()
        page.page.keyboard.press("Enter")
        assert button.inner_text() == "Play"
        page.page.wait_for_timeout(200)
        still = pixels(canvas)
        page.page.wait_for_timeout(500)
        np.testing.assert_array_equal(still, pixels(canvas))
        check_cells(page.page)
        assert page.unnamed() == []
        assert page.errors == []
        assert [url for url in page.external if not url.startswith("data:")] == []
