"""The fork server as its user sees it: children that are started, awaited and killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
READY_S = 300.0
KILLED = -signal.SIGKILL


class Child:
    """One forked process, group and all."""

    def __init__(self, news: threading.Condition) -> None:
        self._news = news
        self.pid: int | None = None
        self.exit: int | None = None

    def wait(self, seconds: float) -> int | None:
        """Its exit code, None where it still lives after so long."""
        with self._news:
            self._news.wait_for(lambda: self.exit is not None, seconds)
        return self.exit

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
        if self.exit is None and self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def told(self, message: dict[str, int]) -> None:
        """What the fork server says of it."""
        self.pid, self.exit = message.get("pid", self.pid), message.get("exit", self.exit)


class Forks:
    """One running fork server; `folder` is its own. For use in a `with`, from any number of threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._news, self._children = threading.Condition(), dict[int, Child]()
        with (folder / "fork_server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.fork_server", str(folder)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._ready = False
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        deadline = time.monotonic() + READY_S
        with self._news:
            self._news.wait_for(lambda: self._ready or self._process.poll() is not None, deadline - time.monotonic())
        assert self._ready, (self.folder / "fork_server.log").read_text()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def start(self, program: str, arguments: list[str], folder: Path, **order: Any) -> Child:
        """Fork a child that runs a program of command_line.py. Its output goes to `folder`."""
        child = Child(self._news)
        whole = {"program": program, "arguments": arguments, "folder": str(folder), "environment": {}, **order}
        whole.setdefault("output", str(folder / f"{program}.out"))
        whole.setdefault("errors", str(folder / f"{program}.err"))
        assert self._process.stdin is not None
        with self._news:
            number = len(self._children)
            self._children[number] = child
            self._process.stdin.write(json.dumps({"id": number, **whole}).encode() + b"\n")
            self._process.stdin.flush()
            self._news.wait_for(lambda: child.pid is not None, 30)
        assert child.pid is not None, "the fork server does not answer"
        return child

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message = json.loads(line)
            with self._news:
                if "ready" in message:
                    self._ready = True
                else:
                    self._children[message["id"]].told(message)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()
