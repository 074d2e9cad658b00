"""The page in headless Chromium: what is drawn agrees with the store, and every control works by the keyboard alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from helpers.browser import chromium, pixels, watched
from helpers.synthetic_video import KINDS, encode, image, number_in
from helpers.viewing import BOX, HOSTILE, MOVING, NAMES, clips_for_viewing, opened, served
from playwright.sync_api import Browser, Page, expect

from manifests.facts import layout
from manifests.split_file import split
from manifests.text import plain
from prep.viewer.plane import principal_plane
from prep.viewer.server import ViewerServer

pytestmark = pytest.mark.slow
WIDTH, HEIGHT = 160, 96
NTU = layout("ntu25")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of clip 0, as long as the clip, and a broken one of clip 1."""
    folder = tmp_path_factory.mktemp("videos")
    codec, options, pixels_ = KINDS["mpeg4_avi"][1:]
    # No pixel is as blue as the box that the page draws.
    images = (np.maximum(image(n, WIDTH, HEIGHT), np.array([90, 0, 0], np.uint8)) for n in range(12))
    encode(folder / f"{NAMES[0]}_rgb.avi", images, codec, options, pixels_)
    (folder / f"{NAMES[1]}_rgb.avi").write_bytes(b"RIFF" + bytes(100))
    return folder


@pytest.fixture
def served_videos(viewed: Path, videos: Path, tmp_path: Path) -> Iterator[ViewerServer]:
    with opened([viewed], tmp_path / "marked.toml", videos) as session, served(session) as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: ViewerServer) -> Iterator[Page]:
    with opened_page(browser, server) as watching:
        yield watching.page
        watching.clean()


def opened_page(browser: Browser, server: ViewerServer, link: str = ""):  # type: ignore[no-untyped-def]
    return watched(browser, server.address + link, f"http://127.0.0.1:{server.port}/")


def open_clip(page: Page, number: int) -> None:
    page.locator("#clips button").nth(number).click()
    expect(page.locator("#clip-name")).to_have_text(NAMES[number])
    page.wait_for_selector("#stage canvas")


def frame_number(page: Page) -> int:
    return int(page.locator("#frame-number").inner_text().split(" / ")[0]) - 1


def drawn_at(joints: np.ndarray, frame: int, width: int, height: int) -> np.ndarray:
    """(V, 2): where the first camera shows the joints (L, M, V, 3) of body 0, in pixels of the canvas, y up."""
    low, high = np.nanmin(joints, axis=(0, 1, 2)), np.nanmax(joints, axis=(0, 1, 2))
    radius, centre = np.linalg.norm(high - low) / 2, (high + low) / 2
    half = (high - low) / 2 / radius
    x, y, z = ((joints[frame, 0] - centre) / radius).T
    up, away = np.cos(0.12) * y + np.sin(0.12) * z, np.cos(0.12) * z - np.sin(0.12) * y
    scale = min(width / np.hypot(half[0], half[2]), height / half[1]) * 0.42 * 5 / (5 + away)
    return np.stack([width / 2 + x * scale, height / 2 - up * scale], axis=-1)


def test_the_page_loads_without_an_error_or_a_request_elsewhere_and_controls_have_names(
    browser: Browser, served_videos: ViewerServer
) -> None:
    with opened_page(browser, served_videos) as watching:
        page = watching.page
        page.wait_for_selector("#clips button")
        open_clip(page, 3)
        page.wait_for_selector("figure.absent")
        assert watching.unnamed() == []
        # Names from a store are text, whatever they hold.
        assert plain(HOSTILE) in page.locator("#label").inner_text()
        assert page.locator("img").count() == 0
        # Neither the token nor a cookie can be read by a script.
        assert (page.url.split("#")[0], page.evaluate("document.cookie")) == (
            f"http://127.0.0.1:{served_videos.port}/",
            "",
        )
        assert watching.clean()


def test_a_filter_changes_the_list(page: Page) -> None:
    expect(page.locator("#clips button")).to_have_count(12)
    page.select_option("#flag", "zero")
    expect(page.locator("#clips button")).to_have_count(2)
    assert page.locator("#clips .name").all_inner_texts() == [NAMES[3], NAMES[5]]
    page.fill("#name", "R001A002")
    expect(page.locator("#clips button")).to_have_count(1)
    page.click("#clear")
    expect(page.locator("#clips button")).to_have_count(12)
    page.select_option("#part", "test")
    expected = sum(label % 4 in split("demo").test for label in range(12))
    expect(page.locator("#clips button")).to_have_count(expected)
    page.click("#clear")
    page.select_option("#order", "stillest")
    expect(page.locator("#clips .name").first).to_have_text(NAMES[1])


