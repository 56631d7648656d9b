"""The MLflow store of one use case: where it is, its experiment, and how figures get into a run."""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from filelock import FileLock

from tasks.errors import ResumableError
from tasks.home import home
from tasks.providers.redact import shown

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_LOG_UV_FILES": "false",  # else pyproject.toml goes into every model
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # the default of 7 is silent for minutes
}
ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter: the model is there, the alias is not


@contextmanager
def reachable() -> Iterator[None]:
    """MLflow's own error as one that says what to do: what was paid is kept, and registering may be tried again."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        code = getattr(error, "error_code", type(error).__name__)
        said = str(error).partition("[SQL:")[0]  # what follows are parameters of a statement
        cause = f"MLflow says {code}: {shown(re.sub(r'//[^/@ ]+@', '//***@', said))}"
        remedy = "See that MLFLOW_TRACKING_URI can be reached and written, then `tunegate resume RUN`."
        raise ResumableError("Recording the trial", cause, remedy) from None  # its text may hold a password


class Store:
    """`MLFLOW_TRACKING_URI` wins; else SQLite under TUNEGATE_HOME.

    MLflow's active run is thread-local, so everything names its run and none is ever made active by surprise.
    """

    def __init__(self, use_case: str) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        import mlflow

        for noisy in ("utils.environment", "types.type_hints"):  # pip, where uv is used; a union in `predict`
            logging.getLogger(f"mlflow.{noisy}").setLevel(logging.ERROR)

        self.use_case = use_case
        chosen = os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = chosen or f"sqlite:///{home() / 'mlflow.db'}"
        with reachable():
            mlflow.set_tracking_uri(self.uri)
            if not chosen:  # MLflow wrote it there: the next store, of another home maybe, would take it for the user's
                os.environ.pop("MLFLOW_TRACKING_URI", None)
            self.client: Any = mlflow.MlflowClient(self.uri)
            if not chosen:
                with FileLock(home() / "mlflow.lock", mode=0o600):  # two that make its tables at once break each other
                    self.client.search_experiments(max_results=1)

    @cached_property
    def experiment_id(self) -> str:
        """One experiment a use case, made at the first trial."""
        from mlflow.exceptions import MlflowException

        if found := self._experiment():
            return found
        try:
            return self._create_experiment()
        except MlflowException:  # another first trial of the use case was quicker
            if found := self._experiment():
                return found
            raise

    def _experiment(self) -> str | None:
        known = self.client.get_experiment_by_name(self.use_case)
        return str(known.experiment_id) if known else None

    def _create_experiment(self) -> str:
        # With its own location, artifacts are readable through a server and straight from the database alike.
        local = self.uri.startswith("sqlite:")
        location = (home() / "mlartifacts" / self.use_case).as_uri() if local else None
        return str(self.client.create_experiment(self.use_case, artifact_location=location))

    def find_run(self, **tags: str) -> str | None:
        """Id of the newest run with these tags; dots in a tag's name are written as two underscores."""
        wanted = " and ".join(f"tags.`{name.replace('__', '.')}` = '{value}'" for name, value in tags.items())
        found = self.client.search_runs([self.experiment_id], filter_string=wanted, max_results=1)
        return str(found[0].info.run_id) if found else None

    def create_run(self, name: str, tags: dict[str, str]) -> str:
        """Id of a new run."""
        return str(self.client.create_run(self.experiment_id, run_name=name, tags=tags).info.run_id)

    def has_artifact(self, run_id: str, name: str) -> bool:
        """Whether the run holds a file of that name at its top."""
        return name in {found.path for found in self.client.list_artifacts(run_id)}

    def log(self, run_id: str, metrics: dict[str, float], params: dict[str, str], tags: dict[str, str]) -> None:
        """Figures and texts of a run in one call."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
