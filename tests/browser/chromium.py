"""The machine's own Chromium, headless; nothing is downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATIENCE_MS = 60_000  # for a machine with more to do than this
SHOTS = "TUNEGATE_SHOTS"


def executable() -> str:
    """Where it is; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(NAMES)} is on the PATH")
    return found


@contextmanager
def browser_page() -> Iterator[Page]:
    """A window of a person who has been nowhere yet."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


def shot(page: Page, name: str) -> None:
    """The page as a picture in the folder that TUNEGATE_SHOTS names, for people to look at; without it, none."""
    if folder := os.environ.get(SHOTS):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(1500)  # what is still drawn or fetched
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
