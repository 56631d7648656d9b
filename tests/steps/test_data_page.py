import re
from dataclasses import asdict
from html.parser import HTMLParser

import pandas as pd
import pytest

from data_contracts.curation import CurationReport, DataDiff, LabelVariant, TiedToken
from data_contracts.records import (
    PAIR_COLUMNS,
    Counts,
    ExpectationResult,
    LeakageReport,
    PartitionShare,
    Phrase,
    Rejection,
    SealedTestSet,
    SourceFacts,
)
from tasks.run_folder import RunFolder
from tasks.steps.data_page import render
from tests.curate.cases import use_case

HOSTILE = "<script>alert('x')</script>"
RAW = "what the quarantine alone may hold"
FILE = "/data/tickets.jsonl"
DOCUMENTS = ["counts.json", "curation.json", "contract.json", "leakage.json", "sealed.json", "quarantine.jsonl"]


class Page(HTMLParser):
    """What a browser would find: opened and closed tags, and addresses."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def counts():
    rows = {"train": 700, "validation": 140, "test": 250}
    labels = {"billing": 2, "delivery": 1}
    shares = {name: PartitionShare(rows=number, sha256="5" * 64, labels=labels) for name, number in rows.items()}
    return Counts(
        records_in=1200,
        curated=1100,
        duplicates=60,
        quarantined=28,
        excluded=12,
        quarantine_codes={"label_conflict": 16, "json": 12},
        sources={FILE: "a" * 64},
        source_facts={FILE: SourceFacts(bytes=123456, head=3, records=1200, version="v-77")},
        withheld=10,
        withheld_reasons={"bridges train and test": 10},
        **shares,
    )


def curation():
    return CurationReport(
        duplicates={"same words": 41, "near": 19},
        near_rows=33,
        conflicts={"same words": 16, "near": 0},
        label_variants=[LabelVariant(label="Billing", variant_of="billing", rows=3, differs_in="case")],
        labels={"delivery": 400, "billing": 700},
        imbalance=1.75,
        slices={"plan": {"free": 1080, "paid": 20}},
        thin_slices=["plan=paid"],
        private={"email": {"mask": 31}, "ip_address": {"allow": 2}},
        label_noise=3,
        diff=DataDiff(
            run="20251201-050000-tickets-0a1b",
            new=120,
            gone=4,
            relabelled=2,
            unchanged=974,
            tied_tokens=[TiedToken(token="zq-offer", label="billing", source=FILE, rows=21, share=0.98)],
        ),
        warnings=["Slice plan=paid has 20 rows."],
    )


def leakage(found):
    return LeakageReport(
        train_rows=700,
        validation_rows=140,
        test_rows=250,
        compared="The user's turns.",
        found={"validation": {"same words": 0, "near": 0}, "test": {"same words": 1, "near": found}},
        withheld=0,
        label_agreement=0.9,
        label_in_input={"billing": 5},
        uploaded=4000,
        corpora={"handbook/": 2},
        boilerplate=812,
        phrases=[Phrase(words="thank you very much", rows=512)],
    )


def expectations(severity="warning"):
    return [
        ExpectationResult(type="expect_column_values_to_be_unique", column="id", severity="critical", success=True,
                          unexpected=0, unexpected_ids=[]),
        ExpectationResult(type="expect_column_values_to_match_regex", column="input", severity=severity, success=False,
                          unexpected=3, unexpected_ids=["t7", "t8"], notes="An order number is there"),
    ]  # fmt: skip


def rejections():
    conflict = "Record t9 has the same words and another answer: decide which is right."
    for number in range(28):
        code, remedy = ("json", "Not JSON.") if number % 7 > 3 else ("label_conflict", conflict)
        yield asdict(Rejection(FILE, number + 1, 90 * number, f"q{number}", "output", code, remedy, 90, RAW))


def pairs(number):
    """Near pairs with falling scores, one of the same words, one to look at, one with an earlier upload."""
    near = [("test", f"e{at}", f"t{at}", "near", 0.9 - at / 100, 210.0, "train", False) for at in range(number)]
    return pd.DataFrame(
        [
            *near,
            ("test", "e1", "t2", "same words", 1.0, 0.0, "train", False),
            ("test", "e3", "run-2025/77", "shared passages", 0.2, 88.0, "uploaded", False),
            ("validation", "e4", "t4", "same but for numbers", 1.0, 0.0, "train", True),
        ],
        columns=list(PAIR_COLUMNS),
    )


def fill(folder, *, case=None, results=None, found=12):
    """A run folder with everything in it."""
    folder.write_json("use_case.json", case or use_case(FILE, title="Routing support messages"))
    folder.write_json("counts.json", counts())
    folder.write_json("curation.json", curation())
    folder.write_json("contract.json", {"expectations": [item.model_dump() for item in results or expectations()]})
    folder.write_json("leakage.json", leakage(found))
    folder.write_json("sealed.json", SealedTestSet(sha256="b" * 64, rows=250, verdicts=3, detects=0.07, needed=900))
    folder.write_lines("quarantine.jsonl", rejections())
    excluded = Rejection(FILE, 5, 0, "x1", "created_at", "excluded", "Before the new tariff", 9, RAW)
    folder.write_lines("excluded.jsonl", [asdict(excluded)])
    noise = [(f"n{at}", "billing", "delivery", 0.031 * (at + 1)) for at in range(3)]
    folder.write_frame("label_noise.parquet", pd.DataFrame(noise, columns=["id", "label", "suggested", "quality"]))
    folder.write_frame("leakage_pairs.parquet", pairs(found))
    texts = [f"{name} {at}: where is my parcel? " + "It has not come. " * 40 for name in "et" for at in range(found)]
    ids = [f"{name}{at}" for name in "et" for at in range(found)]
    rows = pd.DataFrame({"id": [*ids, "secret"], "input": [*texts, "a row that leaks nowhere"]})
    rows.loc[0, "input"] = HOSTILE
    folder.write_frame("curated.parquet", rows)
    return folder


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "20260101-050000-tickets-1a2b")


def words(html):
    """The text of the page, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_the_page_is_one_document_that_loads_nothing(folder):
    page = Page(render(fill(folder)))
    assert page.open == []
    assert all(address.startswith("#") for address in page.addresses)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)


