"""The cells of a confusion matrix as filters: the server's answers, refusals, and the matrix in the browser."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from helpers.browser import chromium, watched
from helpers.viewing import HOSTILE, NAMES, call, matrix_file, opened
from playwright.sync_api import expect

from manifests.text import plain
from prep.errors import PrepError
from prep.viewer.server import ViewerServer

SHOWN = plain(HOSTILE)


def test_a_cell_a_row_or_a_column_is_a_filter(with_matrix: ViewerServer) -> None:
    def found(query: str) -> list[str]:
        return [row["name"] for row in call(with_matrix, f"/api/clips?{query}").json["clips"]]

    assert found(f"true={quote(SHOWN)}&answered=b") == [NAMES[4], NAMES[8]]
    assert found(f"true={quote(SHOWN)}") == [NAMES[0], NAMES[4], NAMES[8]]
    assert found("answered=b") == [NAMES[1], NAMES[4], NAMES[5], NAMES[8]]
    assert found("true=c") == []
    assert found("answered=b&label=1") == [NAMES[1], NAMES[5]]


def test_the_list_says_how_often_a_clip_is_answered_so_and_what_is_left_out(with_matrix: ViewerServer) -> None:
    reply = call(with_matrix, f"/api/clips?true={quote(SHOWN)}&answered=b&order=longest").json
    assert reply["note"] == "1 clip of them not in this store, 1 more not named in the file"
    assert [row["value"] for row in reply["clips"]] == ["answered so 1 time", "answered so 2 times"]
    assert call(with_matrix, "/api/clips").json["note"] == ""


def test_the_page_gets_the_matrix_with_plain_names(with_matrix: ViewerServer, server: ViewerServer) -> None:
    matrix = call(with_matrix, "/api/stores").json["confusion"]
    assert (matrix["names"], matrix["counts"][0]) == ([SHOWN, "b", "c"], [3, 6, 0])
    assert call(server, "/api/stores").json["confusion"] is None


def test_a_wrong_class_and_a_missing_matrix_are_answered_by_a_sentence(
    with_matrix: ViewerServer, server: ViewerServer
) -> None:
    reply = call(with_matrix, "/api/clips?true=d")
    assert (reply.status, reply.json["error"][:45]) == (422, "the confusion matrix has no class `d`. Known:")
    assert "--confusion FILE" in call(server, "/api/clips?answered=b").json["error"]


def test_a_matrix_of_other_clips_is_refused(viewed: Path, tmp_path: Path) -> None:
    file = matrix_file(tmp_path / "confusion.json")
    content = json.loads(file.read_text())
    for cell in content["cells"]:
        cell["clips"] = {f"x{name}": times for name, times in cell["clips"].items()}
    file.write_text(json.dumps(content))
    with (
        pytest.raises(
            PrepError, match=r"none of its clips is in .*a\.zarr\. Name the store that the run was tested on"
        ),
        opened([viewed], tmp_path / "marked.toml", confusion=file),
    ):
        pass


@pytest.mark.slow
def test_a_cell_opens_its_clips_by_mouse_keyboard_and_link(with_matrix: ViewerServer) -> None:
    here = f"http://127.0.0.1:{with_matrix.port}/"
    with chromium() as browser:
        with watched(browser, with_matrix.address, here) as watching:
            page, names = watching.page, watching.page.locator("#clips .name")
            expect(page.locator("#clips button")).to_have_count(12)
            cells = page.locator("#cells button")
            assert cells.all_inner_texts() == ["33", "67", "100"]
            assert page.locator("#cells tbody th").first.inner_text() == SHOWN
            assert page.locator("img").count() == 0
            cells.nth(1).click()
            expect(names).to_have_text([NAMES[4], NAMES[8]])
            expect(page.locator("#count")).to_contain_text("2 clips, page 1 of 1; 1 clip of them not in this store")
            assert cells.nth(1).get_attribute("aria-pressed") == "true"
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Enter")
            expect(names).to_have_text([NAMES[1], NAMES[5]])
            assert page.input_value("#true") == page.input_value("#answered") == "b"
            assert page.locator("#cells button[tabindex='0']").count() == 1
            assert watching.unnamed() == []
            page.locator("#clips button").first.click()
            expect(page.locator("#clip-name")).to_have_text(NAMES[1])
            expect(page.locator("#cells")).to_be_hidden()
            link = page.url
            page.click("#clear")
            expect(page.locator("#clips button")).to_have_count(12)
            watching.clean()
        with watched(browser, with_matrix.address + link[link.index("#") :], here) as watching:
            expect(watching.page.locator("#clips .name")).to_have_text([NAMES[1], NAMES[5]])
            expect(watching.page.locator("#ignored")).to_be_hidden()
            watching.clean()
