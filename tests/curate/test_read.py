import gzip
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.records import EXAMPLE_COLUMNS
from tasks.errors import ConfigurationError, DataError
from tests.curate.cases import contract, jsonl, outcome, read_file, row, use_case

BANKING77 = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"
TYPED = {
    "columns": {"text": {}, "label": {}, "value": {"type": "string"}},
    "mapping": {"input": "text", "output": "label", "slices": ["value"]},
}


def typed(kind):
    """A contract with one column `value` of this type."""
    columns = {**TYPED["columns"], "value": {"type": kind}}
    return contract(columns=columns, mapping=TYPED["mapping"])


def value_of(raw):
    """The column `value` of the only row."""
    assert not raw.rejected, [(rejection.code, rejection.field) for rejection in raw.rejected]
    return json.loads(raw.rows["slices"].item())["value"]


def only_rejection(raw):
    (rejection,) = raw.rejected
    return rejection


# ---------------------------------------------------------------- what an example is made of


def test_a_flat_row_becomes_one_question_and_its_answer(tmp_path):
    example = read_file(tmp_path / "rows.jsonl", jsonl(row())).rows.iloc[0]
    assert tuple(example.index) == EXAMPLE_COLUMNS
    assert example["id"] == example["group"] == "r1"
    assert example["input"] == "where is parcel 1?"
    assert json.loads(example["messages"]) == [{"role": "user", "content": "where is parcel 1?"}]
    assert example["output"] == "parcel"
    assert (example["line"], example["offset"]) == (1, 0)


def test_a_chat_keeps_its_context_and_ends_with_the_expected_answer(tmp_path):
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "My card?"},
        {"role": "assistant", "content": "cards"},
    ]
    rules = contract(columns={"chat": {"type": "messages"}}, mapping={"messages": "chat"})
    example = read_file(tmp_path / "rows.jsonl", jsonl({"chat": chat}), rules=rules).rows.iloc[0]
    assert json.loads(example["messages"]) == chat[:-1]
    assert (example["input"], example["output"]) == ("Hello\nMy card?", "cards")


def test_group_time_and_slices_come_from_the_mapped_columns(tmp_path):
    rules = contract(
        columns={"text": {}, "label": {}, "who": {}, "at": {"type": "datetime"}, "vip": {"type": "boolean"}},
        mapping={"input": "text", "output": "label", "group": "who", "created_at": "at", "slices": ["vip"]},
    )
    content = jsonl({"text": "a", "label": "b", "who": "007", "at": "2026-03-01T00:30:00+01:00", "vip": True, "x": 1})
    example = read_file(tmp_path / "rows.jsonl", content, rules=rules).rows.iloc[0]
    assert (example["group"], example["slices"]) == ("007", '{"vip": true}')
    assert example["created_at"] == "2026-02-28T23:30:00+00:00"


def test_a_row_without_an_id_keeps_its_made_up_one_when_rows_arrive_before_it(tmp_path):
    rules = contract(columns={"text": {}, "label": {}}, mapping={"input": "text", "output": "label"})
    alone = read_file(tmp_path / "rows.jsonl", jsonl({"text": "a", "label": "x"}), rules=rules).rows
    later = read_file(
        tmp_path / "more.jsonl", jsonl({"text": "b", "label": "x"}, {"text": "a", "label": "x"}), rules=rules
    ).rows
    assert later["id"].tolist()[1] == alone["id"].item()
    assert later["id"].is_unique


def test_an_extraction_answer_is_canonical_json_whether_object_or_text(tmp_path):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "a": {"type": "string"}}}
    answers = {"object": {"n": 1, "a": "é"}, "string": '{"n": 1,\n "a": "é"}'}
    for kind, answer in answers.items():
        rules = contract(columns={"id": {}, "text": {}, "label": {"type": kind}}, output_schema=schema)
        raw = read_file(tmp_path / "rows.jsonl", jsonl(row(label=answer)), rules=rules, kind="extraction")
        assert raw.rows["output"].item() == '{"a":"é","n":1}'


