"""What a forked child does: the `tunegate` command on the stages themselves, or the embedded provider's server."""

import gc
import importlib
import logging
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.chaos import egress, points, virtual_time
from tests.chaos.use_case import chaos_use_case
from tests.embedded import embedded_server

TEMPLATE = "template"


def warm_up(folder: Path) -> None:
    """Run one trial here, so that every first time is over before the first fork. It leaves an empty MLflow store in
    `folder`/template for trials to copy.
    """
    _leave_prefect_out()
    home = folder / TEMPLATE
    os.environ["TUNEGATE_HOME"] = str(home)
    from tasks.register.mlflow_registry import Registry

    Registry("nobody").champion()
    shutil.copytree(home, folder / "rehearsal")
    os.environ["TUNEGATE_HOME"] = str(folder / "rehearsal")
    use_case = chaos_use_case(folder / "warm")
    with embedded_server(folder / "provider") as server:
        os.environ["TUNEGATE_PROVIDER_URL"] = server.url
        with Path(os.devnull).open("w") as null, redirect_stdout(null), redirect_stderr(null):
            code = _tunegate(["run", str(use_case), "--json"])
    assert code == 0, f"the rehearsal ended with {code}"
    import tasks.providers.local.server  # noqa: F401 - what the other kind of child runs

    del os.environ["TUNEGATE_HOME"], os.environ["TUNEGATE_PROVIDER_URL"]
    logging.getLogger("tunegate").handlers.clear()  # they write where the rehearsal wrote
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page


def live(order: dict[str, Any]) -> int:
    """Exit code of what the order names: the command, the server, or whoever asks the champion."""
    if order["program"] == "server":
        from tasks.providers.local.server import main

        return main(order["arguments"])
    if order["program"] == "load":
        return _load_champion(*order["arguments"])
    points.install(order)
    if "connects" in order:
        egress.install(Path(order["connects"]))
    if "virtual_time" in order:
        virtual_time.install(Path(order["virtual_time"]))
    for name, value in order.get("constants", {}).items():
        _set(name, value)
    return _tunegate(order["arguments"])


def _tunegate(arguments: list[str]) -> int:
    from flows import cli

    sys.argv = ["tunegate", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


def _load_champion(home: str) -> int:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    champion = mlflow.pyfunc.load_model("models:/tunegate.small@champion")
    return 0 if champion.predict(["apple pear plum"]) else 1


def _set(name: str, value: float) -> None:
    """How long a test may wait is a module's constant; one that is gone is an error here."""
    module, _, constant = name.rpartition(".")
    found = importlib.import_module(module)
    assert hasattr(found, constant), name
    setattr(found, constant, value)


class _Undecorated:
    """Prefect's tasks as the plain functions that they decorate."""

    def __getattr__(self, name: str) -> Any:
        from tasks import prefect_tasks

        return getattr(prefect_tasks, name).fn


def _leave_prefect_out() -> None:
    """From here on the trial is its flow's own body, without Prefect around it."""
    from flows import trial
    from tasks import prefect_tasks

    for name, module in list(sys.modules.items()):
        if name.startswith("flows.") and getattr(module, "stage", None) is prefect_tasks:
            module.stage = _Undecorated()  # type: ignore[attr-defined]
    trial.trial = trial.trial.fn
