"""A process that has loaded everything and forks a child for each order: a trial's start costs milliseconds.

`python -m tests.chaos.fork_server FOLDER` reads one JSON order a line from standard input and answers on standard
output: `{"id", "pid"}` when the child is there, `{"id", "exit"}` when it has ended. A child is a process group of its
own; all of them die with this process.
"""

import json
import os
import select
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def main(folder: Path) -> None:
    """Load, say so, serve until standard input ends."""
    _settle_in(folder)
    from tests.chaos import command_line

    command_line.warm_up(folder)
    children: dict[int, int] = {}
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _say({"ready": os.getpid()})
    try:
        _serve(children, wake)
    finally:
        for pid in children:
            _kill_group(pid)


def _settle_in(folder: Path) -> None:
    """What is read at import: one thread for arithmetic, since a fork takes no threads along; nothing calls home."""
    from flows.environment import OTHERS, PREFECT

    quiet = {"PREFECT_LOGGING_TO_API_ENABLED": "false", "PREFECT_HOME": str(folder / "prefect")}
    os.environ.update({**PREFECT, **OTHERS, **quiet, **dict.fromkeys(ONE_THREAD, "1")})


def _serve(children: dict[int, int], wake: int) -> None:
    while True:
        readable, _, _ = select.select([sys.stdin, wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            _bury(children)
        if sys.stdin in readable:
            line = os.read(0, 1 << 20)
            if not line:
                return
            for order in line.splitlines():
                _start(json.loads(order), children)


def _start(order: dict[str, Any], children: dict[int, int]) -> None:
    pid = os.fork()
    if pid == 0:
        _live(order)
    children[pid] = order["id"]
    _say({"id": order["id"], "pid": pid})


def _bury(children: dict[int, int]) -> None:
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            _kill_group(pid)  # what it started dies with it
            _say({"id": children.pop(pid), "exit": os.waitstatus_to_exitcode(status)})


def _live(order: dict[str, Any]) -> NoReturn:
    """The child: its own group, environment, folder and output; ends as a program does."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        null = os.open(os.devnull, os.O_RDONLY)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        errors = os.open(order["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for ours, standard in ((null, 0), (output, 1), (errors, 2)):
            os.dup2(ours, standard)
        from tests.chaos import command_line

        code = command_line.live(order)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _say(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