def test_play_moves_the_joint_that_moves_in_the_store_and_no_other(page: Page) -> None:
    open_clip(page, 0)
    canvas = page.locator("#stage canvas").first
    before = pixels(canvas)
    page.keyboard.press("[")
    page.keyboard.press("[")
    page.keyboard.press("Space")
    expect(page.locator("#frame-number")).to_have_text(re.compile(r"^([4-9]|1\d) / 12"))
    page.keyboard.press("Space")
    frame = frame_number(page)
    after = pixels(canvas)
    height, width = before.shape[:2]
    joints = clips_for_viewing()[0][:, :1]
    first, last = (drawn_at(joints, at, width, height) for at in (0, frame))
    changed = np.argwhere((before != after).any(axis=2))[:, ::-1]
    assert len(changed)
    # Only the joint and the bones that end in it: all within the box of both places and of the joint's neighbours.
    near = [MOVING, *(p if c == MOVING else c for c, p in NTU.bones if MOVING in (c, p))]
    corners = np.concatenate([first[near], last[near]])
    assert (changed >= corners.min(axis=0) - 8).all()
    assert (changed <= corners.max(axis=0) + 8).all()
    for place in (first[MOVING], last[MOVING]):
        assert np.abs(changed - place).max(axis=1).min() <= 2
    assert np.delete(first, MOVING, axis=0) == pytest.approx(np.delete(last, MOVING, axis=0))


def test_a_joint_is_named_under_the_pointer_and_by_keys(page: Page) -> None:
    open_clip(page, 3)
    page.keyboard.press("j")
    expect(page.locator("#pointed")).to_contain_text(f"body 1, joint 1 {NTU.joints[0]} at ")
    page.keyboard.press("k")
    expect(page.locator("#pointed")).to_contain_text(f"body 2, joint 25 {NTU.joints[24]} at ")
    open_clip(page, 0)
    box = page.locator("#stage canvas").first.bounding_box()
    assert box
    place = drawn_at(clips_for_viewing()[0][:, :1], 0, int(box["width"]), int(box["height"]))[MOVING]
    page.mouse.move(box["x"] + place[0], box["y"] + place[1])
    assert f"joint {MOVING + 1} {NTU.joints[MOVING]} at " in page.locator("#pointed").inner_text()


def test_the_box_on_the_frame_is_the_stores_and_the_video_is_in_step(
    browser: Browser, served_videos: ViewerServer
) -> None:
    with opened_page(browser, served_videos) as watching:
        page = watching.page
        open_clip(page, 0)
        canvas = page.locator("canvas[data-frame]")
        for frame in (0, 5):
            page.wait_for_selector(f"canvas[data-frame='{frame}'][data-ready=true]")
            assert frame_number(page) == frame
            shown = pixels(canvas)[1:-1, 1:-1]  # without the border
            height, width = shown.shape[:2]
            scale = min(width / WIDTH, height / HEIGHT)
            left, top = (width - WIDTH * scale) / 2, (height - HEIGHT * scale) / 2
            rows, columns = np.nonzero((np.abs(shown.astype(int) - (0, 229, 255)) < 30).all(axis=2))
            sides = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) - (left, top, left, top)
            assert sides / scale == pytest.approx(np.array(BOX) * (WIDTH, HEIGHT, WIDTH, HEIGHT), abs=1.5)
            points = [
                ((np.arange(size) + 0.5) * scale + start).astype(int) for size, start in ((HEIGHT, top), (WIDTH, left))
            ]
            assert number_in(shown[np.ix_(*points)]) == frame
            for _ in range(5 if frame == 0 else 0):
                page.keyboard.press(".")
        watching.clean()


def test_a_missing_or_broken_video_is_a_sentence_on_the_page(browser: Browser, served_videos: ViewerServer) -> None:
    with opened_page(browser, served_videos) as watching:
        for clip, words in ((4, f"has no video of {NAMES[4]}"), (1, f"{NAMES[1]}_rgb.avi: ")):
            open_clip(watching.page, clip)
            watching.page.wait_for_selector("figure.absent")
            assert words in watching.page.locator("figure.absent").inner_text()
            assert watching.page.locator("#stage canvas").count() == 1
        watching.clean()


