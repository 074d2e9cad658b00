"""Screenshots of the viewer and of a report for the README. `make pictures` makes what they show and runs this file."""

from __future__ import annotations

import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from helpers.browser import chromium, watched
from helpers.viewing import served
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from prep.viewer.session import Session
from prep.workers import Workers

ROOT = Path(__file__).resolve().parents[2]
VIEWER, REPORT = ROOT / "prep" / "viewer.png", ROOT / "zoo" / "report.png"
WIDTH = 1000
COLOURS = 128  # a screenshot with a palette is a third as large
FRAME = 18


def save(path: Path, *screenshots: bytes) -> None:
    """One below the other."""
    images = [Image.open(BytesIO(content)).convert("RGB") for content in screenshots]
    whole = Image.new("RGB", (max(image.width for image in images), sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height
    whole.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def draw_viewer(browser: Browser, store: str, videos: Path, name: str) -> None:
    """A clip that is playing beside its video."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        session = Session([store], Path(folder) / "marked.toml", "", videos, Workers(pool, 1, ()))
        view = session.views[0]
        clip = next(clip for clip in view.clips if view.store.info.classes[view.store.label[view.clips[clip]]] == name)
        with served(session) as server:
            link = f"{server.address}#class={name.replace(' ', '+')}&clip={clip}&frame={FRAME}"
            with watched(browser, link, f"http://127.0.0.1:{server.port}/", WIDTH, 700) as watching:
                page = watching.page
                page.wait_for_selector("canvas[data-ready=true]")
                page.select_option("#speed", "0.1")
                page.click("#play")
                expect(page.locator("#frame-number")).not_to_have_text(re.compile(f"^{FRAME + 1} / "))
                page.wait_for_selector("canvas[data-ready=true]")
                save(VIEWER, page.screenshot())
                watching.clean()


def draw_report(browser: Browser, report: Path) -> None:
    """The head and the curves of a report, and its most certain mistake."""
    address = report.resolve().as_uri()
    with watched(browser, address, address, WIDTH, 900) as watching:
        page = watching.page
        article = page.locator("article").first
        article.scroll_into_view_if_needed()
        expect(page.locator("#play")).to_have_text("Pause")
        page.wait_for_timeout(1300)
        page.click("#play")
        curves, mistakes = (page.locator("h2", has_text=text) for text in ("Confusion", "Most certain mistakes"))
        rows = (0, top_of(curves) - 10), (top_of(mistakes) - 10, bottom_of(article) + 16)
        strips = [{"x": 0, "y": top, "width": WIDTH, "height": bottom - top} for top, bottom in rows]
        save(REPORT, *(page.screenshot(full_page=True, clip=strip) for strip in strips))  # type: ignore[arg-type]
        watching.clean()


def top_of(element: Locator) -> float:
    return float(element.evaluate("one => one.getBoundingClientRect().top + scrollY"))


def bottom_of(element: Locator) -> float:
    return float(element.evaluate("one => one.getBoundingClientRect().bottom + scrollY"))


def main(store: str, videos: Path, report: Path, name: str = "kick right") -> None:
    with chromium() as browser:
        draw_viewer(browser, store, videos, name)
        draw_report(browser, report)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
