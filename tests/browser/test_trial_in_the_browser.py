"""A trial from the first form to the report, by nothing but buttons: Prefect's pages, then MLflow's."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import shot
from tests.browser.mlflow_pages import MlflowPages
from tests.browser.prefect_pages import Asked, PrefectPages
from tests.flows.worker import deployed

pytestmark = pytest.mark.slow

USE_CASE = "notes"
TITLE = "Sorting notes by topic"
WHY = "Somebody asked for a fine-tune"


@dataclass(frozen=True)
class Walk:
    """What a person met on the way through Prefect."""

    flow_run: str
    money: Asked
    promotion: Asked


@pytest.fixture(scope="module")
def folder(folder: Path) -> Path:
    deployed(folder, USE_CASE, title=TITLE, approvals={"promotion": "deployed"})
    return folder


@pytest.fixture(scope="module")
def walk(prefect: PrefectPages) -> Walk:
    """Started from the form with a threshold of nothing; both yeses given in the browser; finished."""
    prefect.open_form("trial", USE_CASE)
    prefect.type_json("Other settings", '{"budget.approval_above": 0}')
    prefect.page.get_by_label("Why").fill(WHY)
    shot(prefect.page, "01-form")
    flow_run = prefect.submit()
    prefect.await_state("Suspended")
    shot(prefect.page, "02-suspended")
    money = prefect.say_yes("Ada", "worth it", "03-money")
    prefect.await_state("Running")
    prefect.await_state("Suspended")
    promotion = prefect.say_yes("Grace", "looks right", "04-promotion")
    prefect.await_state("Completed")
    shot(prefect.page, "05-completed")
    return Walk(flow_run, money, promotion)


def test_the_run_says_the_use_case_and_why_it_is_there(prefect: PrefectPages, walk: Walk) -> None:
    prefect.open_run(walk.flow_run)
    expect(prefect.page.get_by_role("navigation", name="breadcrumb")).to_contain_text(f"{USE_CASE}: {WHY}")
    for tag in ("tunegate", USE_CASE, "classification"):
        expect(prefect.page.locator("main").get_by_text(tag, exact=True).first).to_be_visible()


def test_the_dialog_says_how_much_and_leads_to_what_it_is_for(prefect: PrefectPages, walk: Walk) -> None:
    says = r"notes is about to spend \$\d+\.\d\d\. More than \$0\.00 needs a person's yes"
    assert re.search(says, walk.money.text)
    prefect.page.goto(walk.money.links["What it is for, part by part"])
    expect(prefect.page.get_by_role("heading", name=re.compile(r"\$\d+\.\d\d in all"))).to_be_visible()
    expect(prefect.page.get_by_role("cell", name="training", exact=True)).to_be_visible()


def test_whoever_signs_reads_the_verdict_in_the_dialog_and_the_report_behind_it(
    mlflow: MlflowPages, walk: Walk
) -> None:
    assert "Your answer counts for exactly this verdict" in walk.promotion.text
    mlflow.page.goto(walk.promotion.links["The report"])
    report = mlflow.report()
    expect(report.locator(".verdict h2")).to_have_text("promote")
    for reason in report.locator(".verdict li").all_inner_texts():
        assert " ".join(reason.split()) in " ".join(walk.promotion.text.split())


def test_the_timeline_reads_as_the_stages(prefect: PrefectPages, walk: Walk) -> None:
    prefect.open_run(walk.flow_run, tab="TaskRuns")
    for stage in ("curate", "validate", "partition", "estimate", "evaluate", "judge", "register"):
        expect(prefect.page.locator("main").get_by_role("link", name=stage, exact=True).first).to_be_visible()


def test_its_artifacts_show_what_a_reader_looks_for_once_each(prefect: PrefectPages, walk: Walk) -> None:
    prefect.open_run(walk.flow_run, tab="Artifacts")
    shot(prefect.page, "06-artifacts")
    for artifact in ("estimate", "verdict", "candidates", "recommendation", "cost"):
        expect(prefect.page.locator("main").get_by_text(f"{USE_CASE}-{artifact}", exact=True)).to_have_count(1)


def test_the_report_is_read_in_mlflow_from_the_registered_version(mlflow: MlflowPages, walk: Walk) -> None:
    mlflow.open_version(f"tunegate.{USE_CASE}", 2)
    expect(mlflow.page.get_by_text("@ champion").first).to_be_visible()
    shot(mlflow.page, "07-version")
    mlflow.page.get_by_role("link", name="tune-minimal", exact=True).click()
    shot(mlflow.page, "08-candidate")
    mlflow.page.get_by_text("Parent run").locator("..").get_by_role("link").click()
    report = mlflow.open_report()
    shot(mlflow.page, "09-report")
    expect(report.locator("h1")).to_contain_text(TITLE)
    expect(report.locator(".verdict h2")).to_have_text("promote")
    expect(report.get_by_role("heading", name="How to reproduce")).to_be_attached()


def test_the_experiment_says_what_it_is_and_offers_its_candidates_side_by_side(
    mlflow: MlflowPages, window: Page, walk: Walk
) -> None:
    mlflow.open("experiments")
    window.get_by_role("link", name=USE_CASE, exact=True).click()
    mlflow.in_model_training()
    expect(window.get_by_text(TITLE)).to_be_visible()
    mlflow.choose_view("Candidates")
    for candidate in ("best-prompt", "tune-minimal", "tune-full"):
        expect(window.get_by_role("link", name=candidate, exact=True)).to_be_visible()
    shot(window, "10-candidates")
    expect(window.get_by_role("columnheader", name="metric", exact=True).first).to_be_visible()
