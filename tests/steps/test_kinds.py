"""Whole trials without Prefect, for the kinds of answer that are no label; and a source on S3."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import mlflow
import pytest
from moto.server import ThreadedMotoServer

from data_contracts.contest import VerdictRef
from tasks import workspace
from tasks.register.mlflow_registry import Registry
from tasks.steps import audit, data
from tests.embedded import RunningServer
from tests.other_kinds import extraction_rows, extraction_use_case, free_text_rows, free_text_use_case
from tests.small_use_case import small_rows, small_use_case
from tests.stepwise import begin, registered, take_data_steps

UNSEEN = {"order": "NX-00417", "goods": "samovar", "place": "Quillhaven"}
NOTE = "Order: NX-00417. Goods: samovar. Place: Quillhaven. please soon today brtkl mnpsd gfrtk"


@pytest.fixture(scope="module", params=[extraction_use_case, free_text_use_case], ids=["extraction", "free text"])
def trial(
    request: pytest.FixtureRequest, shared_provider: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[VerdictRef, str]]:
    """A finished trial and its kind; TUNEGATE_HOME stays where it is registered."""
    folder = tmp_path_factory.mktemp("kind")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(folder / "home"))
        patch.setenv("TUNEGATE_PROVIDER_URL", shared_provider.url)
        yield registered(request.param(folder / "case")), request.param.__name__.removesuffix("_use_case")


@pytest.fixture
def folder(trial: tuple[VerdictRef, str]) -> Path:
    return Path(trial[0].run_folder)


def scores(folder: Path) -> dict[str, dict[str, Any]]:
    candidates = json.loads((folder / "comparison.json").read_text())["candidates"]
    return {item["candidate"]["name"]: item for item in candidates}


def test_the_trial_ends_with_a_verdict_and_a_run_that_adds_up(trial: tuple[VerdictRef, str]) -> None:
    result, _ = trial
    assert result.decision in {"promote", "keep", "not enough evidence"}
    assert audit.problems(workspace.reopen(result.run)) == []


def test_the_metric_is_that_of_the_kind_and_there_is_no_confusion_of_labels(
    trial: tuple[VerdictRef, str], folder: Path
) -> None:
    comparison = json.loads((folder / "comparison.json").read_text())
    assert comparison["metric"] == {"extraction": "field_f1", "free_text": "text_f1"}[trial[1]]
    assert comparison["confusion"] == {}
    assert {item["macro_f1"] for item in comparison["candidates"]} == {None}


def test_tune_and_best_prompt_answer_test_cases_in_which_every_order_is_new(folder: Path) -> None:
    found = scores(folder)
    assert set(found) == {"best-prompt", "tune-minimal", "tune-full"}
    for item in found.values():
        assert item["metric"]["value"] > 0.9
        assert item["format_adherence"] == 1


def test_the_champion_gives_back_values_that_train_never_held(trial: tuple[VerdictRef, str], folder: Path) -> None:
    result, kind = trial
    training = (folder / "training.jsonl").read_text()
    assert not [value for value in UNSEEN.values() if value in training]
    Registry(result.use_case)  # points MLflow at the store of this trial
    answer = mlflow.pyfunc.load_model(result.model_uri).predict([NOTE])[0]
    if kind == "extraction":
        assert answer == json.dumps(UNSEEN, sort_keys=True, separators=(",", ":")), "canonical JSON"
    else:
        assert answer == "Thank you. Order NX-00417 is on its way to Quillhaven."


def test_the_report_of_such_a_trial_has_no_empty_part(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "n/a" in page
    assert "What best-prompt still gets wrong" in page
    assert "Slices" not in page


def test_no_row_text_of_such_a_trial_is_in_the_tables_of_mlflow(trial: tuple[VerdictRef, str], folder: Path) -> None:
    rows = {"extraction": extraction_rows, "free_text": free_text_rows}[trial[1]](260, 1)
    database = (folder.parents[1] / "mlflow.db").read_bytes()
    assert not [row["id"] for row in rows if row["text"].encode() in database]


# ---------------------------------------------------------------- S3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """Address and client of an S3 server with an empty bucket `rows`."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    client.create_bucket(Bucket="rows")
    yield f"http://{host}:{port}", client
    server.stop()


def test_rows_on_s3_make_the_same_partitions_as_rows_on_disk(
    bucket: tuple[str, Any], own_home: Path, tmp_path: Path
) -> None:
    endpoint, client = bucket
    rows = [json.dumps(row) + "\n" for row in small_rows(150, seed=1)]
    for number, part in enumerate((rows[:70], rows[70:])):
        client.put_object(Bucket="rows", Key=f"notes/part-{number}.jsonl", Body="".join(part).encode())
    source = {"files": [{"path": "s3://rows/notes/"}], "endpoint_url": endpoint}
    split = {"min_test": 20}
    remote = take_data_steps(begin(small_use_case(tmp_path / "remote", split=split, source=source)))
    local = take_data_steps(begin(small_use_case(tmp_path / "local", rows=150, split=split)))
    counts = data.counts(remote)
    assert list(counts.sources) == ["s3://rows/notes/part-0.jsonl", "s3://rows/notes/part-1.jsonl"]
    assert counts.records_in == 150
    assert counts.test == data.counts(local).test
    assert data.training_files(remote)[0].sha256 == data.training_files(local)[0].sha256
