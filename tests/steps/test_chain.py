"""An auditor asks why the model in production is the one in production: each link is checked, each change named."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from data_contracts.audit import AuditReport
from flows import forgetting
from tasks import signing, workspace
from tasks.errors import ConfigurationError
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tasks.register.version_record import HASHES
from tasks.steps import audit, chain
from tests.audited import APPROVED_BY, Champion, champion, execute, flipped, make_keys, rewritten
from tests.stepwise import Finished, forget

PROMPT = "tunegate.small.prompt"
KEPT_WITH_LINEAGE = {f"tunegate.{name}" for name in ("lineage_sha256", "signature_sha256", "manifest_sha256")}
MLFLOW_S_OWN = {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "served_model.py"}


@pytest.fixture(scope="module")
def signed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Champion]:
    """A signed champion; whoever changes something puts it back."""
    home = tmp_path_factory.mktemp("signed")
    with champion(finished, home, make_keys(home / "keys")) as made:
        yield made


@pytest.fixture(scope="module")
def report(signed: Champion) -> AuditReport:
    return signed.audit()


def says(report: AuditReport, name: str) -> str:
    return "; ".join(link.says for link in report.links if link.name == name)


# ---------------------------------------------------------------- the chain


def test_an_untouched_champion_has_no_problems(report: AuditReport) -> None:
    assert report.problems == []
    assert report.signature == "good"
    assert (report.use_case, report.version) == ("small", 2)


def test_the_chain_goes_from_the_alias_to_the_source_and_the_code(report: AuditReport) -> None:
    names = list(dict.fromkeys(link.name for link in report.links))
    first, last = names[:8], names[8:]
    assert first == ["alias", "moves", "why", "approval", "version", "lineage", "artifacts", "run in MLflow"]
    assert last == [
        *("prompt", "comparison", "verdict", "test set", "answers", "job", "training.jsonl", "validation.jsonl"),
        *("rows", "train partition", "validation partition", "test partition", "source", "contract", "files", "code"),
    ]
    assert {link.name for link in report.links if not link.holds} <= {"code"}  # which may be edited meanwhile


def test_it_says_who_approved_and_how(report: AuditReport) -> None:
    assert f"spending: {APPROVED_BY}" in says(report, "approval")
    assert f"promotion: {APPROVED_BY} (self-declared)" in says(report, "approval")
    assert f"{APPROVED_BY} (self-declared): There was no champion" in says(report, "why")


def test_it_holds_the_history_of_the_alias(report: AuditReport) -> None:
    assert [(move.action, move.former, move.version) for move in report.moves] == [
        ("first", None, 1),
        ("promote", 1, 2),
    ]


def test_a_use_case_without_champion_cannot_be_audited(signed: Champion) -> None:
    with pytest.raises(ConfigurationError, match="has no champion"):
        chain.audit(Registry("nobody"), Ledger())


# ---------------------------------------------------------------- one byte


def test_one_byte_of_any_file_of_the_run_folder_is_named(signed: Champion) -> None:
    folder = signed.space.folder
    names = [*folder.manifest(), "manifest.json"]
    assert {"lineage.json", "lineage.sig", "answers.parquet", "training.jsonl"} <= set(names)
    for name in names:
        with flipped(folder.file(name)):
            assert name in "\n".join(signed.examine().problems), name
    assert signed.examine().problems == []


def test_no_byte_of_the_manifest_is_without_meaning(signed: Champion) -> None:
    manifest = signed.space.folder.file("manifest.json")
    for position in range(0, manifest.stat().st_size, 263):
        with flipped(manifest, position):
            assert "manifest.json" in "\n".join(signed.examine().problems), position


def test_one_byte_of_any_artifact_of_the_version_is_named(signed: Champion) -> None:
    names = {path.relative_to(signed.artifacts).as_posix() for path in signed.artifacts.rglob("*") if path.is_file()}
    assert names == {*MLFLOW_S_OWN, *(f"artifacts/{name}" for name in ("decision.json", "lineage.json", "lineage.sig"))}
    for name in names - {"MLmodel"}:
        with flipped(signed.artifacts / name):
            assert name in signed.problems(), name


def test_a_changed_mlmodel_is_named_too(signed: Champion) -> None:
    path = signed.artifacts / "MLmodel"
    with flipped(path, path.read_bytes().index(b"python_version")):
        assert "MLmodel of version 2 was changed" in signed.problems()


@pytest.mark.parametrize("name", ["report.html", "verdict.json", "failures.json"])
def test_one_byte_of_what_the_trials_run_shows_is_named(signed: Champion, name: str) -> None:
    run = signed.registry.store.find_run(tunegate__run=signed.record.run, tunegate__role="trial")
    with flipped(signed.home / "mlartifacts" / "small" / str(run) / "artifacts" / name):
        assert f"{name} of the trial's run in MLflow was changed" in signed.problems()


def test_another_champion_in_the_file_by_which_trials_find_it_is_named(signed: Champion) -> None:
    run_id = signed.registry.client.get_model_version(signed.version.name, "2").run_id
    path = signed.home / "mlartifacts" / "small" / run_id / "artifacts" / "candidate.json"
    with flipped(path, path.read_bytes().index(b"ft:")):
        assert "candidate.json of the run of version 2" in signed.problems()


def test_a_missing_artifact_is_named(signed: Champion) -> None:
    (signed.artifacts / "artifacts" / "lineage.json").rename(signed.home / "aside")
    try:
        assert "artifacts/lineage.json of version 2 is missing" in signed.problems()
    finally:
        (signed.home / "aside").rename(signed.artifacts / "artifacts" / "lineage.json")


# ---------------------------------------------------------------- tags, prompt, ledger


@pytest.mark.parametrize(
    "tag",
    [
        *("digest", "model", "prompt_digest", "run", "verdict", "test_sha256", "lineage_sha256", "signature_sha256"),
        *("moved_by", "moved_because", "champion_since", "approved_by", "contract", "code"),
    ],
)
def test_a_changed_tag_is_named(signed: Champion, tag: str) -> None:
    key = f"tunegate.{tag}"
    assert key in signed.version.tags
    changed = replace(signed.version, tags={**signed.version.tags, key: "another"})
    assert key in "\n".join(chain.examine("small", changed, Ledger()).problems)


def test_a_changed_table_in_the_description_is_named_and_what_a_person_wrote_above_it_is_not(signed: Champion) -> None:
    table = replace(signed.version, description=signed.version.description.replace("| cost | $", "| cost | $1"))
    above = replace(signed.version, description=f"Ask Ada about it.\n\n{signed.version.description}")
    assert "description of version 2" in "\n".join(chain.examine("small", table, Ledger()).problems)
    assert chain.examine("small", above, Ledger()).problems == []


def test_a_changed_prompt_in_the_registry_is_named(signed: Champion) -> None:
    address = signed.version.tags["tunegate.prompt_version"]
    where = f"key = 'mlflow.prompt.text' AND name = '{PROMPT}' AND version = {address.rpartition('/')[2]}"
    execute(signed.home / "mlflow.db", f"UPDATE model_version_tags SET value = value || '!' WHERE {where}")
    try:
        assert f"The text of {address} was changed" in signed.problems()
    finally:
        execute(signed.home / "mlflow.db", f"UPDATE model_version_tags SET value = rtrim(value, '!') WHERE {where}")


def test_an_alias_that_was_moved_by_hand_is_named(signed: Champion) -> None:
    client, name = signed.registry.client, signed.version.name
    client.set_registered_model_alias(name, "champion", "1")
    try:
        assert "somebody moved it past tunegate" in signed.problems()
    finally:
        client.set_registered_model_alias(name, "champion", "2")


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE moves SET \"by\" = 'Eve' WHERE number = 2", "tunegate.moved_by"),
        ("UPDATE moves SET reason = 'because' WHERE number = 2", "tunegate.moved_because"),
        ("UPDATE moves SET moved_at = moved_at - 3600 WHERE number = 2", "tunegate.champion_since"),
        ("UPDATE moves SET sha256 = 'other' WHERE number = 2", "Move 2 in the ledger"),
        ("UPDATE moves SET former = 7 WHERE number = 2", "Move 2 in the ledger"),
        ("DELETE FROM moves WHERE number = 1", "Move 1 is missing"),
        ("UPDATE approvals SET approved_by = 'Eve' WHERE kind = 'promotion'", "Approval of promotion in the ledger"),
        ("DELETE FROM approvals WHERE kind = 'spending'", "lacks the approval of spending by Ada"),
        ("UPDATE intents SET request = json_set(request, '$.seed', 8)", "Purchase"),
        ("UPDATE intents SET job_id = 'ftjob-other'", "Job of Purchase"),
        ("DELETE FROM openings", "does not know that"),
    ],
)
def test_a_changed_row_of_the_ledger_is_named(signed: Champion, statement: str, named: str) -> None:
    with rewritten(signed.home / "ledger.db", statement):
        assert named in "\n".join(signed.examine().problems)


# ---------------------------------------------------------------- sources


def test_a_source_that_has_grown_is_no_break(signed: Champion) -> None:
    with source(signed) as path:
        path.write_bytes(path.read_bytes() + b'{"id": "new"}\n')
        found = signed.examine()
    assert found.problems == []
    assert "has grown" in says(found, "source")


def test_a_source_that_was_changed_or_is_gone_is_told_as_information(signed: Champion) -> None:
    with source(signed) as path, flipped(path):
        changed = signed.examine()
        path.rename(path.with_suffix(".away"))
        gone = signed.examine()
        path.with_suffix(".away").rename(path)
    assert (changed.problems, gone.problems) == ([], [])
    assert "changed since; its records of that day are in the run folder" in says(changed, "source")
    assert "out of reach" in says(gone, "source")


def source(signed: Champion) -> "Aside":
    return Aside(Path(next(iter(signed.record.counts.sources))))


class Aside:
    """A file that is put back as it was."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        self.content = self.path.read_bytes()
        return self.path

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.content)


