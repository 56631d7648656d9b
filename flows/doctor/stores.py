"""What keeps the evidence: the ledger, MLflow's store, and the artifacts beside it."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flows.doctor.exposure import mlflow_exposure
from flows.doctor.finding import Finding, broken, fine, note
from flows.environment import address_shown, answers, prepare
from tasks.errors import TunegateError
from tasks.home import home
from tasks.providers.base_url import is_loopback
from tasks.providers.redact import shown


def ledger() -> Iterator[Finding]:
    """The ledger opens, in a format that this release knows."""
    from tasks.ledger import Ledger

    try:
        yield fine("ledger", f"{Ledger().name} opens")
    except TunegateError as error:
        yield broken("ledger", str(error), "Mend that first: without the ledger nothing is bought.")


def mlflow_store() -> Iterator[Finding]:
    """The tracking store (a server that answers, or a database that opens), and where its artifacts lie."""
    uri = _tracking_uri()
    finding = _server(uri) if uri.startswith("http") else _database(uri)
    yield finding
    if finding.state == "fine" and uri.startswith("http"):
        yield from mlflow_exposure(uri)
    if finding.state == "fine":
        yield from _all_artifacts(uri)


def _tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def _server(uri: str) -> Finding:
    if answers(f"{uri.rstrip('/')}/health"):
        return fine("mlflow", f"{address_shown(uri)} answers")
    fix = "Start it, or unset MLFLOW_TRACKING_URI: then the store is a file under TUNEGATE_HOME."
    return broken("mlflow", f"{address_shown(uri)} does not answer", fix)


def _database(uri: str) -> Finding:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    path = _sqlite_file(uri)
    if path and not path.exists():
        return fine("mlflow", f"{path} is not there yet; the first trial makes it")
    try:
        with create_engine(uri).connect() as connection:
            runs = connection.execute(text("select count(*) from runs")).scalar_one()
    except (SQLAlchemyError, ImportError) as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        fix = "Restore it from a copy, or set MLFLOW_TRACKING_URI to a database or server that opens."
        return broken("mlflow", f"{address_shown(uri)} does not open: {shown(cause)}", fix)
    return fine("mlflow", f"{path or 'the database'} opens, {runs} runs")


def _all_artifacts(uri: str) -> Iterator[Finding]:
    """Whether artifacts can be read with a server and without one: from the UI and from `load_model` alike."""
    try:
        experiments = _experiments(uri)
    except Exception as error:  # MLflow's own errors are not to be named outside register/; the cause is what counts
        fix = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD if the server asks for them."
        yield broken("artifacts", f"the experiments cannot be listed: {shown(str(error))}", fix)
        return
    for name, location in experiments:
        if name != "Default":  # MLflow's own, which no trial uses
            yield _artifacts(name, location, uri)


def _experiments(uri: str) -> list[tuple[str, str]]:
    """Name and artifact location of each experiment in use. A database is read without MLflow, which loads slowly."""
    if uri.startswith("http"):
        from tasks.register.store import Store

        prepare()
        found = Store("").client.search_experiments()
        return [(experiment.name, experiment.artifact_location) for experiment in found]
    from sqlalchemy import create_engine, text

    path = _sqlite_file(uri)
    if path and not path.exists():
        return []
    query = "select name, artifact_location from experiments where lifecycle_stage = 'active'"
    with create_engine(uri).connect() as connection:
        return [(str(name), str(place)) for name, place in connection.execute(text(query))]


def _artifacts(experiment: str, location: str, uri: str) -> Finding:
    scheme, what = urlsplit(location).scheme, f"artifacts of {experiment}"
    if scheme == "mlflow-artifacts" and not uri.startswith("http"):
        fix = "Set MLFLOW_TRACKING_URI to the address of the server that made the experiment."
        return broken(what, "only the MLflow server that stores them can hand them out", fix)
    if scheme not in ("file", ""):
        return fine(what, f"{location} is handed out by the store")
    if not _is_writable(Path(unquote(urlsplit(location).path))):
        fix = "Bring the folder back to that place: MLflow keeps it as an absolute path."
        return broken(what, f"{location} is gone or not writable", fix)
    if uri.startswith("http") and not is_loopback(uri):
        fix = "Run every trial on this machine, or start the server with --artifacts-destination."
        return note(what, f"{location} is a folder of one machine, MLflow a server on another", fix)
    return fine(what, f"{location} can be read with a server and without one")


def _is_writable(folder: Path) -> bool:
    """Or can be made: MLflow creates the folder with its first artifact."""
    while not folder.exists() and folder.is_relative_to(home()):
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:") else None
