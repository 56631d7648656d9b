"""The embedded provider as a process: `python -m tasks.providers.local.server --state DIR`.

Prints one JSON line `{"url": ..., "pid": ...}` when it answers, and keeps the same in DIR/server.json meanwhile.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout
from uvicorn.protocols.http.h11_impl import H11Protocol

from tasks.providers.local.app import Edge, create_app
from tasks.providers.local.faults import Faults
from tasks.providers.local.request_log import RequestLog
from tasks.providers.local.settings import SettingsFile
from tasks.providers.local.store import write_atomically

LOOPBACK = "127.0.0.1"


class Connection(H11Protocol):
    """uvicorn's connection, which lets a fault reach the transport to break it off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport where a request finds it: `scope["state"]["transport"]`."""
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol; without it each answer waits 40 ms for an ACK
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}


class Server(uvicorn.Server):
    """uvicorn's server, which says where it is as long as it is there."""

    def __init__(self, config: uvicorn.Config, address_file: Path) -> None:
        super().__init__(config)
        self._address_file = address_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then announce."""
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self.config.port
        address = json.dumps({"url": f"http://{LOOPBACK}:{port}/v1", "pid": os.getpid()})
        write_atomically(self._address_file, address.encode())
        print(address, flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take the announcement back, then stop."""
        self._address_file.unlink(missing_ok=True)
        await super().shutdown(sockets)

    async def stop_when_idle(self, edge: Edge, seconds: float) -> None:
        """Stop once no request came and no job ran for so long."""
        while edge.idle_seconds() < seconds:
            await asyncio.sleep(min(seconds / 4, 5))
        self.should_exit = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop. 2: a file is wrong; 3: another server holds the state folder."""
    options = _options(arguments)
    state: Path = options.state.absolute()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with FileLock(state / "lock", timeout=0):
            asyncio.run(_serve(options, state))
    except Timeout:
        print(f"{state} belongs to a running server; its address is in {state / 'server.json'}.", file=sys.stderr)
        return 3
    except (OSError, ValueError) as problem:
        print(f"The embedded provider did not start: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(options: argparse.Namespace, state: Path) -> None:
    if options.settings and not options.settings.exists():
        raise FileNotFoundError(options.settings)
    settings = SettingsFile(options.settings or state / "settings.yaml")
    faults = Faults.from_file(options.faults, state / "faults.counts.json")
    app, edge = create_app(state, settings, faults, RequestLog(options.log or state / "requests.jsonl"))
    config = uvicorn.Config(
        app, http=Connection, ws="none", log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    server = Server(config, state / "server.json")
    with socket.create_server((LOOPBACK, options.port), backlog=1024) as listener:
        watch = asyncio.create_task(server.stop_when_idle(edge, options.idle_exit)) if options.idle_exit else None
        await server.serve(sockets=[listener])
        if watch:
            watch.cancel()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tasks.providers.local.server", description="The embedded provider."
    )
    parser.add_argument("--state", type=Path, required=True, help="folder of files, jobs and models")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--faults", type=Path, help="fault list, YAML or JSON")
    parser.add_argument("--settings", type=Path, help="settings, YAML or JSON; DIR/settings.yaml unless given")
    parser.add_argument("--log", type=Path, help="request log; DIR/requests.jsonl unless given")
    parser.add_argument("--idle-exit", type=float, help="stop after so many seconds without a request or a job")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
