"""The form of report.html: nothing from outside, readable without eyes, without colours, in the dark and on paper."""

import itertools
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from data_contracts.trial import TrialRecord
from tasks.register import report
from tasks.register.report import SECTIONS, render
from tests.register.filled import filled
from tests.register.page import Page, with_changes, with_use_case
from tests.stepwise import Finished

EVIL = '<script>alert("x")</script> & <img src=x onerror="y">'
ROOT = Path(report.__file__).parents[2]


@pytest.fixture(params=["as measured", "filled"])
def record(finished: Finished, request: pytest.FixtureRequest) -> TrialRecord:
    return filled(finished.record) if request.param == "filled" else finished.record


@pytest.fixture
def page(record: TrialRecord) -> Page:
    return Page(render(record))


def test_every_tag_is_closed_in_its_turn(page: Page) -> None:
    assert [tag for tag, _ in page.tags][:2] == ["html", "head"]


def test_the_page_refers_to_nothing_outside_itself(record: TrialRecord) -> None:
    text = render(record)
    attributes = {name for _, attributes in Page(text).tags for name in attributes}
    assert not attributes & {"src", "action", "background", "srcset", "onload", "onerror", "onclick"}
    assert not {tag for tag, _ in Page(text).tags} & {"script", "iframe", "link", "object", "embed", "base", "image"}
    assert not re.search(r"https?://|url\(|@import", text)
    assert all((tag["href"] or "").startswith("#") for tag in Page(text).named("a"))


def test_the_browser_is_told_to_fetch_nothing(page: Page) -> None:
    policy = next(tag["content"] for tag in page.named("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none';")


def test_headings_go_down_one_level_at_a_time(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_landmarks_and_a_way_past_the_contents(page: Page) -> None:
    tags = Counter(tag for tag, _ in page.tags)
    assert {name: tags[name] for name in ("header", "nav", "main", "footer")} == dict.fromkeys(
        ("header", "nav", "main", "footer"), 1
    )
    assert page.named("a")[0] == {"class": "skip", "href": "#main"}


def test_every_link_leads_somewhere_and_every_id_is_there_once(page: Page) -> None:
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert set(ids.values()) == {1}
    wanted = [(tag["href"] or "")[1:] for tag in page.named("a")]
    wanted += " ".join(attributes.get("aria-labelledby") or "" for _, attributes in page.tags).split()
    assert set(wanted) <= set(ids)


def test_every_table_says_what_it_holds_and_every_heading_what_it_heads(page: Page) -> None:
    tags = Counter(tag for tag, _ in page.tags)
    assert tags["table"] == tags["caption"] > 5
    assert {attributes.get("scope") for attributes in page.named("th")} == {"col", "row"}


def test_every_drawing_is_told_in_words(page: Page) -> None:
    drawn = page.named("svg")
    tags = Counter(tag for tag, _ in page.tags)
    assert drawn and all(svg["role"] == "img" and svg["aria-labelledby"] for svg in drawn)
    assert tags["desc"] == len(drawn)
    assert tags["title"] == len(drawn) + 1  # and the page's own


def test_no_mark_is_told_by_its_colour_alone(record: TrialRecord) -> None:
    marks = re.findall(r'<span class="(?:ok|no|unsure|badge)">([^<]*)</span>', render(record))
    assert marks and all(re.search(r"\w{2}", mark) for mark in marks)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(theme: str) -> None:
    style = (report.PAGE / "style.css").read_text()
    colors = dict(re.findall(r"--(\w+):(#\w+)", re.findall(r":root \{([^}]*)\}", style)[theme == "dark"]))
    for ink in ("ink", "soft", "good", "warn", "bad", "accent"):
        for ground in ("paper", "wash"):
            assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)
    assert contrast(colors["mark"], colors["wash"]) >= 3


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio: 4.5 for text, 3 for the parts of a drawing."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(2 * digit for digit in color[1:])
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_print_opens_what_is_folded_away_and_is_light() -> None:
    style = (report.PAGE / "style.css").read_text()
    printed = style[style.index("@media print") :]
    assert "details::details-content { content-visibility:visible" in printed
    assert "@media screen and (prefers-color-scheme: dark)" in style
    assert "size:A4" in style


def test_texts_that_look_like_html_are_shown_as_text(record: TrialRecord) -> None:
    answers = record.answers.assign(output=EVIL, expected=EVIL, score=0.0)
    evil = with_use_case(replace(record, answers=answers, inputs=dict.fromkeys(record.inputs, EVIL)), title=EVIL)
    evil = with_changes(evil, "verdict", lambda verdict: verdict.update(reasons=[EVIL, f"`{EVIL}`"]))
    evil = with_changes(evil, "comparison", lambda comparison: comparison.update(notes=[EVIL]))
    evil = with_changes(evil, "recommendation", lambda advice: advice.update(sentence=EVIL))
    page = render(evil)
    assert "<script" not in page
    assert "<img" not in page
    assert Page(page).text.count('<script>alert("x")</script>') > 5


def test_contents_name_every_section_that_is_there(page: Page) -> None:
    sections = [tag["id"] for tag in page.named("section")]
    assert [(tag["href"] or "")[1:] for tag in page.named("a") if tag.get("class") != "skip"][
        -len(sections) :
    ] == sections
    assert set(sections) <= {section.name for section in SECTIONS}


def test_what_the_page_is_made_of_is_packaged() -> None:
    files = {path.suffix for path in report.PAGE.iterdir()}
    assert files == {".j2", ".css"}
    assert report.PAGE.is_relative_to(ROOT / "tasks"), "hatch packages whole folders"
    assert {f"{section.name}.html.j2" for section in SECTIONS} <= {path.name for path in report.PAGE.iterdir()}
