"""`tunegate forget` after whole trials: nothing of a person is left in TUNEGATE_HOME but what a model has learnt."""

import json
from pathlib import Path

import pytest

from data_contracts.redaction import sha256_of
from tests.command import Shell
from tests.other_kinds import extraction_use_case
from tests.safety.canaries import contents, hits
from tests.steps.forgotten.planted import planted_use_case, traces

pytestmark = pytest.mark.slow
ASKED = range(18)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    settings = tmp_path / "place" / ".tunegate" / "provider" / "settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        json.dumps({"latency": {"scale": 0}, "job_seconds": {"validating_files": 0.1, "queued": 0.1, "running": 0.1}})
    )
    return Shell(tmp_path / "place")


def forget(shell: Shell, use_case: Path, ids: list[str]) -> dict[str, object]:
    wanted = [word for id_ in ids for word in ("--id", id_)]
    return shell.json("forget", use_case, *wanted, "--by", "ana", "--reason", "request 17")


def test_after_a_whole_trial_with_a_tune_no_byte_of_the_rows_stays(shell: Shell, tmp_path: Path) -> None:
    use_case = planted_use_case(tmp_path / "case", 400, split={})
    done = shell("run", use_case, "--yes")
    assert done.returncode == 0, done.stderr
    before = " ".join(traces(shell.home, ASKED))
    for name in ("curated.parquet", "training.jsonl", "report.html", "examples.parquet", "quarantine.jsonl"):
        assert name in before
    found = forget(shell, use_case, [f"row-{number}" for number in ASKED])
    assert traces(shell.home, ASKED) == []
    (model,) = found["models"]
    assert model["model"].startswith("ft:") and model["exists"] is True
    assert "tunegate purge" in model["next"]
    (run,) = found["runs"]
    assert shell("verify", run["run"]).returncode == 0
    assert forget(shell, use_case, [f"row-{number}" for number in ASKED])["nothing_left"] is True


def test_what_a_model_has_learnt_word_for_word_goes_with_the_model(shell: Shell, tmp_path: Path) -> None:
    use_case = extraction_use_case(tmp_path / "case", 200)
    plain = json.loads(use_case.read_text())
    use_case.write_text(json.dumps(plain | {"gates": plain["gates"] | {"minimum_effect": 0.9}}))  # no tune wins
    done = shell("run", use_case, "--yes")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in use_case.with_name("rows.jsonl").read_text().splitlines()][:30]
    texts = [row["text"] for row in rows]
    found = forget(shell, use_case, [row["id"] for row in rows])
    left = {path for path, content in contents(shell.home) if hits(content, texts)}
    assert all(path.is_relative_to(shell.home / "provider" / "jobs") for path in left), left
    (model,) = found["models"]
    assert model["role"] != "champion"
    assert shell("purge", model["runs"][0]).returncode == 0
    assert not [path for path, content in contents(shell.home) if hits(content, texts)]


def test_the_next_trial_does_not_take_them_in(shell: Shell, tmp_path: Path) -> None:
    use_case = planted_use_case(tmp_path / "case", 200)
    forget(shell, use_case, ["row-3"])
    checked = shell.json("check", use_case)
    assert checked["counts"]["excluded"] == 1
    assert traces(shell.home, [3]) == []
    left_out = (Path(checked["folder"]) / "excluded.jsonl").read_text()
    assert sha256_of("row-3") in left_out
