"""report.html in a real browser: drawn without a complaint and without a request, on screen, phone and paper."""

import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.register.report import render
from tests.register.filled import filled
from tests.stepwise import Finished

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def page(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(render(filled(finished.record)), encoding="utf-8")
    return path


@pytest.fixture
def served(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The page's address on a server, and the paths that were asked for."""
    asked: list[str] = []

    class Watched(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(page.parent))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Watched) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/report.html", asked
        server.shutdown()


def browse(url: str, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(BROWSER), *QUIET, f"--user-data-dir={profile}", "--enable-logging=stderr", *options, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def test_it_is_drawn_without_a_complaint_and_asks_for_nothing_else(
    served: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, asked = served
    done = browse(url, tmp_path, "--dump-dom", "--virtual-time-budget=3000")
    assert "How to reproduce" in done.stdout
    assert "CONSOLE" not in done.stderr
    assert set(asked) <= {"/report.html", "/favicon.ico"}


def test_what_is_folded_away_is_printed(page: Path, tmp_path: Path) -> None:
    folded = page.with_name("folded.html")
    folded.write_text(re.sub(r"</?details[^>]*>|<summary>.*?</summary>", "", page.read_text()), encoding="utf-8")
    pages = {path.name: printed_pages(path, tmp_path) for path in (page, folded)}
    assert pages["report.html"] >= pages["folded.html"] > 5


def printed_pages(path: Path, folder: Path) -> int:
    printed = folder / f"{path.stem}.pdf"
    browse(path.as_uri(), folder / path.stem, f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    return len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))


def test_a_phone_scrolls_its_tables_and_never_the_page(page: Path, tmp_path: Path) -> None:
    measured = page.with_name("measured.html")
    measure = "<script>document.title = 'wide ' + document.documentElement.scrollWidth + ' of ' + innerWidth</script>"
    content = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    measured.write_text(content.replace("</body>", f"{measure}</body>"), encoding="utf-8")
    done = browse(measured.as_uri(), tmp_path, "--dump-dom", "--window-size=500,900", "--virtual-time-budget=3000")
    wide, room = map(int, re.findall(r"<title>wide (\d+) of (\d+)</title>", done.stdout)[0])
    assert wide <= room
