"""A person at MLflow's UI: what they open, and what they read."""

from dataclasses import dataclass

from playwright.sync_api import FrameLocator, Page

MODE = "workflowType=machine_learning"


@dataclass(frozen=True)
class MlflowPages:
    """One window. What MLflow praises to a newcomer is waved away wherever it comes up."""

    page: Page
    address: str

    def __post_init__(self) -> None:
        for praise in ("Try it now", "Got it"):
            self.page.add_locator_handler(self.page.get_by_role("button", name=praise), lambda button: button.click())

    def open(self, path: str) -> None:
        """A page of its own, not only another place of the one that is open."""
        self.page.goto("about:blank")
        joint = "&" if "?" in path else "?"
        self.page.goto(f"{self.address}/#/{path}{joint}{MODE}")

    def open_version(self, model: str, version: int) -> None:
        """From the list of registered models to a version of one of them."""
        self.open("models")
        self.page.get_by_role("link", name=model, exact=True).click()
        self.page.get_by_role("link", name=f"Version {version}", exact=True).click()
        self.page.get_by_text("Source Run:").wait_for()

    def open_report(self) -> FrameLocator:
        """From a run's page to its report, as it is shown among its artifacts."""
        self.page.get_by_role("tab", name="Artifacts").click()
        self.page.get_by_text("report.html", exact=True).first.click()
        return self.report()

    def report(self) -> FrameLocator:
        """The report that is shown among the artifacts of the run whose page is open."""
        report = self.page.frame_locator("iframe")
        report.locator("h1").first.wait_for()
        return report

    def in_model_training(self) -> None:
        """The half of MLflow in which runs and models are, not traces."""
        self.page.get_by_text("Model training", exact=True).click()

    def choose_view(self, name: str) -> None:
        """One of the experiment's saved views."""
        self.page.get_by_role("button", name="Views").click()
        self.page.get_by_role("menuitem", name=name).click()
