"""A row goes from a file of any kind; the rows beside it and where it stood do not."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from data_contracts.redaction import token
from tasks.steps.forgotten.contents import Eraser
from tasks.steps.forgotten.stretches import GONE, Stretches

TEXT = "My name is Quimby Vandermolen and I live at nine Tulip Lane, please send the kettle there."
OTHER = "Where is the lamp that I ordered on Monday, and why does nobody answer me?"
ERASER = Eraser(frozenset({"row-7"}), Stretches([TEXT]), frozenset({TEXT}))
GONE_ID = token("row-7")


@pytest.fixture
def erased(tmp_path: Path) -> Any:
    def erase(name: str, frame: pd.DataFrame) -> pd.DataFrame | None:
        source, target = tmp_path / name, tmp_path / "made" / name
        target.parent.mkdir(exist_ok=True)
        frame.to_parquet(source, index=False)
        return pd.read_parquet(target) if ERASER.file(source, target) else None

    return erase


def document(content: dict[str, Any], name: str = "some.json") -> Any:
    return json.loads(ERASER.content(name, json.dumps(content).encode()))


def test_a_curated_row_is_emptied_where_it_stands(erased: Any) -> None:
    messages = [json.dumps([{"role": "user", "content": text}]) for text in (TEXT, OTHER)]
    row = {"id": ["row-7", "row-8"], "input": [TEXT, OTHER], "messages": messages, "words": ["w7", "w8"]}
    left = erased("curated.parquet", pd.DataFrame({**row, "file": ["rows.jsonl"] * 2, "offset": [0, 90]}))
    assert left.iloc[0].to_dict() == {
        "id": GONE_ID,
        "input": "",
        "messages": "[]",
        "words": token("w7"),
        "file": "rows.jsonl",
        "offset": 0,
    }
    assert left.iloc[1]["input"] == OTHER


def test_another_row_that_holds_the_same_stretch_keeps_its_text(erased: Any) -> None:
    quoting = f"They told me: {TEXT}"
    assert erased("curated.parquet", pd.DataFrame({"id": ["row-9"], "input": [quoting], "messages": ["[]"]})) is None


def test_of_an_answer_the_score_stays_and_the_text_goes(erased: Any) -> None:
    answers = pd.DataFrame(
        {"candidate": ["a", "a"], "case": ["row-7", "row-8"], "output": ["x", f"As {TEXT}"], "score": [1.0, 0.5]}
    )
    left = erased("answers.parquet", answers)
    assert left["case"].tolist() == [GONE_ID, "row-8"]
    assert left["output"].tolist() == ["", f"As {GONE}"]
    assert left["score"].tolist() == [1.0, 0.5]


def test_an_example_for_prompts_is_left_out_altogether(erased: Any) -> None:
    left = erased("examples.parquet", pd.DataFrame({"id": ["row-7", "x", "y"], "input": [TEXT, TEXT, OTHER]}))
    assert left["id"].tolist() == ["y"], "also where it stands under another id"


def test_a_file_that_holds_none_of_it_is_not_written_again(erased: Any) -> None:
    assert erased("answers.parquet", pd.DataFrame({"case": ["row-8"], "output": [OTHER]})) is None


def test_the_same_file_comes_out_the_same_twice(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["row-7", "y"], "input": [TEXT, OTHER]}).to_parquet(tmp_path / "examples.parquet")
    for name in ("one", "two"):
        assert ERASER.file(tmp_path / "examples.parquet", tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_compression_of_a_file_stays(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["row-7"], "input": [TEXT]})
    frame.to_parquet(tmp_path / "label_noise.parquet", compression="zstd")
    ERASER.file(tmp_path / "label_noise.parquet", tmp_path / "made")
    assert pq.ParquetFile(tmp_path / "made").metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_document_loses_the_id_the_quotation_and_nothing_else() -> None:
    found = document({"cases": ["row-7", "row-8"], "note": f"see {TEXT}", "label": "row-7", "n": 1})
    assert found == {"cases": [GONE_ID, "row-8"], "note": f"see {GONE}", "label": "row-7", "n": 1}


def test_a_table_of_mlflow_loses_the_id() -> None:
    found = document({"columns": ["case", "score"], "data": [["row-7", 1], ["row-8", 0]]}, "answers.json")
    assert found["data"] == [[GONE_ID, 1], ["row-8", 0]]


def test_a_document_without_the_row_keeps_its_very_bytes() -> None:
    content = b'{"a":   1}'
    assert ERASER.content("some.json", content) == content


def test_a_group_of_failing_inputs_is_not_told_by_words_of_the_row() -> None:
    cluster = {"cases": ["row-7", "row-8"], "terms": ["vandermolen", "lamp"]}
    found = document({"candidates": [{"clusters": [cluster]}]}, "failures.json")
    assert found["candidates"][0]["clusters"][0]["terms"] == ["lamp"]
    page = ERASER.without_terms(
        b"<h4>Systematic, 2 cases: vandermolen, lamp</h4>",
        json.dumps({"candidates": [{"clusters": [cluster]}]}).encode(),
    )
    assert page == b"<h4>Systematic, 2 cases: lamp</h4>"


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({"messages": [{"role": "user", "content": TEXT}]}),
        json.dumps({"id": "row-7", "broken": True}),
        f"9,{TEXT},order",
    ],
)
def test_a_rejected_record_keeps_its_place_and_its_code(raw: str) -> None:
    record = {"file": "rows.jsonl", "line": 9, "offset": 1, "id": "", "code": "bad_json", "remedy": "", "raw": raw}
    assert document(record, "quarantine.jsonl") == record | {"id": token(""), "raw": ""}


def test_a_rival_is_not_named_any_more() -> None:
    record = {"id": "row-8", "code": "label_conflict", "remedy": "Record row-7 has the same words.", "raw": OTHER}
    found = document(record, "quarantine.jsonl")
    assert found["remedy"] == f"Record {GONE_ID} has the same words."
    assert found["raw"] == OTHER


def test_a_page_loses_text_and_id_in_their_escaped_form() -> None:
    text = 'I said "no" & <never> to the man who sold me the kettle'
    eraser = Eraser(frozenset({"a&b"}), Stretches([text]))
    page = "<p><code>a&amp;b</code><p>I said &#34;no&#34; &amp; &lt;never&gt; to the man who sold me the …</p>"
    assert eraser.content("report.html", page.encode()).decode() == (f"<p><code>{token('a&b')}</code><p>{GONE}…</p>")


def test_an_id_that_was_replaced_is_not_replaced_again() -> None:
    assert token(token("row-7")) == token("row-7")