def test_it_says_what_became_of_every_record(folder):
    text = words(render(fill(folder)))
    assert "1200 records = 1100 curated + 60 duplicates + 28 quarantined + 12 excluded" in text
    assert "bridges train and test 10" in text
    assert "Before the new tariff" in text


def test_quarantine_names_the_first_ten_of_each_code_and_never_their_text(folder):
    html = render(fill(folder))
    assert html.count("Record t9 has the same words") == 11  # ten rows and the summary
    assert "The first 10 of 16" in words(html)
    assert RAW not in html


def test_labels_slices_diff_suspects_and_private_data_are_told(folder):
    text = words(render(fill(folder)))
    for said in [
        "billing 700 2 2 2",
        "Billing billing case 3",
        "plan = paid 20 thin",
        "n0 billing delivery 3.1",
        "zq-offer billing 98.0",
        "Private data, email: masked 31",
        "Private data, ip address: allowed 2",
        "Copies dropped: near 19",
        "250 test cases detect a difference of 7.0 points",
        "thank you very much 512",
        "An order number is there",
    ]:
        assert said in text, said


def test_ten_pairs_of_each_kind_stand_side_by_side_the_worst_kind_first(folder):
    html = render(fill(folder))
    text = words(html)
    assert text.index("1 evaluation rows: same words") < text.index("12 evaluation rows: near") < text.index("Pairs to")
    assert len(re.findall(r"<code>t\d+</code><p>t \d+: where is my parcel", html.replace("> <", "><"))) == 12
    assert "t 9: where is my parcel" in text and "t 10: where is my parcel" not in text
    assert "uploaded earlier run-2025/77" in text
    assert text.index("Pairs to look at") < text.index("same but for numbers")


def test_texts_are_shortened_escaped_and_only_those_of_the_pairs(folder):
    html = render(fill(folder))
    assert HOSTILE not in html and "&lt;script&gt;" in html
    assert max(len(text) for text in re.findall(r"<p>([et] \d+:.*?)</p>", html)) <= 325
    assert "a row that leaks nowhere" not in html


def test_the_text_policy_keeps_every_text_out(folder):
    case = use_case(FILE, text_policy={"excerpts_in_report": False})
    text = words(render(fill(folder, case=case)))
    assert "where is my parcel" not in text and "thank you very much" not in text
    assert "12 evaluation rows: near" in text and "ids only" in text


def test_what_stops_the_run_stands_on_top(folder):
    text = words(render(fill(folder), stopped="Curation: 4 rows hold a card number; nothing was uploaded."))
    top = text[: text.index("What became of every record")]
    assert "Stopped before anything left the machine Curation: 4 rows hold a card number" in top


def test_a_run_that_passed_every_gate_says_so(folder):
    case = use_case(FILE, leakage={"on_leak": "withhold"})
    assert "These data may be trained and tested on 250 test cases" in words(render(fill(folder, case=case)))


@pytest.mark.parametrize("written", range(len(DOCUMENTS) + 1))
def test_a_run_that_was_stopped_anywhere_has_its_page(folder, tmp_path, written):
    whole = fill(RunFolder(tmp_path / "20260101-050000-tickets-9f9f"))
    for name in ["use_case.json", *DOCUMENTS[:written]]:
        folder.write_bytes(name, whole.read_bytes(name))
    page = render(folder)
    assert Page(page).open == []
    assert page.count("<h2") == 8
