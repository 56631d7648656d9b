"""The embedded provider: OpenAI's wire to a server of our own, found where it runs and started where it does not.

Its identity belongs to its state folder, so that what was bought there is found again after a change of port.
"""

import datetime as dt
import http.client
import json
import os
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from filelock import FileLock
from pydantic import BaseModel, ValidationError

from data_contracts.money import Price
from data_contracts.provider import ProviderSettings
from tasks.clock import Clock, SystemClock
from tasks.errors import ProviderUnavailableError
from tasks.providers.asking import as_
from tasks.providers.base_url import checked
from tasks.providers.batches import Batches
from tasks.providers.dialects import Batching
from tasks.providers.openai_wire import OpenAIWire
from tasks.providers.prices import base_model_of
from tasks.providers.wire_batches import WireBatches

URL_VARIABLE = "TUNEGATE_PROVIDER_URL"
ROOT = Path(__file__).parents[2]
START_S = 90.0  # a cold start loads scikit-learn; on two busy cores that takes a while
HEALTH_S = 5.0
IDLE_EXIT_S = 600
KEPT = (  # of the environment: no key among them
    *("PATH", "LANG", "TMPDIR"),
    *("HF_HOME", "HF_HUB_CACHE", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"),  # for models of one's own
)
TAKEN = 3  # exit code of a server whose state folder another one holds: that one will answer


class Embedded(OpenAIWire):
    """The wire to whatever port the server of a state folder has now."""

    def __init__(self, settings: ProviderSettings, state: Path, clock: Clock | None = None) -> None:
        super().__init__(settings, base_url="http://127.0.0.1/v1", api_key="embedded", clock=clock)
        self._process = EmbeddedServer(state, clock or SystemClock())
        self.base_url = f"embedded:{self._process.identity()}"
        self.account = settings.project or "default"

    def price(self, model: str, tuned: bool) -> Price:
        """Price per million tokens from the server's own table."""
        row = next((row for row in self._prices().data if row.model == base_model_of(model)), None)
        prices = row.prices(tuned) if row else {"input": None, "output": None}
        today = dt.datetime.fromtimestamp(self._clock.now(), dt.UTC).date()
        return Price(model=model, **prices, source="the embedded provider's table", as_of=today.isoformat())

    def batches(self) -> Batches:
        """Requests by the file, at the server's own share of the price."""
        table = self.dialect.batches or Batching()
        return WireBatches(self._caller, self._clock, table.model_copy(update={"price": self._prices().batch_price}))

    def _prices(self) -> "PriceTable":
        return self._caller.read("reading prices", self._caller.request("GET", "/prices"), as_(PriceTable))

    def _look_up(self) -> None:
        self._client.base_url = self._process.url()


class PriceRow(BaseModel):
    """What one base model and its tunes cost; fictional USD per million tokens."""

    model: str
    input: float
    output: float
    training: float
    tuned_input: float
    tuned_output: float

    def prices(self, tuned: bool) -> dict[str, float]:
        """The parts of a Price."""
        if tuned:
            return {"input": self.tuned_input, "output": self.tuned_output, "training": self.training}
        return {"input": self.input, "output": self.output, "training": self.training}


class PriceTable(BaseModel):
    """The server's price table."""

    data: list[PriceRow]
    batch_price: float = 0.5  # share of the price that an answer costs in a batch


class Listening(BaseModel):
    """server.json: where a server said that it listens."""

    url: str
    pid: int


class EmbeddedServer:
    """The one server of a state folder."""

    def __init__(self, state: Path, clock: Clock) -> None:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state, self._clock = state, clock
        self._lock = FileLock(state / "start.lock")
        self._process: subprocess.Popen[bytes] | None = None  # kept, so that its end leaves no zombie

    def identity(self) -> str:
        """A name that stays with the state folder."""
        path = self._state / "identity"
        with self._lock:
            if not path.exists():
                path.write_text(uuid.uuid4().hex)
        return path.read_text()

    def url(self) -> str:
        """Base URL of the server, which is up. Raises ProviderUnavailableError where it does not come up."""
        named = os.environ.get(URL_VARIABLE)
        if named:
            return checked(named, URL_VARIABLE)
        url, health = self._look()
        return url if health == "up" else self._awaken()

    def _awaken(self) -> str:
        """Start it, unless it is there and only busy; of several processes that want it, one starts it."""
        started = None
        with self._lock:
            deadline = self._clock.monotonic() + START_S
            while self._clock.monotonic() < deadline:
                url, health = self._look()
                if health == "up":
                    return url
                if health == "gone" and started is None:
                    started = self._process = self._launch()
                if started and started.poll() not in (None, TAKEN):
                    raise self._down(f"it ended with code {started.returncode} while starting")
                self._clock.sleep(0.05)
        raise self._down(f"it did not answer within {START_S:.0f} s")

    def _look(self) -> tuple[str, Literal["up", "busy", "gone"]]:
        """Where the server should be, and whether it is there."""
        try:
            listening = Listening.model_validate_json((self._state / "server.json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return "", "gone"
        return listening.url, _health(listening)

    def _launch(self) -> subprocess.Popen[bytes]:
        """A process of its own session: it outlives this one, and gets neither its keys nor its terminal."""
        module = "tasks.providers.local.server"
        flags = ["--state", str(self._state), "--port", "0", "--idle-exit", str(IDLE_EXIT_S)]
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        with open(self._log, "ab", opener=partial(os.open, mode=0o600)) as log:
            return subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", module, *flags],
                cwd=self._state,
                env={**kept, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def _log(self) -> Path:
        return self._state / "server.log"

    def _down(self, cause: str) -> ProviderUnavailableError:
        remedy = f"Its log is {self._log}. Mend what it says, then run `tunegate resume RUN`."
        return ProviderUnavailableError("the embedded provider", cause, remedy)


def _health(listening: Listening) -> Literal["up", "busy", "gone"]:
    """`gone` also where the port now belongs to another program."""
    parts = urlsplit(listening.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=HEALTH_S)
    try:
        connection.request("GET", "/health")
        return "up" if json.load(connection.getresponse())["pid"] == listening.pid else "gone"
    except TimeoutError:
        return "busy"
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return "gone"
    finally:
        connection.close()
