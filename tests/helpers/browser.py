"""Pages in headless Chromium: the system's browser, driven by Playwright; tests skip, saying so, where it is absent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Every control must have a name that a screen reader speaks.
UNNAMED = """() => [...document.querySelectorAll('button, input, select, canvas, output, summary, ul, form, nav')]
    .filter((one) => one.checkVisibility() && !(one.ariaLabel || [...(one.labels ?? [])].some((l) => l.innerText.trim())
        || (['BUTTON', 'SUMMARY'].includes(one.tagName) && one.innerText.trim()) || one.tagName === 'OUTPUT'
        || one.tagName === 'NAV' && one.ariaLabel))
    .map((one) => one.outerHTML.slice(0, 120))"""


@dataclass
class Watched:
    """A page, and what must stay empty: messages of errors, and requests to anywhere but `allowed`."""

    page: Page
    allowed: str
    errors: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)

    def clean(self) -> bool:
        """Assert that nothing went wrong so far."""
        assert self.errors == []
        assert self.external == []
        return True

    def unnamed(self) -> list[str]:
        """Visible controls without a name."""
        return list(self.page.evaluate(UNNAMED))


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a browser, one of {', '.join(NAMES)}; Debian: apt-get install chromium-headless-shell")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Chromium's own sandbox needs rights that a container's root does not have.
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched(browser: Browser, address: str, allowed: str, width: int = 1300, height: int = 850) -> Iterator[Watched]:
    """A page of its own context at an address."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = Watched(context.new_page(), allowed)
    page.page.on("console", lambda line: page.errors.append(line.text) if line.type in ("error", "warning") else None)
    page.page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.page.on("dialog", lambda dialog: page.errors.append(f"dialog: {dialog.message}"))
    page.page.on("request", lambda sent: None if sent.url.startswith(allowed) else page.external.append(sent.url))
    page.page.set_default_timeout(20_000)
    page.page.goto(address)
    try:
        yield page
    finally:
        context.close()


def pixels(element: Locator) -> NDArray[np.uint8]:
    """A screenshot of an element, (height, width, 3) RGB."""
    decoded = cv2.imdecode(np.frombuffer(element.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(decoded[..., ::-1])
