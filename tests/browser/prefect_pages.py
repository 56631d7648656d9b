"""A person at Prefect's UI (V2): what they press, and what they read."""

import contextlib
import re
from dataclasses import dataclass

from playwright.sync_api import Error, Locator, Page, expect

from tests.browser.chromium import shot

MINUTES = 60_000
ATTEMPTS = 6


@dataclass(frozen=True)
class Asked:
    """What a suspended run asked: its text, and where its links lead by their words."""

    text: str
    links: dict[str, str]


@dataclass(frozen=True)
class PrefectPages:
    """One window. A `name` of a picture is where the walk stands."""

    page: Page
    address: str

    def open_form(self, flow: str, name: str) -> None:
        """Deployments, the one of this flow and name, Run, Custom run."""
        self.page.goto(f"{self.address}/v2/deployments")
        self.page.get_by_placeholder("Search deployments").fill(name)
        link = self.page.get_by_role("link", name=name, exact=True)
        expect(self.page.get_by_role("row").filter(has_not=link)).to_have_count(1)  # its head: the search is through
        self.page.get_by_role("row").filter(has=link).filter(has_text=flow).get_by_role("link", name=name).click()
        self.page.wait_for_url("**/deployments/deployment/**")
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Custom run").click()
        self.page.get_by_role("heading", name="Parameters").wait_for()

    def type_json(self, field: str, text: str) -> None:
        """Replace what an editor of the form holds."""
        editor = self.field(field).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)
        expect(editor).to_have_text(text)

    def field(self, title: str) -> Locator:
        """The innermost part of the form that carries this title."""
        titled = self.page.get_by_text(re.compile(f"^{re.escape(title)}( \\(Optional\\))?$"))
        return self.page.locator("div").filter(has=titled).filter(has=self.page.locator(".cm-content, input")).last

    def submit(self) -> str:
        """Press Submit and go to the run; its id."""
        self.page.get_by_role("button", name="Submit").click()
        self.page.get_by_role("button", name="View run").click()
        self.page.wait_for_url(re.compile(r"/runs/flow-run/"))
        return self.page.url.rsplit("/", 1)[1].partition("?")[0]

    def open_run(self, flow_run: str, tab: str = "Logs") -> None:
        """A run's page at one of its tabs."""
        self.page.goto(f"{self.address}/v2/runs/flow-run/{flow_run}?tab={tab}")

    def await_state(self, state: str, minutes: float = 5) -> None:
        """Until the run's page that is open shows this state."""
        badge = self.page.locator("main").get_by_text(state, exact=True).first
        expect(badge).to_be_visible(timeout=minutes * MINUTES)

    def resume(self) -> Locator:
        """Open the dialog of a suspended run. The page may be drawn anew under an open menu, which closes it."""
        for _ in range(ATTEMPTS):
            self.page.locator("main").get_by_role("button", name="Open menu").first.click()
            with contextlib.suppress(Error):
                self.page.get_by_role("menuitem", name="Resume").click(timeout=10_000)
                break
            self.page.keyboard.press("Escape")
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text("Your answer counts for exactly").wait_for()
        return dialog

    def say_yes(self, name: str, note: str, picture: str) -> Asked:
        """Answer the dialog of the run whose page is open; what it had asked."""
        dialog = self.resume()
        links = {link.inner_text(): link.get_attribute("href") or "" for link in dialog.get_by_role("link").all()}
        asked = Asked(dialog.inner_text(), links)
        shot(self.page, f"{picture}-asked")
        dialog.get_by_role("button", name=re.compile("^Select ")).click()
        self.page.get_by_role("option", name="yes", exact=True).click()
        dialog.get_by_label("Your name").fill(name)
        dialog.get_by_label("Note").fill(note)
        shot(self.page, f"{picture}-answered")
        dialog.get_by_role("button", name="Resume").click()
        dialog.wait_for(state="hidden")
        return asked
