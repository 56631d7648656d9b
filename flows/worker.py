"""`python -m flows.worker`: the runs of a work pool, on this machine. Any number of machines may do the same.

The deployments themselves come from `prefect deploy --all --prefect-file deployments/prefect.yaml`.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import click

from deployments.pools import TYPES
from deployments.publish import POOL
from deployments.pull import PROJECT
from flows.environment import prefect_reachable, prepare
from tasks.errors import TunegateError
from tasks.home import home

TEMPLATES = Path(__file__).parents[1] / "deployments" / "work_pools"
POLL_S = "3"  # between "Run" in the UI and the start; Prefect's default is 10


@click.command()
@click.option(
    "--pool", default=POOL, show_default=True, help="Name of the work pool; it is created where it is missing."
)
@click.option("--type", "kind", type=click.Choice(list(TYPES)), default="process", show_default=True)
@click.option("--limit", type=int, help="So many runs at once, at most.")
@click.option("--health", is_flag=True, help="Answer at /health on PREFECT_WORKER_WEBSERVER_HOST and _PORT.")
def main(pool: str, kind: str, limit: int | None, health: bool) -> None:
    """Work for a pool, see that a dead run frees its slot, and end what an earlier process left behind."""
    _settle()
    try:
        with prefect_reachable():
            _keep_house()
    except TunegateError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    further = [*(["--limit", str(limit)] if limit else []), *(["--with-healthcheck"] if health else [])]
    sys.exit(_work([*_command(pool, kind), *further]))


def _settle() -> None:
    """What a run inherits: where state and use cases are, wherever Prefect starts it."""
    os.environ["TUNEGATE_HOME"] = str(home())
    os.environ.setdefault(PROJECT, str(Path.cwd()))
    os.environ.setdefault("PREFECT_WORKER_QUERY_SECONDS", POLL_S)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")
    prepare()


def _keep_house() -> None:
    from prefect.client.orchestration import get_client

    from flows.housekeeping import create_automations, keep_house

    with get_client(sync_client=True) as client:
        create_automations(client)
    keep_house()


def _command(pool: str, kind: str) -> list[str]:
    words = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", pool, "--type", kind]
    return [*words, "--base-job-template", str(TEMPLATES / f"{kind}.json"), "--install-policy", "never"]


def _work(command: list[str]) -> int:
    """Prefect's own worker until it ends. It is told once what this process is told: a second Ctrl-C would kill it."""
    worker = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - Prefect's command line
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda number, _frame: worker.send_signal(number))
    return worker.wait()


if __name__ == "__main__":
    main()
