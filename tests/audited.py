"""A small champion with everything that an auditor asks for: approvals, moves, lineage and a signature."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from data_contracts.audit import AuditReport
from data_contracts.consent import Consent
from data_contracts.money import Estimate
from data_contracts.trial import TrialRecord
from tasks import signing
from tasks.ledger import Ledger
from tasks.register.mlflow_registry import Registry
from tasks.register.version_record import VersionRecord, VersionRecords
from tasks.run_folder import RunFolder
from tasks.steps import chain, lineage, money, promoting
from tasks.workspace import Workspace
from tests.stepwise import Finished

APPROVED_BY = "Ada"


@dataclass(frozen=True)
class Champion:
    """Registered in a home of its own. `version` is what MLflow holds of it, read once."""

    home: Path
    space: Workspace
    record: TrialRecord
    registry: Registry
    version: VersionRecord

    def audit(self) -> AuditReport:
        """Everything, MLflow read again."""
        return chain.audit(self.registry, Ledger())

    def examine(self) -> AuditReport:
        """Run folder and ledger again, MLflow as it was read."""
        return chain.examine("small", self.version, Ledger())

    def problems(self) -> str:
        """What `audit` finds, as one text."""
        return "\n".join(self.audit().problems)

    @property
    def artifacts(self) -> Path:
        """Where the artifacts of its version lie."""
        source: str = self.registry.client.get_model_version(self.version.name, str(self.version.version)).source
        return self.home / "mlartifacts" / "small" / "models" / source.removeprefix("models:/") / "artifacts"


@contextmanager
def champion(finished: Finished, home: Path, keys: Path | None = None) -> Iterator[Champion]:
    """The finished trial, registered once more in a home of its own; signed where there are keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEGATE_HOME", str(home))
        for variable, name in ((signing.SIGNING_KEY, "key.pem"), (signing.VERIFY_KEY, "key.pub")):
            patch.setenv(variable, str(keys / name)) if keys else patch.delenv(variable, raising=False)
        moved(finished.space.folder.path.parents[1], home)
        space = Workspace(RunFolder(home / "runs" / finished.space.folder.run))
        record = replace(finished.record, folder=str(space.folder.path))
        registry = registered(space, record)
        yield Champion(home, space, record, registry, VersionRecords(registry).read(2))


def registered(space: Workspace, record: TrialRecord) -> Registry:
    """Approved, registered, and its lineage kept."""
    ledger, registry = Ledger(), Registry("small")
    money.approve_spending(
        space,
        ledger,
        space.folder.read_json("estimate.json", Estimate),
        Consent(answer="yes", by=APPROVED_BY, by_kind="self-declared", note="go on"),
    )
    said = promoting.record(
        space, ledger, Consent(answer="yes", by=APPROVED_BY, by_kind="self-declared", note="looks good")
    )
    done = registry.register(record, registry.open_trial(record.run, {}), None, said)
    space.folder.write_json("registration.json", done)
    lineage.keep(space, record, registry)
    return registry


def moved(old: Path, new: Path) -> None:
    """Runs, ledger and MLflow's tables of another home; what MLflow writes from now on lies in the new one."""
    shutil.copytree(old / "runs", new / "runs")
    for name in ("ledger.db", "mlflow.db"):
        shutil.copy(old / name, new / name)
    with closing(sqlite3.connect(new / "mlflow.db")) as tables, tables:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            tables.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(old), str(new)))


def make_keys(folder: Path) -> Path:
    """A pair of keys: key.pem to sign with, key.pub to verify with."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pub").write_bytes(public)
    return folder


@contextmanager
def flipped(path: Path, position: int | None = None) -> Iterator[None]:
    """One bit of a file turned round, in its middle unless said otherwise; an empty file gets a byte."""
    content = path.read_bytes()
    at = len(content) // 2 if position is None else position
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] if content else b"x")
    try:
        yield
    finally:
        path.write_bytes(content)


def execute(database: Path, statement: str) -> None:
    """A statement past everybody, which changes one row."""
    with closing(sqlite3.connect(database)) as tables, tables:
        assert tables.execute(statement).rowcount == 1, statement


@contextmanager
def rewritten(database: Path, statement: str) -> Iterator[None]:
    """A ledger after one statement, and as it was afterwards."""
    kept = database.with_suffix(".kept")
    shutil.copy(database, kept)
    execute(database, statement)
    try:
        yield
    finally:
        shutil.move(kept, database)