def test_everything_works_by_the_keyboard_alone(page: Page, server: ViewerServer) -> None:
    press = page.keyboard.press
    page.wait_for_selector("#clips button")
    press("/")
    page.keyboard.type("A001")
    expect(page.locator("#clips button")).to_have_count(3)
    for _ in range(20):
        press("Tab")
        if page.evaluate("document.activeElement.closest('#clips') !== null"):
            break
    press("ArrowDown")
    press("Enter")
    expect(page.locator("#clip-name")).to_have_text(NAMES[4])
    press("n")
    expect(page.locator("#clip-name")).to_have_text(NAMES[8])
    press("p")
    expect(page.locator("#clip-name")).to_have_text(NAMES[4])
    press(".")
    press(".")
    press(",")
    assert frame_number(page) == 1
    press("]")
    press("]")
    assert page.locator("#speed").input_value() == "4"
    press("r")
    expect(page.locator("#stage canvas")).to_have_count(2)
    for _ in range(20):
        press("Tab")
        if page.evaluate("document.activeElement.tagName") == "CANVAS":
            break
    canvas = page.locator("#stage canvas").first
    front = pixels(canvas)
    for key in ("ArrowLeft", "ArrowUp", "+"):
        press(key)
    assert (pixels(canvas) != front).any()
    press("Home")
    assert (pixels(canvas) == front).all()
    press("m")
    expect(page.locator("#marks")).to_have_text(re.compile("^1 marked"))
    assert split(str(server.session.marks_file)).exclude == (NAMES[4],)
    press("m")
    expect(page.locator("#marks")).to_have_text("")


def test_a_link_opens_the_same_clip_and_frame_again(browser: Browser, server: ViewerServer) -> None:
    with opened_page(browser, server) as watching:
        open_clip(watching.page, 6)
        watching.page.keyboard.press(".")
        link = watching.page.url
        assert link.endswith(f"/#clip={NAMES[6]}&frame=1")
    with opened_page(browser, server, link[link.index("#") :]) as watching:
        expect(watching.page.locator("#clip-name")).to_have_text(NAMES[6])
        watching.page.wait_for_selector("#stage canvas")
        assert frame_number(watching.page) == 1
        watching.clean()


def test_a_link_opens_the_same_list_again(browser: Browser, server: ViewerServer) -> None:
    with opened_page(browser, server) as watching:
        page = watching.page
        expect(page.locator("#clips button")).to_have_count(12)
        page.select_option("#label", "1")
        page.select_option("#subject", "2")
        page.select_option("#order", "shortest")
        page.fill("#name", "s001")
        expect(page.locator("#clips .name")).to_have_text([NAMES[9], NAMES[1], NAMES[5]])
        page.locator("#clips button").nth(2).click()
        expect(page.locator("#clip-name")).to_have_text(NAMES[5])
        link = page.url
        assert link.split("#")[1] == (
            f"class={server.session.views[0].store.info.classes[1].replace(' ', '+')}"
            f"&subject=2&order=shortest&name=s001&clip={NAMES[5]}"
        )
    with opened_page(browser, server, link[link.index("#") :]) as watching:
        expect(watching.page.locator("#clips .name")).to_have_text([NAMES[9], NAMES[1], NAMES[5]])
        expect(watching.page.locator("#clip-name")).to_have_text(NAMES[5])
        expect(watching.page.locator("#ignored")).to_be_hidden()
        watching.page.evaluate("location.hash = 'flag=zero'")
        expect(watching.page.locator("#clips .name")).to_have_text([NAMES[3], NAMES[5]])
        watching.clean()


def test_what_a_link_says_wrongly_is_ignored_and_named(browser: Browser, server: ViewerServer) -> None:
    wrong = {"class": "<b>fly", "flag": "bad", "subject": "9", "page": "0", "store": "4", "frame": "x", "colour": "red"}
    link = "&".join(f"{key}={quote(value)}" for key, value in wrong.items())
    with opened_page(browser, server, f"#{link}&camera=3&clip={NAMES[2]}") as watching:
        page = watching.page
        expect(page.locator("#clips .name")).to_have_text([NAMES[i] for i in (2, 5, 8, 11)])
        expect(page.locator("#clip-name")).to_have_text(NAMES[2])
        said = page.locator("#ignored").inner_text()
        assert said.startswith("Unknown here, and ignored in the link: ")
        assert all(f"{key} `{value}`" in said for key, value in wrong.items())
        assert page.url.endswith(f"#camera=3&clip={NAMES[2]}")
        page.click("#clear")
        expect(page.locator("#ignored")).to_be_hidden()
        watching.page.evaluate("location.hash = 'page=9'")
        expect(page.locator("#count")).to_have_text("12 clips, page 1 of 1")
        watching.clean()


