"""One stack and one window for all tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import browser_page, executable
from tests.browser.mlflow_pages import MlflowPages
from tests.browser.prefect_pages import PrefectPages
from tests.browser.stack import Stack, tunegate_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder, with the use cases that are deployed; a module that needs some overrides it."""
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    executable()  # before a minute is spent on starting
    with tunegate_up(folder) as running:
        yield running


@pytest.fixture(scope="module")
def window(stack: Stack) -> Iterator[Page]:
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module")
def prefect(window: Page, stack: Stack) -> PrefectPages:
    return PrefectPages(window, stack.prefect)


@pytest.fixture(scope="module")
def mlflow(window: Page, stack: Stack) -> MlflowPages:
    return MlflowPages(window, stack.mlflow)
