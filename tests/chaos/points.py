"""Named points of a trial at which its process can die: before and after each thing that it does to the world.

Installed in a forked child around public functions; the product itself knows nothing of it. An order's `die_at` names
one such point, `die_after` counts all of them, `record` names a file that gets every name as it is reached.
"""

import functools
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITES = ("open_intent", "advance", "approve", "nudge", "remember", "record", "settle", "store_")
REGISTRY = (
    *("create_experiment", "create_run", "update_run", "set_terminated", "log_batch", "log_inputs", "log_artifact"),
    *("log_dict", "log_table", "log_figure", "create_registered_model", "create_model_version", "update_model_version"),
    *("set_model_version_tag", "set_registered_model_alias"),
)


class Points:
    """Counts what is reached, by name, and dies where it was told to."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._die_at, self._die_after = order.get("die_at"), order.get("die_after")
        path = order.get("record")
        self._record = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if path else None
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reached(self, name: str, side: str) -> None:
        """One more point."""
        with self._lock:
            self._seen[f"{name} {side}"] += 1
            point = f"{name} #{self._seen[f'{name} {side}']} {side}"
            if self._record is not None:
                os.write(self._record, f"{point}\n".encode())
            if point == self._die_at or self._seen.total() == self._die_after:
                os.killpg(0, signal.SIGKILL)

    def around(self, function: Callable[..., Any], name: Callable[..., str | None]) -> Callable[..., Any]:
        """The function between two points; none where `name` of its arguments is None."""

        @functools.wraps(function)
        def between(*arguments: Any, **keywords: Any) -> Any:
            found = name(*arguments, **keywords)
            if found is None:
                return function(*arguments, **keywords)
            self.reached(found, "before")
            result = function(*arguments, **keywords)
            self.reached(found, "after")
            return result

        return between

    def around_async(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """The same for a coroutine."""

        @functools.wraps(function)
        async def between(*arguments: Any, **keywords: Any) -> Any:
            found = name(*arguments, **keywords)
            self.reached(found, "before")
            result = await function(*arguments, **keywords)
            self.reached(found, "after")
            return result

        return between


def install(order: dict[str, Any]) -> None:
    """Set points in this process, if the order asks for any."""
    if any(name in order for name in ("die_at", "die_after", "record")):
        points = Points(order)
        _around_requests(points)
        _around_the_ledger(points)
        _around_files(points)
        _around_mlflow(points)


def _around_requests(points: Points) -> None:
    import aiohttp
    import httpx2

    from tasks.providers.local.app import ROUTES

    calls = [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$"), name) for name, method, path, _ in ROUTES]

    def call(method: str, path: str) -> str:
        found = (name for verb, pattern, name in calls if verb == method and pattern.match(path))
        return f"request {next(found, path)}"

    httpx2.Client.send = points.around(  # type: ignore[method-assign]
        httpx2.Client.send, lambda client, request, **_: call(request.method, request.url.path)
    )
    aiohttp.ClientSession._request = points.around_async(  # type: ignore[method-assign]
        aiohttp.ClientSession._request, lambda session, method, url, **_: call(method, _path(url))
    )


def _path(url: object) -> str:
    return "/" + str(url).split("/", 3)[-1]


def _around_the_ledger(points: Points) -> None:
    from tasks.ledger import Ledger

    for method in [name for name in vars(Ledger) if name.startswith(WRITES)]:

        def name(*arguments: Any, method: str = method, **_: Any) -> str:
            state = f" {arguments[2]}" if method == "advance" else ""
            return f"ledger {method}{state}"

        setattr(Ledger, method, points.around(getattr(Ledger, method), name))


def _around_files(points: Points) -> None:
    """Each takes its name by a rename: the new file is whole before, and there after it."""

    def name(_source: object, target: Any, **_: Any) -> str | None:
        path = Path(target)
        return f"file {path.name}" if path.parent.parent.name == "runs" else None

    os.replace = points.around(os.replace, name)


def _around_mlflow(points: Points) -> None:
    from mlflow import MlflowClient

    for method in REGISTRY:

        def name(*arguments: Any, method: str = method, **_: Any) -> str:
            detail = f" {arguments[2]}" if method == "set_registered_model_alias" else ""
            return f"mlflow {method}{detail}"

        setattr(MlflowClient, method, points.around(getattr(MlflowClient, method), name))