# ---------------------------------------------------------------- elsewhere, earlier, unsigned


def test_where_the_run_folder_is_on_another_machine_its_links_say_so(signed: Champion) -> None:
    folder = signed.space.folder.path
    folder.rename(folder.with_name("elsewhere"))
    try:
        found = signed.audit()
    finally:
        folder.with_name("elsewhere").rename(folder)
    away = [link for link in found.links if link.holds is None]
    assert found.problems == []
    assert {"run folder", "test set", "verdict", "train partition"} <= {link.name for link in away}
    assert all("is not on this machine" in link.says for link in away if link.name != "code")
    assert next(link.sha256 for link in away if link.name == "test set") == signed.record.comparison.test_sha256


def test_without_the_public_key_the_signature_is_not_judged(signed: Champion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(signing.VERIFY_KEY)
    assert signed.examine().signature == "no key here"
    assert signed.examine().problems == []


def test_a_lineage_signed_by_somebody_else_is_a_problem(
    signed: Champion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(signing.VERIFY_KEY, str(make_keys(tmp_path) / "key.pub"))
    assert signed.examine().signature == "bad"
    assert signed.examine().problems == [audit.FORGED]
    assert audit.problems(signed.space) == [audit.FORGED]


def test_a_signature_that_was_taken_away_is_missed(signed: Champion) -> None:
    folder = signed.space.folder
    kept = {name: folder.file(name).read_bytes() for name in ("lineage.sig", "manifest.json")}
    forget(signed.space, "lineage.sig")
    documents = {name: content for name, content in signed.version.documents.items() if name != "lineage.sig"}
    stripped = replace(signed.version, documents=documents)
    try:
        found = "\n".join(chain.examine("small", stripped, Ledger()).problems)
    finally:
        for name, content in kept.items():
            folder.file(name).write_bytes(content)
    assert "lineage.sig of the run folder is missing" in found
    assert "artifacts/lineage.sig of version 2 is not the one that tag tunegate.signature_sha256 names" in found


def test_whoever_rewrites_a_file_and_its_manifest_line_and_the_lineage_lacks_the_key(signed: Champion) -> None:
    folder = signed.space.folder
    kept = {name: folder.file(name).read_bytes() for name in ("verdict.json", "lineage.json", "manifest.json")}
    old = folder.manifest()["verdict.json"]
    try:
        new = folder.write_bytes("verdict.json", kept["verdict.json"].replace(b"promote", b"keep"))
        folder.write_bytes("lineage.json", kept["lineage.json"].replace(old.encode(), new.encode()))
        assert audit.problems(signed.space) == [audit.FORGED]
        assert signed.examine().signature == "bad"
    finally:
        for name, content in kept.items():
            folder.file(name).write_bytes(content)
    assert audit.problems(signed.space) == []


def test_a_version_of_before_lineage_was_kept_is_audited_by_what_it_has(signed: Champion) -> None:
    before = replace(
        signed.version,
        tags={name: value for name, value in signed.version.tags.items() if name not in KEPT_WITH_LINEAGE},
        documents={"decision.json": signed.version.documents["decision.json"]},
    )
    with earlier_run(signed):
        found = chain.examine("small", before, Ledger())
        assert (found.problems, found.signature) == ([], "none")
        assert "made before lineage was kept" in says(found, "lineage")
        with flipped(signed.space.folder.file("verdict.json")):
            assert "verdict.json" in "\n".join(chain.examine("small", before, Ledger()).problems)
        other = replace(before, documents={"decision.json": before.documents["decision.json"].replace(b"ft:", b"gt:")})
        assert "tunegate.model" in "\n".join(chain.examine("small", other, Ledger()).problems)
    assert signed.examine().problems == []


def test_the_artifacts_of_a_version_without_lineage_are_held_against_its_tag(signed: Champion) -> None:
    tags = {name: value for name, value in signed.version.tags.items() if name not in KEPT_WITH_LINEAGE}
    tags |= {"tunegate.role": "adopted", HASHES: json.dumps(signed.version.hashed)}
    adopted = replace(signed.version, tags=tags, documents={"decision.json": signed.version.documents["decision.json"]})
    other = replace(adopted, files={**signed.version.files, "served_model.py": "other"})
    with earlier_run(signed):
        found = chain.examine("small", adopted, Ledger())
        assert found.problems == []
        assert "an adopted tune" in says(found, "lineage")
        assert chain.examine("small", other, Ledger()).problems == [
            "served_model.py of version 2 was changed after it was registered."
        ]


@contextmanager
def earlier_run(signed: Champion) -> Iterator[None]:
    """The run folder as a release without lineage would have left it."""
    folder = signed.space.folder
    kept = {name: folder.file(name).read_bytes() for name in ("lineage.json", "lineage.sig", "manifest.json")}
    forget(signed.space, "lineage.json", "lineage.sig")
    folder.write_bytes("registration.json", folder.read_bytes("registration.json"))  # a manifest as we write it
    try:
        yield
    finally:
        for name, content in kept.items():
            folder.file(name).write_bytes(content)


def test_its_signature_can_be_checked_by_the_library_s_own_command(signed: Champion) -> None:
    folder = signed.artifacts / "artifacts"
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder / "lineage.json")]
    options = ["--signature", str(folder / "lineage.sig"), "--public_key", str(signed.home / "keys" / "key.pub")]
    assert subprocess.run([*command, *options], check=False).returncode == 0
    with flipped(folder / "lineage.json"):
        assert subprocess.run([*command, *options], check=False, capture_output=True).returncode != 0


# ---------------------------------------------------------------- rows that somebody asked to have deleted


@pytest.mark.slow
def test_what_was_emptied_at_a_person_s_request_is_no_break_unless_nobody_signed_for_it(
    finished: Finished, tmp_path: Path
) -> None:
    with champion(finished, tmp_path / "home", make_keys(tmp_path / "keys")) as one:
        parts = one.space.partitions
        ids = [parts.test["id"].iloc[0], parts.train["id"].iloc[0]]
        forgetting.forget(str(finished.space.case.folder / "small.yaml"), ids, "Bob", "asked for it")
        found = one.audit()
        assert (found.problems, found.signature) == ([], "good")
        assert "by Bob (asked for it)" in says(found, "redactions")
        assert audit.problems(workspace.reopen(one.space.folder.run)) == []
        forget(one.space, "redactions.sig")
        assert "redactions.json is not signed, and the run is" in one.problems()