def test_a_given_partition_and_the_hash_of_each_file_are_recorded(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_bytes(jsonl(row(id=name)))
    files = [{"path": str(tmp_path / f"{name}.jsonl"), "partition": name} for name in ("train", "test")]
    found = outcome(use_case(*files, split={"method": "given"}), tmp_path)
    assert found.rows["given_partition"].tolist() == ["train", "test"]
    assert found.raw.sources == {
        file["path"]: hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest() for file in files
    }


# ---------------------------------------------------------------- nothing is changed on the way


@pytest.mark.parametrize("text", ["007", "1e5", "NA", "null", "None", "nan", "TRUE", " two  spaces ", "-0", "=cmd()"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_text_stays_the_text_that_it_is(tmp_path, form, text):
    path = tmp_path / f"rows.{form}"
    record = {"text": "a", "label": "b", "value": text}
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist([record]), path)
    else:
        path.write_bytes(jsonl(record) if form == "jsonl" else f"text,label,value\na,b,{text}\n".encode())
    assert value_of(outcome(use_case(path, rules=typed("string")), tmp_path)) == text


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_large_integer_stays_exact_beside_a_row_without_one(tmp_path, form):
    large = 2**53 + 1
    path = tmp_path / f"rows.{form}"
    records = [{"text": "a", "label": "b", "value": large}, {"text": "c", "label": "b", "value": None}]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        path.write_bytes(jsonl(*records) if form == "jsonl" else f"text,label,value\na,b,{large}\nc,b,\n".encode())
    columns = {**TYPED["columns"], "value": {"type": "integer", "required": False}}
    rows = outcome(use_case(path, rules=contract(columns=columns, mapping=TYPED["mapping"])), tmp_path).rows
    assert [json.loads(text)["value"] for text in rows["slices"]] == [large, None]


def test_only_newline_bytes_end_a_line_of_json(tmp_path):
    text = "one\u2028two\u0085three\u2029four"
    content = json.dumps(row(text=text), ensure_ascii=False).encode() + b"\r\n" + jsonl(row(2))
    rows = read_file(tmp_path / "rows.jsonl", content).rows
    assert rows["input"].tolist() == [text, "where is parcel 2?"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_byte_order_mark_is_no_part_of_the_data(tmp_path, form):
    content = jsonl(row()) if form == "jsonl" else b"id,text,label\nr1,a,b\n"
    raw = read_file(tmp_path / f"rows.{form}", b"\xef\xbb\xbf" + content)
    assert raw.rows["id"].tolist() == ["r1"]


def test_offsets_point_at_the_bytes_of_each_record(tmp_path):
    content = b"\xef\xbb\xbf" + jsonl(row(1), row(2, text="größer"), row(3))
    for example in read_file(tmp_path / "rows.jsonl", content).rows.itertuples():
        line = content[example.offset :].split(b"\n")[0]
        assert json.loads(line)["id"] == example.id


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_compressed_file_reads_like_the_plain_one(tmp_path, form):
    content = jsonl(row()) if form == "jsonl" else b"id,text,label\nr1,a,b\n"
    plain = read_file(tmp_path / f"rows.{form}", content).rows
    packed = read_file(tmp_path / f"rows.{form}.gz", gzip.compress(content)).rows
    assert packed.drop(columns="file").equals(plain.drop(columns="file"))


def test_a_quoted_csv_field_may_span_lines(tmp_path):
    content = b'id,text,label\r\nr1,"Dear team,\r\n\r\n""my card"" broke, help\r\n",cards\r\nr2,b,x\r\n'
    rows = read_file(tmp_path / "rows.csv", content).rows
    assert rows["input"].tolist() == ['Dear team,\r\n\r\n"my card" broke, help\r\n', "b"]
    assert rows["line"].tolist() == [2, 6]


def test_parquet_rows_are_numbered_and_their_timestamps_need_a_zone(tmp_path):
    rules = contract(
        columns={"text": {}, "label": {}, "at": {"type": "datetime"}},
        mapping={"input": "text", "output": "label", "created_at": "at"},
    )
    path = tmp_path / "rows.parquet"
    moments = {"zoned": pa.timestamp("us", tz="Europe/Berlin"), "naive": pa.timestamp("us")}
    for name, kind in moments.items():
        at = pa.array([datetime(2026, 1, 2, tzinfo=UTC if name == "zoned" else None)], kind)
        pq.write_table(pa.table({"text": ["a"], "label": ["b"], "at": at}), path)
        raw = outcome(use_case(path, rules=rules), tmp_path)
        if name == "zoned":
            example = raw.rows.iloc[0]
            assert (example["created_at"], example["line"], example["offset"]) == ("2026-01-02T00:00:00+00:00", 1, -1)
        else:
            rejection = only_rejection(raw)
            assert (rejection.code, rejection.line) == ("timestamp", 1)
            assert json.loads(rejection.raw)["text"] == "a"


def test_banking77_is_read_whole_with_its_fields_that_span_lines(tmp_path):
    if not BANKING77.is_dir():
        pytest.skip("the optional public data is not here")
    rules = contract(columns={"text": {}, "category": {}}, mapping={"input": "text", "output": "category"})
    raw = outcome(use_case(BANKING77 / "train.csv", BANKING77 / "test.csv", rules=rules), tmp_path)
    assert (len(raw.rows), len(raw.rejected)) == (10_003 + 3_080, 0)


# ---------------------------------------------------------------- rows that are turned away


JSON_DEFECTS = {
    "": "blank",
    "   ": "blank",
    '{"id": "a", "text": "b"': "json",
    '{"id": "a"} {"id": "b"}': "json",
    '{"id": "a", "text": "tab\there", "label": "x"}': "json",
    "[1, 2]": "not_an_object",
    "null": "not_an_object",
    '{"id": "a", "text": "b", "text": "c", "label": "x"}': "duplicate_key",
    '{"id": "a", "text": "b", "label": "x", "score": NaN}': "number",
    '{"id": "a", "text": "b", "label": "x", "score": -Infinity}': "number",
    '{"id": "a", "text": "b", "label": "x", "score": 1e400}': "number",
    '{"id": "a", "text": "b", "label": "x", "score": 1' + "0" * 5000 + "}": "number",
    '{"id": "a", "text": "b", "label": "x", "deep": ' + "[" * 100 + "]" * 100 + "}": "too_deep",
    '{"id": "a", "text": "b", "label": "x", "deep": ' + "[" * 100_000 + "]" * 100_000 + "}": "too_deep",
    '{"id": "a", "text": "b\\ud800", "label": "x"}': "encoding",
    '{"id": "a", "text": "b\\u0000", "label": "x"}': "control_character",
    '{"id": "a", "text": "b\x00", "label": "x"}': "control_character",
    '{"id": "a", "text": "b\\u001b[31m", "label": "x"}': "control_character",
    '{"id": "a", "text": "b"}': "missing_field",
    '{"id": "a", "text": "b", "label": null}': "missing_field",
    '{"id": "a", "text": "b", "label": ""}': "missing_field",
    '{"id": "a", "text": " \\n ", "label": "x"}': "missing_field",
    '{"id": 7, "text": "b", "label": "x"}': "type",
    '{"id": "a", "text": "b", "label": true}': "type",
    '{"id": "a", "text": ["b"], "label": "x"}': "type",
}


@pytest.mark.parametrize(("line", "code"), JSON_DEFECTS.items(), ids=range(len(JSON_DEFECTS)))
def test_a_bad_line_of_json_is_turned_away_alone_and_by_its_rule(tmp_path, line, code):
    before, after = jsonl(row(1)), jsonl(row(2))
    raw = read_file(tmp_path / "rows.jsonl", before + line.encode() + b"\n" + after)
    rejection = only_rejection(raw)
    assert (rejection.code, rejection.line, rejection.offset) == (code, 2, len(before))
    assert rejection.raw == line and rejection.remedy
    assert raw.rows["id"].tolist() == ["r1", "r2"] and raw.raw.records_in == 3


def test_a_line_that_is_not_utf8_names_its_first_bad_byte(tmp_path):
    before = jsonl(row(1))
    raw = read_file(tmp_path / "rows.jsonl", before + b'{"id": "caf\xe9"}\n')
    rejection = only_rejection(raw)
    assert rejection.code == "encoding" and f"byte {len(before) + 11} " in rejection.remedy
    assert rejection.raw == '{"id": "caf\\xe9"}'


def test_a_record_over_the_limit_is_turned_away_unparsed(tmp_path):
    raw = read_file(tmp_path / "rows.jsonl", jsonl(row(1, text="x" * 500), row(2)), source={"max_record_bytes": 200})
    assert only_rejection(raw).code == "too_long"
    assert raw.rows["id"].tolist() == ["r2"]


CSV_DEFECTS = {
    "r2,one,two,three": "fields",
    "r2,one": "fields",
    "": "blank",
    'r2,say "hi",x': "quotes",
    'r2,"say "hi"",x': "quotes",
    'r2,"never closed,x': "quotes",
    "r2,,x": "missing_field",
    "r2,a\x00b,x": "control_character",
    "r2,a\x07b,x": "control_character",
}


@pytest.mark.parametrize(("line", "code"), CSV_DEFECTS.items(), ids=range(len(CSV_DEFECTS)))
def test_a_bad_line_of_csv_is_turned_away_alone_and_by_its_rule(tmp_path, line, code):
    before = b"id,text,label\nr1,a,b\n"
    raw = read_file(tmp_path / "rows.csv", before + line.encode() + b"\nr3,c,d\nr4,e,f\n")
    rejection = only_rejection(raw)
    assert (rejection.code, rejection.line, rejection.offset) == (code, 3, len(before))
    assert raw.rows["id"].tolist() == ["r1", "r3", "r4"]


def test_two_stray_quotes_do_not_swallow_the_rows_between_them(tmp_path):
    content = b'id,text,label\n1,"hello,a\n2,world,b\n3,foo",c\n4,bar,d\n'
    raw = read_file(tmp_path / "rows.csv", content)
    assert [(rejection.line, rejection.code) for rejection in raw.rejected] == [(2, "quotes"), (4, "quotes")]
    assert raw.rows["id"].tolist() == ["2", "4"]


def test_one_field_too_many_in_every_row_never_shifts_the_columns(tmp_path):
    raw = read_file(tmp_path / "rows.csv", b"id,text,label\n1,a,b,c\n2,a,b,c\n")
    assert raw.rows.empty
    assert [rejection.code for rejection in raw.rejected] == ["fields", "fields"]


VALUES = {
    ("integer", "12"): 12,
    ("integer", "007"): "type",
    ("integer", "1.0"): "type",
    ("number", "1.5e3"): 1500.0,
    ("number", "1e400"): "number",
    ("number", "NaN"): "type",
    ("boolean", "True"): True,
    ("boolean", "1"): "type",
    ("datetime", "2026-01-31T09:30:00Z"): "2026-01-31T09:30:00+00:00",
    ("datetime", "2026-01-31 09:30"): "timestamp",
    ("datetime", "31/01/2026"): "timestamp",
    ("datetime", "0001-01-01T00:00:00+14:00"): "timestamp",
    ("object", '"{""a"": 1}"'): {"a": 1},
    ("object", '"{""a"": 1, ""a"": 2}"'): "duplicate_key",
    ("object", "[1]"): "fields",
}


@pytest.mark.parametrize(("kind", "cell", "expected"), [(*key, value) for key, value in VALUES.items()])
def test_a_csv_cell_is_read_as_its_declared_type_or_turned_away(tmp_path, kind, cell, expected):
    cell = "a,b" if expected == "fields" else cell
    raw = read_file(tmp_path / "rows.csv", f"text,label,value\na,b,{cell}\n".encode(), rules=typed(kind))
    if raw.rejected:
        assert only_rejection(raw).code == expected
        assert only_rejection(raw).field == ("" if expected == "fields" else "value")
    else:
        assert value_of(raw) == expected


CHATS = {
    "the last message is the user's": [{"role": "user", "content": "a"}],
    "no user speaks": [{"role": "assistant", "content": "a"}],
    "an unknown role": [{"role": "human", "content": "a"}, {"role": "assistant", "content": "b"}],
    "an empty answer": [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}],
    "no content": [{"role": "user"}, {"role": "assistant", "content": "b"}],
    "a message that is a text": ["a", {"role": "assistant", "content": "b"}],
    "no message": [],
}


@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
def test_a_chat_that_is_no_example_is_turned_away(tmp_path, chat):
    rules = contract(columns={"chat": {"type": "messages"}}, mapping={"messages": "chat"})
    rejection = only_rejection(read_file(tmp_path / "rows.jsonl", jsonl({"chat": chat}), rules=rules))
    assert (rejection.code, rejection.field) == ("messages", "chat")


@pytest.mark.parametrize("label", ["Card Lost", "card-lost", "ｃard_lost"])
def test_a_label_that_differs_in_form_only_is_turned_away_with_the_label_it_is_near(tmp_path, label):
    rules = contract(labels={"card_lost": "", "card_found": ""})
    rejection = only_rejection(read_file(tmp_path / "rows.jsonl", jsonl(row(label=label)), rules=rules))
    assert rejection.code == "unknown_label" and "`card_lost`" in rejection.remedy


def test_a_remedy_never_quotes_the_row(tmp_path):
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "additionalProperties": False}
    rules = contract(columns={"id": {}, "text": {}, "label": {"type": "object"}}, output_schema=schema)
    for answer in ({"n": "SECRET"}, {"SECRET": 1}):
        raw = read_file(tmp_path / "rows.jsonl", jsonl(row(label=answer)), rules=rules, kind="extraction")
        rejection = only_rejection(raw)
        assert rejection.code == "schema" and "SECRET" not in rejection.remedy + repr(rejection)
        assert "SECRET" in rejection.raw


# ---------------------------------------------------------------- files that cannot be read as a whole


BROKEN_FILES = {
    "the tail of a JSONL file is cut off": ("rows.jsonl", jsonl(row(1), row(2))[:-9], "middle of line 2"),
    "UTF-16": ("rows.jsonl", '{"id": "a"}'.encode("utf-16"), "UTF-16"),
    "a CSV column twice": ("rows.csv", b"id,text,label,text\n", "several columns named text"),
    "a CSV column missing": ("rows.csv", b"id;text;label\n1;a;b\n", "no column id, text, label"),
    "no Parquet at all": ("rows.parquet", b"PAR1 garbage PAR1", "not a whole and valid Parquet"),
    "a gzip file cut short": ("rows.csv.gz", gzip.compress(b"id,text,label\n" * 999)[:-20], "damaged or cut short"),
    "a gzip bomb": ("rows.jsonl.gz", gzip.compress(bytes(65 * 2**20)), "unpacks to more than 64 MiB"),
}


@pytest.mark.parametrize(("name", "content", "problem"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_a_broken_file_stops_the_run_by_name(tmp_path, name, content, problem):
    with pytest.raises(DataError, match=problem) as caught:
        read_file(tmp_path / name, content)
    assert name in str(caught.value)


def test_a_parquet_file_cut_short_stops_the_run(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist([row(number) for number in range(1000)]), path)
    with pytest.raises(DataError, match="not a whole and valid Parquet"):
        read_file(path, path.read_bytes()[:-100])


def test_a_parquet_bomb_stops_the_run_before_it_fills_the_memory(tmp_path):
    path = tmp_path / "rows.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), ["x" * 1000]).cast(pa.string())
    pq.write_table(pa.table({"id": column, "text": column, "label": column}), path)
    with pytest.raises(DataError, match="unpacks to more than"):
        outcome(use_case(path), tmp_path)


def test_an_ending_that_says_nothing_needs_a_format(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_bytes(jsonl(row()))
    with pytest.raises(ConfigurationError, match=r"rows\.txt.*Set `format`"):
        outcome(use_case(path), tmp_path)
    assert len(outcome(use_case({"path": str(path), "format": "jsonl"}), tmp_path).rows) == 1


def test_a_file_matched_by_two_entries_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(row()))
    with pytest.raises(ConfigurationError, match="named twice"):
        outcome(use_case(path, tmp_path / "*.jsonl"), tmp_path)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_an_empty_file_has_no_records(tmp_path, name):
    raw = read_file(tmp_path / name, b"")
    assert (raw.raw.records_in, len(raw.rows), len(raw.rejected)) == (0, 0, 0)