def test_a_point_of_the_plot_opens_its_clip_by_mouse_and_by_keyboard(
    browser: Browser, embedded: Path, tmp_path: Path
) -> None:
    with (
        opened([embedded], tmp_path / "m.toml") as session,
        served(session) as server,
        opened_page(browser, server) as watching,
    ):
        page, names = watching.page, session.views[0].store.names
        page.locator("#clips button").nth(2).click()
        expect(page.locator("#clip-name")).to_have_text(names[2])
        page.click("#draw")
        page.wait_for_selector("#plot:not([hidden])")
        assert watching.unnamed() == []
        vectors = session.views[0].vectors("xclip")
        plane = principal_plane(vectors.unit, vectors.done)
        points = dict(zip(plane.clips.tolist(), plane.position, strict=True))
        near = sorted(points, key=lambda clip: float(np.linalg.norm(points[clip] - points[2])))
        expect(page.locator("#point")).to_have_text(re.compile(f"^{names[2]}, "))
        page.focus("#plot")
        for key, clip in (("ArrowRight", near[1]), ("ArrowRight", near[2]), ("ArrowLeft", near[1])):
            page.keyboard.press(key)
            expect(page.locator("#point")).to_have_text(re.compile(f"^{names[clip]}, "))
        page.keyboard.press("Enter")
        expect(page.locator("#clip-name")).to_have_text(names[near[1]])
        page.locator("#plot").scroll_into_view_if_needed()
        box = page.locator("#plot").bounding_box()
        assert box
        # The point farthest to the right stands at the margin of the axis that decides the scale, or within it.
        low, high = plane.position.min(axis=0), plane.position.max(axis=0)
        inner = np.array([box["width"] - 2, box["height"] - 2])
        scale = ((inner - 28) / (high - low)).min()
        far = max(points, key=lambda clip: float(points[clip][0]))
        x, y = inner / 2 + (points[far] - (low + high) / 2) * scale * (1, -1)
        page.mouse.click(box["x"] + 1 + x, box["y"] + 1 + y)
        expect(page.locator("#clip-name")).to_have_text(names[far])
        watching.clean()


def test_flagged_frames_are_marked_above_the_slider_and_a_key_goes_there(page: Page) -> None:
    expect(page.locator("#no-vectors")).to_be_visible()
    open_clip(page, 2)
    said = page.locator("#flagged").inner_text()
    assert said == "bone-jump in frames 6-8"
    assert page.locator("#strip").get_attribute("aria-label") == f"Flagged frames: {said}"
    assert (pixels(page.locator("#strip")) == (196, 22, 28)).all(axis=2).any()
    for key in "ff":
        page.keyboard.press(key)
        assert frame_number(page) == 5
    open_clip(page, 1)
    expect(page.locator("#strip")).to_be_hidden()


def test_two_stores_are_beside_each_other(browser: Browser, viewed: Path, other: Path, tmp_path: Path) -> None:
    with (
        opened([viewed, other], tmp_path / "m.toml") as session,
        served(session) as server,
        opened_page(browser, server) as watching,
    ):
        open_clip(watching.page, 2)
        titles = watching.page.locator("#stage figcaption").all_inner_texts()
        assert titles == ["A: demo, raw, as prepared", "B: demo, agcn, as prepared"]
        watching.page.select_option("#store", "1")
        expect(watching.page.locator("#stage figcaption").first).to_have_text("B: demo, agcn, as prepared")
        watching.clean()


def test_a_store_that_changes_is_said_on_the_page(browser: Browser, viewed: Path, other: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(viewed, tmp_path / "s.zarr"))
    with (
        opened([path], tmp_path / "m.toml") as session,
        served(session) as server,
        opened_page(browser, server) as watching,
    ):
        open_clip(watching.page, 0)
        shutil.rmtree(path)
        shutil.copytree(other, path)
        watching.page.locator("#clips button").nth(2).click()
        watching.page.wait_for_selector("#problem:not([hidden])")
        assert "the store has changed since it was opened" in watching.page.locator("#problem").inner_text()
        watching.page.reload()
        open_clip(watching.page, 2)
        expect(watching.page.locator("#problem")).to_be_hidden()
